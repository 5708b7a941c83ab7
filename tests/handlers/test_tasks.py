"""Functions as handlers: which can be put, and what is stored."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import qless_py
from qless_py import BadArgumentError, Client, Job, aio, default_client
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.testing import assert_put, perform
from tests.conftest import Clock
from tests.handlers import tasks
from tests.handlers.jobs import SEEN
from tests.servers import Server


def taken(client: Client, queue: str = "mail") -> Job:
    job = client.queues[queue].pop()
    assert job is not None
    return job


def test_put_puts_what_calling_would_do(client: Client) -> None:
    jid = tasks.send.using(client).put("ann", subject="hi", copy="bob")

    job = taken(client)
    assert (job.jid, job.klass_name) == (jid, "tests.handlers.tasks.send")
    assert job.data == {"kwargs": {"to": "ann", "subject": "hi", "copy": "bob"}}
    assert (job.original_retries, job.tags) == (2, ["task"])
    assert perform(job) == tasks.send("ann", "hi", copy="bob") == "hi ann ['copy']"


def test_defaults_are_those_of_the_function_when_it_runs(client: Client) -> None:
    tasks.send.using(client).put(to="ann")

    job = taken(client)
    assert job.data == {"kwargs": {"to": "ann"}}
    assert perform(job) == "hello ann []"


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), (("a", "b", "c"), {}), (("a",), {"to": "b"})]
)
def test_arguments_that_do_not_fit_are_rejected_and_nothing_is_put(
    client: Client, args: Any, kwargs: Any
) -> None:
    with pytest.raises(BadArgumentError, match=r"^tests\.handlers\.tasks\.send: "):
        tasks.send.using(client).put(*args, **kwargs)

    assert client.queues.counts == []


def test_options_for_one_put_come_before_those_of_the_task(client: Client, clock: Clock) -> None:
    tasks.send.using(client, queue="other", delay=60, retries=7).put(to="ann")

    (job,) = assert_put(client.queues["other"], tasks.send, {"kwargs": {"to": "ann"}})
    assert (job.due_at, job.original_retries) == (clock.now + 60, 7)
    assert tasks.send.queue == "mail"


def test_a_task_can_be_put_like_any_handler(client: Client) -> None:
    client.queues["q"].put(tasks.send, {"kwargs": {"to": "ann"}})
    client.queues["q"].recur(tasks.send, tasks.send.data(to="bob"), 60)
    client.queues["q"].put_many([tasks.send.spec(to="cid"), tasks.send.spec(to="dan")])

    results = [perform(taken(client, queue)) for queue in ("q", "q", "mail", "mail")]

    assert sorted(results) == [f"hello {name} []" for name in ("ann", "bob", "cid", "dan")]


def test_the_policy_the_limits_and_the_middleware_are_those_of_the_present_code(
    client: Client, clock: Clock
) -> None:
    SEEN.clear()
    jid = tasks.fails.using(client).put()
    job = taken(client)
    assert (job.soft_limit, job.retry_policy) == (None, None)
    assert Executor(HandlerOptions(allow_any=True)).limits(job) == (5, 10)

    perform(job)

    after = client.jobs[jid]
    assert isinstance(after, Job)
    assert after.due_at == clock.now + 30
    assert SEEN[0] == "task enters fails"
    SEEN.clear()


def test_an_async_task_is_awaited(client: Client) -> None:
    later = tasks.later.using(client)
    later.put(number=21)

    job = taken(client, "default")

    assert Executor(HandlerOptions(allow_any=True)).is_async(job)
    assert perform(job) == 42
    assert asyncio.run(tasks.later(4)) == 8


@pytest.mark.parametrize("data", [None, [], {}, {"kwargs": []}, {"kwargs": {"whom": "ann"}}])
def test_data_of_another_form_fails_the_job(client: Client, data: Any) -> None:
    client.queues["mail"].put("tests.handlers.tasks.forwards", data)
    job = taken(client)

    with pytest.raises(BadArgumentError):
        perform(job)

    assert list(client.jobs.failed()) == ["tests.handlers.tasks.forwards:BadArgumentError"]


def test_inside_a_handler_a_task_is_put_into_the_store_of_its_job(client: Client) -> None:
    jid = tasks.forwards.using(client).put(to="eve")

    result = perform(taken(client))

    job = taken(client)
    assert result == f"{jid} {job.jid}"
    assert job.data == {"kwargs": {"to": "eve"}}


def test_a_client_may_be_given_as_something_that_makes_it(client: Client) -> None:
    task = qless_py.job(queue="mail", client=lambda: client)(tasks.send._function)

    task.put("ann")

    assert taken(client)["kwargs"] == {"to": "ann"}


def test_without_a_client_the_environment_says_which_store(
    client: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.redis.flushall()  # The namespace is to have the server's clock.
    monkeypatch.setenv("QLESS_PY_URL", server.url)
    default_client._made.cache_clear()

    tasks.send.put(to="ann")

    with contextlib.closing(default_client.default_client()) as made:
        assert taken(made)["kwargs"] == {"to": "ann"}
    default_client._made.cache_clear()


def test_a_test_replaces_the_store_of_every_task_that_is_not_passed_one(
    client: Client, server: Server
) -> None:
    def forbidden() -> Client:
        raise AssertionError

    declared = qless_py.job(queue="mail", client=forbidden)(tasks.send._function)
    replacement = default_client.Replacement(lambda: client, lambda: server.url)

    with default_client.replaced(replacement):
        tasks.send.put(to="ann")
        declared.put(to="bob")
        tasks.send.using(client, queue="other").put(to="kim")

    assert [taken(client)["kwargs"]["to"] for _ in range(2)] == ["ann", "bob"]
    assert taken(client, "other")["kwargs"] == {"to": "kim"}
    with pytest.raises(AssertionError):
        declared.put(to="bob")


def test_an_asyncio_client_puts_tasks_too(client: Client, server: Server, clock: Clock) -> None:
    async def put() -> str:
        async with aio.Client(server.url, clock=clock) as other:
            return await tasks.send.put_async(other, "ann")

    jid = asyncio.run(put())

    assert taken(client).jid == jid


def test_what_has_no_name_cannot_travel() -> None:
    def positional(to: str, /) -> None: ...
    def any_number(*to: str) -> None: ...

    for function in (positional, any_number):
        with pytest.raises(BadArgumentError):
            qless_py.job(queue="q")(function)


def test_options_of_a_task_are_checked_when_it_is_made() -> None:
    with pytest.raises(BadArgumentError, match="priority"):
        qless_py.job(priority="high")  # type: ignore[call-overload]
    with pytest.raises(BadArgumentError, match="queue"):
        qless_py.job(queue="a b")(tasks.send._function)


def test_outside_a_handler_there_is_no_job() -> None:
    assert qless_py.get_current_job() is None
    assert repr(tasks.send) == "<Task tests.handlers.tasks.send of queue mail>"
