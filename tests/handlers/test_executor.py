"""Which function runs for a job, the middleware around it, and how its end ends the job."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qless_py import (
    BadArgumentError,
    Client,
    GracefulStop,
    HandlerNotFoundError,
    Job,
    QlessError,
    SoftLimitError,
)
from qless_py.handlers.executor import Executor, GeneratorHandlerError, HandlerOptions
from qless_py.handlers.middleware.timeout import Timeout
from qless_py.handlers.programs import Dispatch
from qless_py.handlers.resolve import HandlerNotAllowedError
from qless_py.handlers.result import Transition
from qless_py.protocol import Call
from qless_py.testing import perform
from tests.handlers import jobs, tasks
from tests.handlers.jobs import SEEN

ANY = HandlerOptions(allow_any=True)


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    SEEN.clear()
    yield
    SEEN.clear()


def taken(client: Client, klass: Any, data: Any = None, queue: str = "q", **options: Any) -> Job:
    client.queues[queue].put(klass, data, **options)
    job = client.queues[queue].pop()
    assert job is not None
    return job


def after(client: Client, job: Job) -> Job:
    found = client.jobs[job.jid]
    assert isinstance(found, Job)
    return found


@pytest.mark.parametrize(
    ("queue", "given"),
    [
        ("first", "static"),
        ("second", "Pipeline"),
        ("third", "pipeline"),
        ("fourth", "awaited"),
        ("retry", "of a queue called retry"),
        ("other", "otherwise"),
    ],
)
def test_the_method_of_a_class_that_is_named_like_the_queue_performs(
    client: Client, queue: str, given: str
) -> None:
    assert perform(taken(client, jobs.Pipeline, queue=queue)) == given


@pytest.mark.parametrize(
    ("klass", "given"),
    [
        ("tests.handlers.jobs.callable_object", "called"),
        (jobs.makes_a_coroutine, "awaited"),
        (jobs.gives_an_awaitable, "awaited"),
    ],
)
def test_whatever_is_awaitable_is_awaited(client: Client, klass: Any, given: str) -> None:
    assert perform(taken(client, klass)) == given


@pytest.mark.parametrize(
    ("klass", "is_async"),
    [
        (jobs.current, False),
        (jobs.current_later, True),
        ("tests.handlers.jobs.callable_object", True),
        ("tests.handlers.jobs.no_such_thing", False),
    ],
)
def test_async_handlers_are_known_before_they_run(
    client: Client, klass: Any, *, is_async: bool
) -> None:
    assert Executor(ANY).is_async(taken(client, klass)) is is_async


def test_a_handler_sees_its_job_and_another_thread_sees_none(client: Client) -> None:
    job = taken(client, jobs.current)

    assert perform(job) == (job.jid, "None")


def test_jobs_awaited_at_once_see_each_its_own(client: Client) -> None:
    held = [taken(client, jobs.current_later) for _ in range(3)]
    handlers = Executor(ANY)

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(handlers.arun(job) for job in held))

    assert asyncio.run(all_of_them()) == [job.jid for job in held]


def test_a_handler_that_does_not_await_runs_in_a_thread_beside_the_loop(client: Client) -> None:
    job = taken(client, jobs.current)

    assert asyncio.run(Executor(ANY).arun(job)) == (job.jid, "None")


@pytest.mark.parametrize("klass", ["os.getcwd", "tests.handlers.jobs.asyncio.run", "nowhere"])
def test_only_what_is_below_an_allowed_module_runs(client: Client, klass: str) -> None:
    job = taken(client, klass)

    with pytest.raises(HandlerNotAllowedError, match=r"--import: tests\.handlers"):
        perform(job, HandlerOptions(imports=["tests.handlers"]))

    assert after(client, job).failure["group"] == f"{klass}:HandlerNotAllowedError"


def test_everything_runs_where_everything_is_allowed(client: Client) -> None:
    assert perform(taken(client, "builtins.repr"), ANY).startswith("<Job ")


def test_a_handler_that_is_not_there_fails_its_job(client: Client) -> None:
    with pytest.raises(HandlerNotFoundError, match="no_such_thing"):
        perform(taken(client, "tests.handlers.jobs.no_such_thing"))


def test_middleware_is_entered_in_order_and_that_of_the_class_last(client: Client) -> None:
    options = HandlerOptions(allow_any=True, middleware=[jobs.noting("one"), jobs.noting("two")])

    assert perform(taken(client, jobs.Surrounded, {"fail": False}), options) == "done"

    entered = [f"{name} enters Surrounded" for name in ("one", "two", "own")]
    assert [*entered, "handler", "own leaves", "two leaves", "one leaves"] == SEEN


def test_middleware_sees_the_exception(client: Client) -> None:
    with pytest.raises(ValueError, match="broken"):
        perform(taken(client, jobs.Surrounded, {"fail": True}))

    assert SEEN == ["own enters Surrounded", "handler", "own saw it", "own leaves"]


def test_middleware_may_swallow_the_exception(client: Client) -> None:
    options = HandlerOptions(allow_any=True, middleware=["tests.handlers.jobs.swallowing"])
    job = taken(client, jobs.raises, {"kind": "value"})

    assert perform(job, options) is None

    assert after(client, job).state == "complete"


def test_async_handlers_enter_both_kinds_of_middleware(client: Client) -> None:
    options = HandlerOptions(allow_any=True, middleware=[jobs.awaiting])

    assert perform(taken(client, jobs.SurroundedLater), options) == "done"

    order = ("awaited in", "own enters SurroundedLater", "handler", "own leaves", "awaited out")
    assert tuple(SEEN) == order


def test_middleware_that_must_be_awaited_is_rejected_around_other_handlers(client: Client) -> None:
    options = HandlerOptions(allow_any=True, middleware=[jobs.awaiting])
    job = taken(client, jobs.Surrounded, {"fail": False})

    with pytest.raises(BadArgumentError, match="not a context manager"):
        perform(job, options)

    assert after(client, job).state == "failed"


@pytest.mark.parametrize("middleware", ["tests.handlers.jobs.SEEN", 5])
def test_what_is_no_middleware_is_rejected_at_once(middleware: Any) -> None:
    with pytest.raises(BadArgumentError, match="is not callable"):
        Executor(HandlerOptions(middleware=[middleware]))


@pytest.mark.parametrize("klass", [jobs.spins, jobs.waits])
@pytest.mark.parametrize("by", ["job", "worker", "middleware"])
def test_a_handler_that_runs_too_long_is_interrupted(client: Client, klass: Any, by: str) -> None:
    job = taken(client, klass, soft_limit=0.05 if by == "job" else None)
    around = [Timeout(0.05)] if by == "middleware" else []
    options = HandlerOptions(
        allow_any=True, middleware=around, soft_limit=0.05 if by == "worker" else None
    )

    with pytest.raises(SoftLimitError, match=r"soft limit of 0\.05 s"):
        perform(job, options)

    assert after(client, job).failure["group"].endswith(":SoftLimitError")


def test_a_limit_holds_in_another_thread_too(client: Client) -> None:
    job = taken(client, jobs.spins, soft_limit=0.05)

    with pytest.raises(SoftLimitError):
        asyncio.run(Executor(ANY).arun(job))


def test_a_limit_of_its_own_leaves_an_outer_one_in_force(client: Client) -> None:
    inner = taken(client, jobs.spins, soft_limit=30)

    with pytest.raises(SoftLimitError):
        perform(inner, HandlerOptions(allow_any=True, middleware=[Timeout(0.05)]))


@pytest.mark.parametrize("error", ["SoftLimitError", "LostLeaseError"])
def test_an_interrupt_during_import_is_not_lost(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    text = f"from qless_py import errors\nraise errors.{error}('now')\n"
    (tmp_path / "interrupted.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    handlers = Executor(HandlerOptions(imports=["interrupted"]))
    job = taken(client, "interrupted.handler")

    for look in (handlers.limits, handlers.is_async, handlers.run):
        with pytest.raises(QlessError, match="now") as raised:
            look(job)
        assert type(raised.value).__name__ == error


def test_ever_new_klass_names_take_bounded_memory(client: Client) -> None:
    handlers = Executor(HandlerOptions(performer=Dispatch().route(re.compile("x"), jobs.gives)))
    names = [f"x{number}" for number in range(3000)]

    sizes = []
    for name in names:
        assert handlers.run(Job.build(client, name, {"give": name})) == name
        sizes.append(len(handlers._resolved))

    assert max(sizes) <= 1000


def test_limits_of_the_job_come_before_those_of_its_class_and_of_the_worker(
    client: Client,
) -> None:
    handlers = Executor(HandlerOptions(allow_any=True, soft_limit=1, hard_limit=2))

    assert handlers.limits(taken(client, jobs.current)) == (1, 2)
    assert handlers.limits(taken(client, jobs.Limited)) == (0.05, 7)
    assert handlers.limits(taken(client, jobs.Limited, soft_limit=3, hard_limit=4)) == (3, 4)
    assert handlers.limits(taken(client, "tests.handlers.jobs.nothing")) == (None, 2)


def test_a_built_job_is_performed_without_a_store(client: Client) -> None:
    job = Job.build(client, jobs.gives, {"give": 5})

    assert perform(job) == 5

    assert client.jobs[job.jid] is None


def test_a_stop_that_hits_the_event_loop_itself_reaches_the_handler(client: Client) -> None:
    job = taken(client, jobs.stopped_in_a_callback)

    with pytest.raises(GracefulStop):
        perform(job)

    assert SEEN == ["cleaned up"]
    assert (after(client, job).state, after(client, job).retries_left) == ("waiting", 5)


@pytest.mark.parametrize(
    ("klass", "what"),
    [
        (jobs.yields, "yields"),
        (jobs.yields_later, "yields_later"),
        (jobs.Yields, "Yields"),
        (jobs.gives_a_generator, "gives_a_generator"),
        (tasks.yields, "yields"),
    ],
)
def test_a_generator_as_handler_fails_its_job(client: Client, klass: Any, what: str) -> None:
    job = taken(client, klass, {"kwargs": {}})

    with pytest.raises(GeneratorHandlerError, match="returned a generator"):
        perform(job)

    message = after(client, job).failure["message"]
    assert message.startswith(f"{what} returned a generator, whose code has not run")
    assert not SEEN


@pytest.mark.parametrize("jobs_put", [0, 1])
def test_a_result_that_cannot_be_stored_is_named_with_its_path(
    client: Client, jobs_put: int
) -> None:
    job = taken(client, jobs.gives)
    for _ in range(jobs_put):
        job.put("q", "app.follow", None)

    client.run(call_of(Transition.returned(job, {"total": {"sum": Decimal(3)}})))

    failure = after(client, job).failure
    assert failure["group"] == "tests.handlers.jobs.gives:BadArgumentError"
    assert failure["message"] == (
        "result is not JSON-serializable: Decimal at result['total']['sum']; convert it"
    )


def call_of(transition: Transition) -> Call[Any]:
    assert transition.call is not None
    return transition.call
