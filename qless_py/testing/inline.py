"""Run jobs in the thread of the test, with everything that a worker does around them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from qless_py import protocol
from qless_py.app import app_of
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.client.queue import Queue
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.outcomes import Outcome, deciding
from qless_py.handlers.result import Transition
from qless_py.protocol import Call, JobRecord, instrumentation
from qless_py.testing.assertions import check_queue

# Scripts after which a job may have become ready to run.
_MAKES_READY: Final = frozenset({"put", "put_many", "requeue", "unfail", "unpause", "recur_run"})
_ALLOW_ANY: Final = HandlerOptions(allow_any=True)


def _options_of(session: object) -> HandlerOptions:
    """Return the options of the App of a client; every handler may run."""
    app = app_of(session)
    return _ALLOW_ANY if app is None else app.handler_options(allow_any=True)


class TooManyJobsError(AssertionError):
    """Draining did not end: the jobs keep putting jobs, or are retried."""


@dataclass(frozen=True, slots=True)
class Performed:
    """A job that was run: what its handler returned or raised, and the job as read afterwards.

    `job` is None if it was deleted, because it was discarded or canceled.
    """

    jid: str
    result: Any
    error: BaseException | None
    job: Job | None


def perform(job: Job, options: HandlerOptions | None = None) -> Any:
    """Run a job that was popped, or built by `Job.build`, as a worker would.

    The job completes or fails in the store; then this returns what the handler returned or raises
    what it raised. `Retry`, `Snooze` and `Discard`, of a policy or of the handler, are carried out
    and not raised. By default every handler may run, within the middleware, limits and retry policy
    of the App whose client the job belongs to; pass `HandlerOptions` for others.
    """
    done = _performed(job, Executor(options or _options_of(job.session)))
    if done.error is not None:
        raise done.error
    return done.result


def drain(
    queue: Queue,
    *,
    most: int = 1000,
    raises: bool = True,
    options: HandlerOptions | None = None,
) -> list[Performed]:
    """Run the ready jobs of a queue, and those that become ready meanwhile, until none is left.

    Raises the first exception of a handler that no policy retries; with `raises=False` that job
    fails, as in a worker, and the others run. Raises `TooManyJobsError` after `most` jobs.
    """
    chosen = options or _options_of(check_queue(queue).session)
    return _drained(queue.pop, most, chosen, raises=raises)


@contextlib.contextmanager
def run_inline(
    client: Client,
    *,
    most: int = 1000,
    raises: bool = True,
    options: HandlerOptions | None = None,
) -> Iterator[None]:
    """Run every job that is put through this client in the block, before `put` returns.

    The jobs go through the store like any others: delayed jobs, jobs with unfinished dependencies
    and jobs of paused queues stay there. A job that puts others ends before they start.
    """
    chosen = options or _options_of(client)
    send, send_many = client.runner.run, client.runner.run_many
    is_running = False

    def settle(*calls: Call[Any]) -> None:
        nonlocal is_running
        if is_running or not any(call.script in _MAKES_READY for call in calls):
            return
        is_running = True
        try:
            _drained(lambda: client.pop(["*"]), most, chosen, raises=raises)
        finally:
            is_running = False

    def run(call: Call[Any]) -> Any:
        reply: Any = send(call)
        settle(call)
        return reply

    def run_many(calls: Sequence[Call[Any]]) -> list[Any]:
        replies: list[Any] = send_many(calls)
        settle(*calls)
        return replies

    # All objects of the client send their calls through these two methods.
    vars(client.runner).update(run=run, run_many=run_many)
    try:
        yield
    finally:
        del vars(client.runner)["run"], vars(client.runner)["run_many"]


def _drained(
    pop: Callable[[], Job | None], most: int, options: HandlerOptions, *, raises: bool
) -> list[Performed]:
    executor = Executor(options)
    done: list[Performed] = []
    while (job := pop()) is not None:
        if len(done) == most:
            job.release()
            raise TooManyJobsError(f"no end after {most} jobs; next is {job!r}")
        done.append(_performed(job, executor))
        error = done[-1].error
        if raises and error is not None:
            raise error
    return done


def _run(executor: Executor, job: Job) -> Any:
    if not _is_in_event_loop():
        return executor.run(job)
    # In an async test, a handler that needs an event loop of its own runs in a thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, executor.run, job).result()


def _is_in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _performed(job: Job, executor: Executor) -> Performed:
    value, error = None, None
    if instrumentation.current is not None:
        instrumentation.current.begin(job)
    try:
        value = _run(executor, job)
        transition = Transition.returned(job, value)
    except BaseException as raised:  # noqa: BLE001 - reported to the test
        error = None if isinstance(deciding(raised), Outcome) else raised
        transition = Transition.raised(job, raised)
    if instrumentation.current is not None:
        instrumentation.current.end(job, transition.call)
    if not job.lease:
        return Performed(job.jid, value, error, job)  # Built, not popped: it is in no store.
    if transition.call is not None:
        job.session.runner.run(transition.call)
    record = job.session.runner.run(protocol.jobs.read(job.jid))
    after = Job(job.session, record) if isinstance(record, JobRecord) else None
    return Performed(job.jid, value, error, after)
