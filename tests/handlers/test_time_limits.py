"""Start deadlines and time limits, set at every place that accepts them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qless_py import BadArgumentError, Client, Job, RetryPolicy, aio
from tests.conftest import Clock
from tests.servers import Server

POLICY = RetryPolicy(5, retries=2)
OPTIONS: dict[str, Any] = {
    "expires": 60,
    "soft_limit": timedelta(minutes=1),
    "hard_limit": 90.5,
    "retry": POLICY,
}


class Wanting:
    @staticmethod
    def default_job_options(_data: Any) -> dict[str, Any]:
        return OPTIONS

    @staticmethod
    def perform(job: Job) -> None: ...


def put(client: Client, jid: str) -> None:
    client.queues["q"].put("k", jid=jid, **OPTIONS)


def put_many(client: Client, jid: str) -> None:
    spec: Any = {"klass": "k", "jid": jid, **OPTIONS}
    client.queues["q"].put_many([spec])


def pipeline(client: Client, jid: str) -> None:
    with client.pipeline() as sent:
        sent.put("q", "k", jid=jid, **OPTIONS)


def batch(client: Client, jid: str) -> None:
    with client.batch() as opened:
        opened.put("q", "k", jid=jid, **OPTIONS)


def default(client: Client, jid: str) -> None:
    client.queues["q"].put(Wanting, jid=jid)


def follow_up(client: Client, jid: str) -> None:
    client.queues["first"].put("k")
    job = client.queues["first"].pop()
    assert job is not None
    job.put("q", "k", jid=jid, **OPTIONS)
    job.complete()


def requeue(client: Client, jid: str) -> None:
    client.queues["q"].put("k", jid=jid)
    job = client.jobs[jid]
    assert isinstance(job, Job)
    job.requeue(**OPTIONS)


def move(client: Client, jid: str) -> None:
    client.queues["first"].put("k", jid=jid)
    job = client.jobs[jid]
    assert isinstance(job, Job)
    job.move("q", **OPTIONS)


@pytest.mark.parametrize(
    "door", [put, put_many, pipeline, batch, default, follow_up, requeue, move]
)
def test_every_put_accepts_them(client: Client, clock: Clock, door: Any) -> None:
    door(client, "j")

    job = client.queues["q"].pop()
    assert job is not None
    assert (job.not_after, job.soft_limit, job.hard_limit) == (clock.now + 60, 60, 90.5)
    assert job.retry_policy == POLICY


def test_the_asyncio_client_takes_them(client: Client, clock: Clock, server: Server) -> None:
    async def puts() -> None:
        async with aio.Client(server.url, clock=clock) as other:
            await other.queues["q"].put("k", jid="j", **OPTIONS)
            job = await other.queues["q"].pop()
            assert job is not None
            assert (job.not_after, job.hard_limit) == (clock.now + 60, 90.5)

    client.jobs.exists("j")
    asyncio.run(puts())


@pytest.mark.parametrize("wanted", [{}, {"klass": Wanting}])
def test_children_of_a_recurring_job_have_them_from_their_slot_on(
    client: Client, clock: Clock, wanted: dict[str, Any]
) -> None:
    options = {"expires": 60} if wanted else OPTIONS
    client.queues["q"].recur(wanted.get("klass", "k"), None, 3600, jid="r", **options)
    slot = clock.now
    clock.advance(59)

    job = client.queues["q"].pop()
    assert job is not None
    assert (job.not_after, job.soft_limit, job.hard_limit) == (slot + 60, 60, 90.5)
    assert job.retry_policy == POLICY


def test_what_recurs_can_be_changed(client: Client) -> None:
    client.queues["q"].recur("k", None, 60, jid="r")
    recurring = client.jobs["r"]
    assert not isinstance(recurring, Job)
    assert recurring is not None

    recurring.update(soft_limit=7, hard_limit=8, expires=9, retry=POLICY)

    job = client.queues["q"].pop()
    assert job is not None
    assert (job.soft_limit, job.hard_limit, job.retry_policy) == (7, 8, POLICY)


def test_an_instant_may_be_named(client: Client, clock: Clock) -> None:
    until = datetime.fromtimestamp(clock.now + 90, UTC)
    client.queues["q"].put("k", jid="j", expires=until)
    clock.advance(90)

    assert client.queues["q"].pop() is None
    job = client.jobs["j"]
    assert isinstance(job, Job)
    assert (job.state, job.failure["group"]) == ("failed", "expired")


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires": 0},
        {"expires": -5},
        {"expires": "soon"},
        {"expires": datetime(2030, 1, 1)},  # noqa: DTZ001 - that is what is refused
        {"soft_limit": 0},
        {"hard_limit": float("inf")},
        {"retry": "always"},
        {"retry": {"first": 5}},
    ],
)
def test_invalid_values_are_rejected_by_name_and_nothing_is_put(
    client: Client, wrong: dict[str, Any]
) -> None:
    (name,) = wrong
    with pytest.raises(BadArgumentError, match=name):
        client.queues["q"].put("k", **wrong)
    with pytest.raises(BadArgumentError, match=name):
        client.queues["q"].recur("k", None, 60, **wrong)

    assert client.queues.counts == []
