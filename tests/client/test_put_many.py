"""Put any number of jobs, and read one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from qless_py import (
    AlreadyExistsError,
    BadArgumentError,
    Client,
    Job,
    JobNotFoundError,
    RetryPolicy,
    aio,
)
from qless_py.protocol.options import PutSpec
from tests.conftest import Clock
from tests.servers import Server


def specs(number: int, **more: Any) -> list[PutSpec]:
    return [{"klass": "K", "data": index, **more} for index in range(number)]  # type: ignore[typeddict-item]


def test_any_number_of_jobs_is_put_in_order(client: Client) -> None:
    queue = client.queues["q"]

    jids = queue.put_many(specs(250))

    assert [job.data for job in client.jobs.get(jids)] == list(range(250))
    assert queue.counts["waiting"] == 250
    assert queue.put_many([]) == []
    assert queue.put_many(one for one in specs(0)) == []


def test_nothing_is_put_if_any_of_the_jobs_is_not_valid(client: Client) -> None:
    wrong: list[Any] = [*specs(230), {"klass": "K", "priority": "high"}]

    with pytest.raises(BadArgumentError, match="priority"):
        client.queues["q"].put_many(wrong)

    assert client.queues.counts == []


def test_a_refusal_of_a_later_hundred_says_how_many_were_put(client: Client) -> None:
    client.queues["other"].put("K", jid="taken")
    jobs: list[Any] = [*specs(220), {"klass": "K", "jid": "taken", "on_conflict": "raise"}]

    with pytest.raises(AlreadyExistsError) as raised:
        client.queues["q"].put_many(jobs)

    assert raised.value.__notes__ == ["the first 200 jobs were put before this error"]
    assert client.queues["q"].counts["waiting"] == 200


def test_batches_take_any_number_too(client: Client) -> None:
    with client.batch("b") as batch:
        assert len(batch.put_many("q", specs(120))) == 120
        assert batch.put_many("q", []) == []
    client.queues["own"].put("K")
    owner = client.queues["own"].pop()
    assert owner is not None
    owned = owner.batch()

    assert len(owned.put_many("q", specs(101))) == 101

    assert client.queues["q"].counts["waiting"] == 221


def test_jobs_go_into_the_queues_that_they_name(client: Client) -> None:
    client.put_many([*specs(1, queue="a"), *specs(2, queue="b")])

    assert [client.queues[name].counts["waiting"] for name in "ab"] == [1, 2]
    assert client.put_many([]) == []
    with pytest.raises(BadArgumentError, match="job 2 of 2 names no queue"):
        client.put_many([*specs(1, queue="a"), *specs(1)])


def test_one_job_is_read_or_missed_by_name(client: Client) -> None:
    jid = client.queues["q"].put("K", 5)
    client.queues["q"].recur("K", None, 60, jid="again")

    assert client.job(jid).data == 5
    found = client.jobs.get(jid)
    assert isinstance(found, Job)
    assert found.data == 5
    assert client.jobs.get("nobody") is None
    assert client.jobs.get("again") is None
    for missing in ("nobody", "again"):
        with pytest.raises(JobNotFoundError, match=missing):
            client.job(missing)


async def both(server: Server, clock: Clock) -> tuple[Any, Any]:
    async with aio.Client(server.url, clock=clock) as client:
        await client.queues["q"].put_many(specs(101))
        jid = await client.queues["q"].put("K", 5)
        return (await client.job(jid)).data, await client.jobs.get("nobody")


def test_the_asyncio_client_has_the_same(client: Client, server: Server, clock: Clock) -> None:
    assert asyncio.run(both(server, clock)) == (5, None)
    assert client.queues["q"].counts["waiting"] == 102


def test_a_job_waits_for_its_time(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    when = datetime.fromtimestamp(clock.now + 90, UTC)
    later = queue.put("K", at=when)
    past = queue.put("K", at=clock.now - 5)
    moved = client.job(queue.put("K"))

    moved.move("q", at=clock.now + 60)

    assert (client.job(later).state, client.job(later).due_at) == ("scheduled", clock.now + 90)
    assert client.job(past).state == "waiting"
    assert (moved.state, client.job(moved.jid).due_at) == ("scheduled", clock.now + 60)
    clock.advance(90)
    assert {job.jid for job in queue.pop(10)} == {later, past, moved.jid}


@pytest.mark.parametrize("at", [datetime(2030, 1, 1), "now", float("nan"), -1])  # noqa: DTZ001
def test_a_time_that_is_none_is_rejected(client: Client, at: Any) -> None:
    with pytest.raises(BadArgumentError, match="at "):
        client.queues["q"].put("K", at=at)


def test_a_delay_and_a_time_exclude_each_other(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="at and delay exclude each other"):
        client.queues["q"].put("K", at=0, delay=5)


class Delayed:
    @staticmethod
    def default_job_options(_data: Any) -> dict[str, Any]:
        return {"delay": 60, "attempts": 9}


def test_an_option_replaces_the_default_that_says_the_same(client: Client) -> None:
    jid = client.queues["q"].put(Delayed, at=5, retry=RetryPolicy(7))

    job = client.job(jid)
    assert (job.state, job.retry_policy) == ("waiting", RetryPolicy(7))
