"""`client.canceled`: look at canceled jobs, restore them, delete them for good."""

from __future__ import annotations

import asyncio

import pytest

from qless_py import Client, Job, aio
from qless_py.errors import BadArgumentError, JobNotFoundError, WrongStateError
from tests.conftest import Clock
from tests.servers import Server


def test_a_canceled_job_is_gone_for_everybody_and_can_be_restored(client: Client) -> None:
    jid = client.queues["mail"].put("app.Send", {"to": 1}, tags=["eu"])
    job = client.jobs[jid]
    assert isinstance(job, Job)

    assert job.cancel(by="ann", reason="wrong customer")

    assert client.jobs[jid] is None
    copy = client.canceled.get(jid)
    assert copy is not None
    assert (copy.canceled_by, copy.cancel_reason) == ("ann", "wrong customer")
    assert copy.canceled_at == client.settings.clock()
    assert (copy.state, copy.queue_name, copy.data, copy.tags) == (
        "waiting", "mail", {"to": 1}, ["eu"],
    )  # fmt: skip
    client.canceled.restore(jid)
    assert client.canceled.get(jid) is None
    restored = client.jobs[jid]
    assert isinstance(restored, Job)
    assert [entry["what"] for entry in restored.history] == ["put", "canceled", "restored"]


def test_one_refusal_is_raised_and_several_are_answered(client: Client) -> None:
    parent = client.queues["q"].put("k")
    child = client.queues["q"].put("k", depends=[parent])
    client.cancel(child, parent)

    with pytest.raises(WrongStateError, match="restore that first, or both together"):
        client.canceled.restore(child)
    with pytest.raises(JobNotFoundError):
        client.canceled.restore("nobody")
    answer = client.canceled.restore_each(child, parent, "nobody")

    assert answer.jids == [child, parent]
    assert [type(error) for error in answer.refused.values()] == [JobNotFoundError]


def test_pages_continue_behind_the_last_match(client: Client, clock: Clock) -> None:
    jids = [client.queues[f"q{n % 2}"].put("k", jid=f"j{n}") for n in range(230)]
    for start in range(0, 230, 10):
        client.cancel(*jids[start : start + 10])
        clock.advance(1)

    found, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = client.canceled.page(cursor, 7, queue="q1")
        found += [job.jid for job in page.jobs]
        cursor, pages = page.cursor, pages + 1

    assert sorted(found) == sorted(f"j{n}" for n in range(1, 230, 2))
    assert pages >= 115 / 7
    assert page.total == 230
    with pytest.raises(BadArgumentError, match="filter 'color' is none of jid, queue"):
        client.canceled.page(color="red")
    assert client.canceled.delete(*jids) == 230


def test_asyncio_has_the_same(client: Client, server: Server, clock: Clock) -> None:
    jid = client.queues["q"].put("k")

    async def run() -> None:
        async with aio.Client(server.url, clock=clock) as other:
            await other.cancel(jid, reason="r")
            copy = await other.canceled.get(jid)
            assert copy is not None
            assert copy.cancel_reason == "r"
            await other.canceled.restore(jid)
            assert (await other.canceled.restore_each(jid)).jids == []

    asyncio.run(run())
