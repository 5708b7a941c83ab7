"""Jobs performed where the test runs, with all that a worker does around them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.client.queue import Queue
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.outcomes import Outcome
from qless_py.handlers.result import Result
from qless_py.protocol import Call, JobRecord, reads
from qless_py.testing.assertions import of_client

# Transitions after which something may have become ready to run.
_PUTTING: Final = frozenset({"put", "put_many", "requeue", "unfail", "unpause", "recur_run"})
_ANYTHING: Final = HandlerOptions(allow_any=True)


class TooManyJobsError(AssertionError):
    """Draining came to no end: jobs go on putting jobs, or being retried."""


@dataclass(frozen=True, slots=True)
class Performed:
    """A job after its run: what its handler gave or raised; `job` was read again afterwards.

    The job is `None` when it is gone, because it was discarded or canceled.
    """

    jid: str
    result: Any
    error: BaseException | None
    job: Job | None


def perform(job: Job, options: HandlerOptions = _ANYTHING) -> Any:
    """Run a job that was popped, or built by `Job.build`, as a worker would.

    Gives what the handler returns and raises what it raises, after the store was told. What a
    policy or the handler itself says (`Retry`, `Snooze`, `Discard`) is done and raises nothing.
    By default every handler may run; `HandlerOptions` say what else a worker does around it.
    """
    done = _performed(job, Executor(options))
    if done.error is not None:
        raise done.error
    return done.result


def drain(
    queue: Queue, *, most: int = 1000, raises: bool = True, options: HandlerOptions = _ANYTHING
) -> list[Performed]:
    """Run what is ready in a queue, and what becomes ready by that, until nothing is left.

    Raises what the first handler raises that has no policy for it; with `raises=False` its job
    fails, as it would in a worker, and the rest runs.
    """
    return _drained(of_client(queue).pop, most, options, raises=raises)


@contextlib.contextmanager
def run_inline(
    client: Client, *, most: int = 1000, raises: bool = True, options: HandlerOptions = _ANYTHING
) -> Iterator[None]:
    """Run every job as soon as it is put through this client, before `put` returns.

    The jobs go through the store like any others; what is delayed, waits for other jobs or is
    paused stays there. A job that puts others runs to its end before they do.
    """
    send, send_many = client.run, client.run_many
    is_running = False

    def settle(*calls: Call[Any]) -> None:
        nonlocal is_running
        if is_running or not any(call.script in _PUTTING for call in calls):
            return
        is_running = True
        try:
            _drained(lambda: client.pop(["*"]), most, options, raises=raises)
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

    # All objects of the client send their calls through these two.
    vars(client).update(run=run, run_many=run_many)
    try:
        yield
    finally:
        del vars(client)["run"], vars(client)["run_many"]


def _drained(
    pop: Callable[[], Job | None], most: int, options: HandlerOptions, *, raises: bool
) -> list[Performed]:
    handlers = Executor(options)
    done: list[Performed] = []
    while (job := pop()) is not None:
        if len(done) == most:
            job.release()
            raise TooManyJobsError(f"there is no end after {most} jobs; the next is {job!r}")
        done.append(_performed(job, handlers))
        error = done[-1].error
        if raises and error is not None:
            raise error
    return done


def _run(handlers: Executor, job: Job) -> Any:
    if not _is_below_a_loop():  # Not in an except clause, or failures would name its error, too.
        return handlers.run(job)
    # Below an async test: a handler that needs a loop of its own needs a thread for it.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, handlers.run, job).result()


def _is_below_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _performed(job: Job, handlers: Executor) -> Performed:
    result, error = None, None
    try:
        result = _run(handlers, job)
        verdict = Result.returned(job, result)
    except BaseException as raised:  # noqa: BLE001 - the test shall see whatever it is
        error = None if isinstance(raised, Outcome) else raised
        verdict = Result.raised(job, raised)
    if not job.lease:
        return Performed(job.jid, result, error, job)  # It was built, and is in no store.
    if verdict.call is not None:
        job.reach.run(verdict.call)
    record = job.reach.run(reads.job(job.jid))
    after = Job(job.reach, record) if isinstance(record, JobRecord) else None
    return Performed(job.jid, result, error, after)
