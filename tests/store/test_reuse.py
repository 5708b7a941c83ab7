"""Connections are taken again without redis-py's checks, which they still get once a second."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import redis as redis_py

from qless_py import store
from qless_py.store import reuse
from qless_py.store.async_runner import AsyncRunner
from qless_py.store.runner import Runner
from tests import servers
from tests.store.calls import length, put


def close_others(redis: redis_py.Redis) -> None:
    """Let the server close all connections but this one."""
    redis.client_kill_filter(_type="normal", skipme=True)


@pytest.fixture
def connection(server: servers.Server, redis: redis_py.Redis) -> Any:
    del redis  # Empties the server.
    with store.connect(server.url) as made:
        yield made


def pool_of(client: Any) -> reuse.Pool:
    pool = client.connection_pool
    assert isinstance(pool, reuse.Pool)
    return pool


def test_a_call_on_a_connection_closed_by_the_server_takes_effect_once(
    connection: redis_py.Redis, redis: redis_py.Redis
) -> None:
    runner = Runner(connection, "ql")
    for number in range(5):
        assert runner.run(put(f"job-{number}")).created
        close_others(redis)

    assert runner.run(length()) == 5


def test_an_asyncio_call_on_a_connection_closed_by_the_server_takes_effect_once(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    async def main() -> int:
        async with store.connect_async(server.url) as connection:
            runner = AsyncRunner(connection, "ql")
            for number in range(5):
                assert (await runner.run(put(f"job-{number}"))).created
                close_others(redis)
            return await runner.run(length())

    assert asyncio.run(main()) == 5


def test_commands_of_redis_py_get_a_checked_connection(
    connection: redis_py.Redis, redis: redis_py.Redis
) -> None:
    Runner(connection, "ql").run(length())
    close_others(redis)

    assert connection.ping()


def test_a_returned_connection_is_checked_after_the_interval(
    connection: redis_py.Redis, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reuse, "_CHECK_INTERVAL", 0.0)
    pool = pool_of(connection)
    pool.release(pool.get_unchecked())
    close_others(redis)

    checked = pool.get_unchecked()
    checked.send_command("PING")

    assert checked.read_response() == b"PONG"


def test_one_connection_serves_calls_and_commands(server: servers.Server) -> None:
    with store.connect(server.url, max_connections=1) as connection:
        runner = Runner(connection, "ql")
        for _ in range(3):
            runner.run(length())
            assert connection.ping()


def test_two_callers_never_hold_the_same_connection(connection: redis_py.Redis) -> None:
    pool, held, doubles = pool_of(connection), set[int](), list[int]()
    first = [pool.get_unchecked() for _ in range(8)]
    for one in first:
        pool.release(one)

    def use() -> None:
        for _ in range(500):
            taken = pool.get_unchecked()
            if id(taken) in held:
                doubles.append(id(taken))
            held.add(id(taken))
            held.discard(id(taken))
            pool.release(taken)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert not doubles


def test_a_closed_connection_makes_the_others_be_checked(
    connection: redis_py.Redis, redis: redis_py.Redis
) -> None:
    pool = pool_of(connection)
    taken = [pool.get_unchecked() for _ in range(3)]
    for one in taken[1:]:
        pool.release(one)
    close_others(redis)
    taken[0].disconnect()
    pool.release(taken[0])

    for _ in range(3):
        checked = pool.get_unchecked()
        checked.send_command("PING")
        assert checked.read_response() == b"PONG"


def test_closing_idle_connections_closes_returned_ones(connection: redis_py.Redis) -> None:
    pool = pool_of(connection)
    kept, returned = pool.get_unchecked(), pool.get_unchecked()
    pool.release(returned)

    pool.disconnect(inuse_connections=False)

    # redis-py before version 6 has no public way to ask.
    assert kept._sock is not None
    assert returned._sock is None


def test_a_pool_of_the_caller_is_used_as_it_is(server: servers.Server) -> None:
    pool = redis_py.BlockingConnectionPool(
        1, 0.1, connection_class=redis_py.UnixDomainSocketConnection, path=server.socket
    )
    runner = Runner(store.connect(connection_pool=pool), "ql")
    runner.run(length())

    # The only connection is back in the pool at once.
    pool.release(pool.get_connection())
    pool.disconnect()
