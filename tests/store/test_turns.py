"""Calls that tasks make in the same turn of the event loop travel together."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest
import redis as redis_py

from qless_py import errors
from qless_py.protocol import Call
from qless_py.protocol.puts import PutReply
from qless_py.store.async_runner import AsyncRunner
from qless_py.store.resend import PIPELINE
from tests import servers
from tests.store.async_runs import run
from tests.store.calls import SHORT, length, plain_put, pop, put, request_series
from tests.store.proxy import Proxy


def test_calls_of_one_turn_share_round_trips_and_keep_their_order(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    jids = [f"job-{number}" for number in range(2 * PIPELINE + 50)]

    async def test(runner: AsyncRunner) -> None:
        replies = await asyncio.gather(*(runner.run(put(jid)) for jid in jids))
        popped = [job.jid for _ in range(3) for job in (await runner.run(pop(100))).jobs]

        assert [reply.jid for reply in replies] == jids
        assert popped == jids

    run(server.url, test)
    # One series of request ids has one exchange at a time: the pipelines followed each other.
    assert len(request_series(redis)) == 1


def test_a_refused_call_or_an_undecodable_reply_concerns_no_other_call(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    del redis

    def refuse(_: object) -> NoReturn:
        raise ValueError("not readable")

    async def test(runner: AsyncRunner) -> None:
        calls: list[Call[Any]] = [put("a"), put("a"), put("b").map(refuse), put("c")]
        first, again, unreadable, last = await asyncio.gather(
            *(runner.run(call) for call in calls), return_exceptions=True
        )

        assert getattr(first, "created", False)
        assert isinstance(again, errors.AlreadyExistsError)
        assert isinstance(unreadable, ValueError)
        assert getattr(last, "created", False)

    run(server.url, test)


def calls_of_functions(redis: redis_py.Redis) -> int:
    return int(redis.info("commandstats").get("cmdstat_fcall", {}).get("calls", 0))


def test_plain_puts_of_a_turn_are_one_call(server: servers.Server, redis: redis_py.Redis) -> None:
    jids = [f"job-{number}" for number in range(PIPELINE + 50)]

    async def test(runner: AsyncRunner) -> None:
        await runner.run(put("first"))  # Load the functions.
        before = calls_of_functions(redis)
        replies = await asyncio.gather(*(runner.run(plain_put(jid)) for jid in jids))

        assert calls_of_functions(redis) - before == 2
        assert replies == [PutReply(jid, created=True) for jid in jids]
        popped = [job.jid for _ in range(2) for job in (await runner.run(pop(100))).jobs]
        assert popped == ["first", *jids]

    run(server.url, test)


def test_a_refused_plain_put_concerns_no_other(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    del redis

    async def test(runner: AsyncRunner) -> None:
        calls = [plain_put("a"), plain_put("b", klass=""), plain_put("c"), plain_put("a")]
        first, refused, last, again = await asyncio.gather(
            *(runner.run(call) for call in calls), return_exceptions=True
        )

        assert first == PutReply("a", created=True)
        assert isinstance(refused, errors.BadArgumentError)
        assert last == PutReply("c", created=True)
        assert isinstance(again, PutReply)
        assert await runner.run(length()) == 2

    run(server.url, test)


def test_puts_in_a_turn_with_other_calls_keep_their_order(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    del redis

    async def test(runner: AsyncRunner) -> None:
        calls: list[Call[Any]] = [plain_put("a"), length(), plain_put("b"), length()]
        _, one, _, two = await asyncio.gather(*(runner.run(call) for call in calls))

        assert (one, two) == (1, 2)

    run(server.url, test)


def test_a_canceled_task_does_not_affect_the_others_of_its_turn(proxy: Proxy) -> None:
    async def test(runner: AsyncRunner) -> None:
        await runner.run(length())
        proxy.hold()
        tasks = [asyncio.create_task(runner.run(put(f"job-{n}"))) for n in range(3)]
        await asyncio.sleep(0.05)
        tasks[0].cancel()
        await asyncio.sleep(0.05)
        proxy.release()
        first, *others = await asyncio.gather(*tasks, return_exceptions=True)

        assert isinstance(first, asyncio.CancelledError)
        assert all(getattr(one, "created", False) for one in others)

    run(proxy.url, test)


@pytest.mark.parametrize("turns", [0, 1, 5])
def test_nothing_of_a_turn_is_sent_any_more_once_all_its_tasks_were_canceled(
    proxy: Proxy, turns: int
) -> None:
    async def test(runner: AsyncRunner) -> None:
        await runner.run(length())
        proxy.hold()
        tasks = [asyncio.create_task(runner.run(put(f"job-{n}"))) for n in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if senders := asyncio.all_tasks() - {asyncio.current_task()}:
            _, pending = await asyncio.wait(senders, timeout=20)
            assert not pending
        proxy.release()

        assert (await runner.run(put("later"))).created

    run(proxy.url, test)


def test_each_call_of_a_turn_has_an_error_of_its_own_when_the_store_is_lost(proxy: Proxy) -> None:
    async def test(runner: AsyncRunner) -> None:
        proxy.hold()
        first, second = await asyncio.gather(
            runner.run(put("a")), runner.run(put("b")), return_exceptions=True
        )

        assert isinstance(first, (redis_py.ConnectionError, redis_py.TimeoutError))
        assert type(second) is type(first)
        assert str(second) == str(first)
        assert second is not first

    run(proxy.url, test, policy=SHORT, socket_timeout=1, socket_connect_timeout=1)
