"""Batches within batches, and jobs that add to their own batch."""

from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.errors import BadArgumentError, BatchClosedError, BatchNotFoundError
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew


def callbacks(name: str) -> dict[str, Any]:
    return {
        which: {"queue": QUEUE, "klass": KLASS, "jid": f"{name}-{which}"}
        for which in ("on_success", "on_complete", "on_failure")
    }


def pop(client: Client) -> Job:
    job = client.queues[QUEUE].pop()
    assert job is not None
    return job


def counters(client: Client, name: str) -> dict[str, Any]:
    status = client.batches[name].status
    assert status is not None
    named = ("total", "pending", "completed", "failed", "canceled")
    found: dict[str, Any] = dict(status)
    return {"state": found["state"]} | {one: found[one] for one in named if found[one]}


def test_the_outer_batch_waits_for_the_inner_one_and_its_callbacks(client: Client) -> None:
    outer = client.batch("outer", **callbacks("outer"))
    with outer, client.batch("inner", within=outer, **callbacks("inner")) as inner:
        inner.put(QUEUE, KLASS, jid="a")
    assert counters(client, "outer") == {"state": "closed", "total": 1, "pending": 1}

    crew = Crew(client)
    crew.once(1)
    assert counters(client, "inner")["state"] == "finished"
    assert counters(client, "outer") == {
        "state": "closed",
        "total": 3,
        "pending": 2,
        "completed": 1,
    }
    crew.run()

    assert crew.completed == [
        "a",
        "inner-on_success",
        "inner-on_complete",
        "outer-on_success",
        "outer-on_complete",
    ]
    assert counters(client, "outer") == {"state": "finished", "total": 3, "completed": 3}


def test_an_inner_batch_that_failed_is_a_failed_member_until_it_is_revived(
    client: Client,
) -> None:
    with client.batch("outer", **callbacks("outer")), client.batch(within="outer") as inner:
        inner.put(QUEUE, KLASS, jid="a")
    broken = {"a"}
    crew = Crew(client, fails=lambda name: name in broken)
    crew.run()
    assert crew.completed == ["outer-on_failure", "outer-on_complete"]

    broken.clear()
    client.unfail("broke", QUEUE)
    assert counters(client, "outer") == {"state": "closed", "total": 1, "pending": 1}
    crew.run()

    assert crew.completed[2:] == ["a", "outer-on_success"]
    assert counters(client, "outer") == {"state": "finished", "total": 1, "completed": 1}


def test_an_empty_inner_batch_is_over_when_it_is_closed(client: Client) -> None:
    outer = client.batch("outer", **callbacks("outer"))
    inner = client.batch("inner", within=outer)
    outer.close()
    assert counters(client, "outer") == {"state": "closed", "total": 1, "pending": 1}

    inner.close()

    assert Crew(client).run()[0] == ("outer-on_success", "complete")


def test_batches_nest_ten_deep(client: Client) -> None:
    client.batch("b0")
    for depth in range(1, 11):
        client.batch(f"b{depth}", within=f"b{depth - 1}")
    with pytest.raises(BadArgumentError, match="nested"):
        client.batch("b11", within="b10")
    for depth in range(10, -1, -1):
        client.batches[f"b{depth}"].close()

    client.queues[QUEUE].pop()
    assert [counters(client, f"b{depth}")["state"] for depth in range(11)] == ["finished"] * 11


def test_a_batch_is_opened_within_an_open_one(client: Client) -> None:
    client.batch("closed").close()

    with pytest.raises(BatchNotFoundError):
        client.batch("b", within="nobody")
    with pytest.raises(BatchClosedError):
        client.batch("b", within="closed")
    with pytest.raises(BadArgumentError, match="within"):
        client.batch("b", within="a b")

    assert client.batches["b"].status is None


def test_a_job_adds_to_its_batch_also_when_that_is_closed_and_only_once(client: Client) -> None:
    with client.batch("b", **callbacks("b")) as batch:
        batch.put(QUEUE, KLASS, jid="a")
    for _ in range(2):
        job = pop(client)
        own = job.own_batch()
        jids = [own.put("other", KLASS, {"n": 1}), *own.put_many("other", [{"klass": KLASS}])]
        job.timeout()
    job = pop(client)
    later = job.put("other", KLASS, {"n": 2}, batch="b")
    job.complete()
    assert counters(client, "b") == {"state": "closed", "total": 4, "pending": 3, "completed": 1}

    with pytest.raises(BatchClosedError):
        client.batches["b"].put(QUEUE, KLASS)
    members = client.queues["other"].pop(10)
    for member in members:
        member.complete()

    assert {member.jid for member in members} == {*jids, later}
    assert Crew(client).completed == []
    assert [step for step, _ in Crew(client).run()] == ["b-on_success", "b-on_complete"]


def test_a_member_opens_a_batch_within_its_own(client: Client) -> None:
    with client.batch("outer", **callbacks("outer")) as outer:
        outer.put(QUEUE, KLASS, jid="a")
    job = pop(client)
    with job.batch("inner", within=job.batch_name) as inner:
        inner.put(QUEUE, KLASS, jid="b")
    job.complete()
    assert counters(client, "outer") == {
        "state": "closed",
        "total": 2,
        "pending": 1,
        "completed": 1,
    }

    assert [step for step, _ in Crew(client).run()] == [
        "b",
        "outer-on_success",
        "outer-on_complete",
    ]


def test_a_job_in_no_batch_has_none_to_add_to(client: Client) -> None:
    client.queues[QUEUE].put(KLASS)

    with pytest.raises(BatchNotFoundError, match="in no batch"):
        pop(client).own_batch()


def test_a_member_that_was_canceled_may_be_put_again(client: Client) -> None:
    with client.batch("b", **callbacks("b")) as batch:
        batch.put(QUEUE, KLASS, jid="a")
    client.cancel("a")
    assert counters(client, "b") == {"state": "finished", "total": 1, "canceled": 1}

    client.batches["b"].put(QUEUE, KLASS, jid="a")
    with pytest.raises(BatchClosedError):
        client.batches["b"].put(QUEUE, KLASS, jid="stranger")
    assert counters(client, "b") == {"state": "closed", "total": 1, "pending": 1}
    steps = [step for step, _ in Crew(client).run()]

    assert sorted(steps) == ["a", "b-on_complete", "b-on_success"]
    assert counters(client, "b") == {"state": "finished", "total": 1, "completed": 1}


def test_a_failed_member_that_is_canceled_counts_as_canceled(client: Client) -> None:
    with client.batch("b") as batch:
        batch.put(QUEUE, KLASS, jid="a")
    pop(client).fail("g", "m")

    client.cancel("a")

    assert counters(client, "b") == {"state": "finished", "total": 1, "canceled": 1}
