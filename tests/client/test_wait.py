"""Waiting for a job to finish."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from qless_py import (
    Client,
    Job,
    JobCanceledError,
    JobFailedError,
    ResultNotKeptError,
    WaitTimeoutError,
)
from qless_py.protocol import jobs
from tests.client.test_queue import found, taken


def later(action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.1, action)
    timer.start()
    return timer


@pytest.fixture
def job(client: Client) -> Job:
    client.queues["q"].put("k", jid="j")
    return taken(client)


def test_wait_gives_the_result(client: Client, job: Job) -> None:
    timer = later(lambda: job.complete(result={"n": 1}))

    assert found(client, "j").wait(30) == {"n": 1}
    timer.join()


def test_wait_for_a_job_that_has_ended_returns_at_once(client: Client, job: Job) -> None:
    job.complete(result="done")

    assert found(client, "j").wait(0) == "done"


def test_wait_raises_if_the_job_did_not_complete(client: Client, job: Job) -> None:
    timer = later(lambda: job.fail("group", "message"))

    with pytest.raises(JobFailedError, match="message") as caught:
        found(client, "j").wait(30)
    timer.join()

    assert (caught.value.jid, caught.value.group) == ("j", "group")
    waiting = found(client, "j")
    waiting.requeue("q")
    timer = later(lambda: client.cancel("j", by="ann", reason="wrong customer"))
    with pytest.raises(
        JobCanceledError, match=r"^job j was canceled by ann: wrong customer$"
    ) as raised:
        waiting.wait(30)
    timer.join()

    assert (raised.value.by, raised.value.reason) == ("ann", "wrong customer")
    client.canceled.delete("j")
    with pytest.raises(JobCanceledError, match="was canceled, or it completed and was not kept"):
        waiting.wait(30)


def test_wait_ends_when_time_is_up_and_the_job_goes_on(client: Client, job: Job) -> None:
    with pytest.raises(WaitTimeoutError) as caught:
        found(client, "j").wait(0.05)

    assert isinstance(caught.value, TimeoutError)
    assert job.complete() == "complete"


def test_wait_notices_an_end_whose_event_was_lost(client: Client, job: Job) -> None:
    def end() -> None:
        client.redis.client_kill_filter(_type="pubsub")
        job.complete(result="anyway")

    timer = later(end)

    assert found(client, "j").wait(30) == "anyway"
    timer.join()


def test_a_wait_asks_the_store_only_now_and_then(client: Client, job: Job) -> None:
    del job
    waiting = found(client, "j")
    before = client.redis.info("commandstats")["cmdstat_fcall_ro"]["calls"]

    with pytest.raises(WaitTimeoutError):
        waiting.wait(1)

    after = client.redis.info("commandstats")["cmdstat_fcall_ro"]["calls"]
    assert after - before <= 3


@pytest.fixture
def keeps_nothing(client: Client) -> None:
    client.config["jobs-history-count"] = 0


@pytest.mark.usefixtures("keeps_nothing")
def test_a_completed_job_that_is_not_kept_ends_the_wait(client: Client, job: Job) -> None:
    waiting = found(client, "j")
    timer = later(job.complete)

    assert waiting.wait(30) is None
    timer.join()


@pytest.mark.usefixtures("keeps_nothing")
@pytest.mark.parametrize("how", ["one", "many"])
def test_a_result_that_is_not_kept_is_not_taken_for_none(
    client: Client, job: Job, how: str
) -> None:
    waiting = found(client, "j")
    timer = later(
        lambda: (
            job.complete(result={"n": 1})
            if how == "one"
            else client.runner.run(jobs.complete_many([(job.jid, job.lease)], [b"1"]))
        )
    )

    with pytest.raises(ResultNotKeptError, match="completed, and its result was deleted at once"):
        waiting.wait(30)
    timer.join()
