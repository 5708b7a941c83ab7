"""Throttles, users and explanations with the asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from qless_py import BadArgumentError, Client, ThrottleState, UserState, aio
from qless_py.client.explain import Throttled
from tests.conftest import Clock
from tests.servers import Server

Run = Callable[[Callable[[aio.Client], Awaitable[None]]], None]


@pytest.fixture
def run(server: Server, client: Client, clock: Clock) -> Run:
    """Run a coroutine function over an empty keyspace that lives by the test clock."""
    del client  # wanted so that the keyspace is empty

    def call(function: Callable[[aio.Client], Awaitable[None]]) -> None:
        async def inside() -> None:
            async with aio.Client(server.url, clock=clock) as made:
                await function(made)

        asyncio.run(inside())

    return call


def test_throttles(run: Run, clock: Clock) -> None:
    async def limits(client: aio.Client) -> None:
        throttle, queue = client.throttles["api"], client.queues["q"]
        state = await throttle.set(concurrency=1, rate=5, per=10, burst=6)
        assert (state.concurrency, state.rate, state.per, state.burst) == (1, 5, 10, 6)
        for jid in ("a", "b"):
            await queue.put("k", jid=jid, throttles={"api": 2})
        job = await queue.pop()
        assert job is not None
        assert await queue.pop() is None
        assert (await throttle.holders(), await throttle.waiting()) == (["a"], ["b"])
        assert await queue.jobs.throttled() == ["b"]
        assert (await throttle.get()).tokens == 4
        assert await job.back_off(30) == ["api"]
        assert (await throttle.get()).blocked_until == clock.now + 30
        await throttle.unblock()
        assert await throttle.block(5) == clock.now + 5
        await throttle.unblock()
        assert (await queue.pop()) is not None
        assert await throttle.release("a", "b") == 1
        assert await throttle.release("a") == 0
        assert [one.id for one in await client.throttles.all()] == ["api"]
        assert (await client.throttles.page(count=1)).cursor is None
        assert await throttle.delete() is True
        assert (await throttle.get()).concurrency is None
        assert queue.throttle.id == "queue:q"
        assert await queue.throttle.get() == ThrottleState("queue:q", holding=1)
        assert repr(throttle) == "<AsyncThrottle api>"
        with pytest.raises(BadArgumentError):
            await throttle.set()

    run(limits)


def test_users(run: Run) -> None:
    async def shares(client: aio.Client) -> None:
        user, queue = client.users["alice"], client.queues["q"]
        assert await user.set(weight=3, max_running=2) == UserState("alice", 3.0, 2, 0)
        await queue.put("k", user="alice")
        await queue.put("k")
        assert await user.waiting("q") == 1
        assert [(one.name, one.share) for one in await queue.users()] == [
            ("alice", 0.75),
            ("", 0.25),
        ]
        assert await client.users.all() == [await user.get()]
        assert (await client.users.page()).users == [await user.get()]
        first = await queue.user_page(count=1)
        assert [one.share for one in first.users] == [0.75, 0.25]
        assert (await user.throttle.get()).concurrency == 2
        assert await user.unset() is True
        assert repr(user) == "<AsyncUser alice>"

    run(shares)


def test_explanations(run: Run) -> None:
    async def explained(client: aio.Client) -> None:
        queue = client.queues["q"]
        await client.throttles["api"].set(concurrency=0)
        jid = await queue.put("k", throttles=["api"])
        assert await queue.pop() is None
        found = await client.explain(jid)
        assert [one.throttle for one in found.of(Throttled)] == ["api"]
        job = await client.jobs[jid]
        assert isinstance(job, aio.Job)
        assert await job.explain() == found
        assert (job.state, job.gate) == ("throttled", "api")

    run(explained)


def test_a_pipeline_backs_off(run: Run) -> None:
    async def pipelined(client: aio.Client) -> None:
        await client.queues["q"].put("k")
        job = await client.queues["q"].pop()
        assert job is not None
        async with client.pipeline() as pipeline:
            pending = pipeline.back_off(job, 9)
        assert pending.result() == ["queue:q"]

    run(pipelined)
