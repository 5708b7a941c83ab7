from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from qless_py import errors
from qless_py.store.async_runner import AsyncRunner
from tests import servers
from tests.store.async_runs import run
from tests.store.calls import SHORT, length, pop, put, request_series
from tests.store.proxy import Proxy


def test_lost_replies_neither_put_twice_nor_lose_a_popped_job(proxy: Proxy) -> None:
    proxy.lose_reply_every = 3
    jids = [f"job-{number}" for number in range(100)]

    async def test(runner: AsyncRunner) -> None:
        created = [(await runner.run(put(jid))).created for jid in jids]
        popped = [job.jid for _ in jids for job in (await runner.run(pop())).jobs]

        assert all(created)
        assert popped == jids
        assert await runner.run(length()) == len(jids)

    run(proxy.url, test)
    assert proxy.lost > 50


def test_a_pipeline_cut_in_its_replies_takes_effect_once(proxy: Proxy) -> None:
    proxy.lose_reply_every = 2
    proxy.shorten = 20

    async def test(runner: AsyncRunner) -> None:
        replies = await runner.run_many([put(f"job-{number}") for number in range(120)])

        assert all(reply.created for reply in replies)
        assert await runner.run(length()) == 120

    run(proxy.url, test)


def test_tasks_share_a_runner_each_exchange_with_request_ids_of_its_own(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    async def test(runner: AsyncRunner) -> None:
        many = ([put(f"{n}-{i}") for i in range(3)] for n in range(30))
        replies = await asyncio.gather(*(runner.run_many(calls) for calls in many))

        assert all(reply.created for some in replies for reply in some)

    run(server.url, test)
    assert len(request_series(redis)) == 30


def test_flushed_functions_are_loaded_again_without_a_second_effect(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    async def test(runner: AsyncRunner) -> None:
        for number in range(10):
            redis.function_flush()
            assert (await runner.run(put(f"one-{number}"))).created
            redis.function_flush()
            many = await runner.run_many([put(f"many-{number}-{i}") for i in range(5)])
            assert all(reply.created for reply in many)

        assert await runner.run(length()) == 60

    run(server.url, test)


def test_a_rejected_call_raises_alone_and_keeps_its_position(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    del redis

    async def test(runner: AsyncRunner) -> None:
        await runner.run(put("job"))
        with pytest.raises(errors.AlreadyExistsError):
            await runner.run(put("job"))
        replies = await runner.run_many([put("a"), put("a"), length()])

        assert isinstance(replies[1], errors.AlreadyExistsError)
        assert replies[2] == 2

    run(server.url, test)


def test_a_canceled_call_does_not_affect_later_ones(proxy: Proxy) -> None:
    async def test(runner: AsyncRunner) -> None:
        await runner.run(put("first"))
        proxy.hold()
        call = asyncio.create_task(runner.run(put("second")))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        proxy.release()

        assert (await runner.run(put("third"))).jid == "third"
        assert await runner.run(length()) >= 2

    run(proxy.url, test)


def test_after_the_limit_the_error_of_the_connection_is_raised(proxy: Proxy) -> None:
    async def test(runner: AsyncRunner) -> None:
        proxy.hold()
        began = time.monotonic()
        with pytest.raises((redis_py.ConnectionError, redis_py.TimeoutError)):
            await runner.run(put("job"))

        assert time.monotonic() - began < 30

    run(proxy.url, test, policy=SHORT, socket_timeout=1, socket_connect_timeout=1)


def test_waiting_takes_a_marker_or_ends_in_time(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    async def test(runner: AsyncRunner) -> None:
        redis.zadd("b", {"marker": 1})
        assert await runner.wait(["a", b"b"], 5) == b"b"
        assert await runner.wait(["a", b"b"], 0.8) is None

    run(server.url, test, socket_timeout=0.5)


def test_an_abandoned_wait_does_not_affect_later_calls(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    del redis

    async def test(runner: AsyncRunner) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await runner.wait(["a"], 5)

        assert (await runner.run(put("job"))).jid == "job"

    run(server.url, test)


def test_a_cancellation_swallowed_while_sending_still_ends_the_wait(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    del redis

    async def test(runner: AsyncRunner) -> None:
        pool = runner.redis.connection_pool
        connection: Any = await pool.get_connection()
        send = connection.send_command

        async def swallow(*words: Any) -> None:
            await send(*words)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

        connection.send_command = swallow
        await pool.release(connection)
        with pytest.raises(asyncio.CancelledError):
            await runner.wait(["a"], 50)

    run(server.url, test)


def test_a_server_killed_under_the_runner_costs_nothing(folder: Path) -> None:
    async def test(runner: AsyncRunner) -> None:
        for number in range(30):
            if number % 10 == 5:
                os.kill((await runner.redis.info("server"))["process_id"], 9)
            assert (await runner.run(put(f"job-{number}"))).created

        assert await runner.run(length()) == 30

    run(f"embedded://{folder}", test)
    assert not (folder / "socket").exists()


def test_a_folder_that_cannot_be_used_is_named(folder: Path) -> None:
    folder.touch()

    async def test(runner: AsyncRunner) -> None:
        with pytest.raises(errors.StoreError, match="cannot use"):
            await runner.run(length())

    run(f"embedded://{folder}", test)
