"""The library of functions on a server: loaded on demand, carried along, kept and removed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from qless_py import errors, store
from qless_py.protocol import jobs
from qless_py.scripts import assemble
from qless_py.store import library
from qless_py.store.async_runner import AsyncRunner
from qless_py.store.runner import Runner
from tests import servers
from tests.conftest import Clock
from tests.lua.steps import complete
from tests.lua.steps import pop as pop_jobs
from tests.lua.steps import put as put_job
from tests.properties import tiny_limits
from tests.script_runner import Scripts
from tests.store.calls import QUICK, SHORT, length, pop, put
from tests.store.proxy import Proxy

OWN = assemble.library().name


def names(redis: redis_py.Redis) -> set[str]:
    return {described[1].decode() for described in redis.function_list()}


def loads(redis: redis_py.Redis) -> int:
    stats = redis.info("commandstats")
    return int(stats.get("cmdstat_function|load", {"calls": 0})["calls"])


@pytest.fixture
def bare(redis: redis_py.Redis) -> redis_py.Redis:
    """Return the connection to an empty keyspace, on a server without functions."""
    redis.function_flush()
    redis.config_resetstat()
    return redis


@pytest.fixture
def full(bare: redis_py.Redis, call: Scripts) -> Iterator[redis_py.Redis]:
    """Fill the server, which has three jobs and no functions."""
    call.redis.function_load(call.library.text)
    with store.connect(f"unix://{bare.get_connection_kwargs()['path']}") as connection:
        Runner(connection, "ql").run_many([put(jid) for jid in ("a", "b", "c")])
    bare.function_flush()
    bare.config_resetstat()
    bare.config_set("maxmemory", 1)
    yield bare
    bare.config_set("maxmemory", 0)


def test_the_library_is_loaded_by_the_first_call_alone(
    bare: redis_py.Redis, runner: Runner
) -> None:
    runner.run(put("a"))
    runner.run(put("b"))
    with store.connect(f"unix://{bare.get_connection_kwargs()['path']}") as connection:
        Runner(connection, "ql").run(length())

    assert loads(bare) == 1
    assert names(bare) == {OWN}


def test_clients_that_load_it_at_the_same_time_all_succeed(
    bare: redis_py.Redis, server: servers.Server
) -> None:
    start = threading.Barrier(8)
    created: list[bool] = []

    def work(number: int) -> None:
        with store.connect(server.url) as connection:
            runner = Runner(connection, "ql")
            start.wait()
            many = [put(f"job-{number}-{index}") for index in range(3)]
            replies = runner.run_many(many) if number % 2 else [runner.run(one) for one in many]
            created.extend(reply.created for reply in replies)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert created == [True] * 24
    assert names(bare) == {OWN}


def test_a_full_server_without_the_library_ends_work_and_takes_no_new(
    full: redis_py.Redis, runner: Runner
) -> None:
    with pytest.raises(errors.StoreFullError):
        runner.run(put("d"))
    (job,) = runner.run(pop()).jobs
    runner.run(jobs.complete_encoded(job.jid, job.fields["lease"]))
    results = runner.run_many([length(), put("e"), pop(), length()])

    assert job.jid == "a"
    assert [results[0], results[3]] == [2, 2]
    assert isinstance(results[1], errors.StoreFullError)
    assert [one.jid for one in results[2].jobs] == ["b"]
    assert names(full) == set()
    full.config_set("maxmemory", 0)
    assert runner.run(put("d")).created
    assert names(full) == {OWN}


def test_the_same_for_asyncio(full: redis_py.Redis, server: servers.Server) -> None:
    async def main() -> int:
        async with store.connect_async(server.url) as connection:
            runner = AsyncRunner(connection, "ql", policy=QUICK)
            with pytest.raises(errors.StoreFullError):
                await runner.run(put("d"))
            (job,) = (await runner.run(pop())).jobs
            await runner.run(jobs.complete_encoded(job.jid, job.fields["lease"]))
            return await runner.run(length())

    assert asyncio.run(main()) == 2
    assert names(full) == set()


@pytest.mark.parametrize("lose", ["lose_reply_every", "lose_request_every"])
def test_a_lost_call_is_asked_for_on_a_full_server_that_lost_the_library(
    proxy: Proxy, through: Runner, redis: redis_py.Redis, lose: str
) -> None:
    through.run(put("before"))
    setattr(proxy, lose, 1)

    def fill() -> None:
        setattr(proxy, lose, 0)
        redis.function_flush()
        redis.config_set("maxmemory", 1)

    proxy.on_loss = fill

    if lose == "lose_reply_every":
        assert through.run(put("job")).created
    else:
        with pytest.raises(errors.StoreFullError):
            through.run(put("job"))
    redis.config_set("maxmemory", 0)
    assert through.run(length()) == (2 if lose == "lose_reply_every" else 1)


@pytest.mark.parametrize("refusing", [servers.unable_to_save, servers.without_replicas])
def test_a_server_that_refuses_writes_answers_queries_without_the_library(
    bare: redis_py.Redis, server: servers.Server, refusing: object
) -> None:
    with refusing(bare), store.connect(server.url) as connection:  # type: ignore[operator]
        runner = Runner(connection, "ql", policy=SHORT)

        assert runner.run(length()) == 0
        with pytest.raises(redis_py.ResponseError, match=r"MISCONF|NOREPLICAS"):
            runner.run(put("job"))

    assert bare.dbsize() == 0


def test_two_versions_share_a_server_and_a_namespace(
    bare: redis_py.Redis, call: Scripts, clock: Clock
) -> None:
    other = Scripts(bare, clock, library=tiny_limits.library())

    put_job(call, "a")
    put_job(other, "b")
    (first,) = pop_jobs(other, 1)
    (second,) = pop_jobs(call, 1)
    complete(call, first)
    complete(other, second)

    assert [first["jid"], second["jid"]] == ["a", "b"]
    assert names(bare) == {OWN, other.library.name}


def test_libraries_of_old_versions_are_removed_once_there_are_many(
    bare: redis_py.Redis, runner: Runner
) -> None:
    runner.run(put("a"))
    bare.function_load(text("another"))
    for number in range(library.MOST - 1):
        bare.function_load(text(f"qless_{number:012}"))
    library.remove_unused(bare)
    assert len(names(bare)) == library.MOST + 1

    bare.function_load(text("qless_one_more"))
    library.remove_unused(bare)

    assert names(bare) == {OWN, "another"}
    bare.function_delete(OWN)
    assert runner.run(length()) == 1


def text(name: str) -> str:
    return f"#!lua name={name}\nredis.register_function('{name}_f', function() end)"


def test_nothing_is_removed_by_a_user_who_may_not(bare: redis_py.Redis) -> None:
    for number in range(library.MOST + 1):
        bare.function_load(text(f"qless_{number:012}"))
    path = bare.get_connection_kwargs()["path"]
    bare.execute_command("ACL", "SETUSER", "looker", "on", "nopass", "+@all", "-function|delete")

    with redis_py.Redis(unix_socket_path=path, username="looker", password="x") as looker:
        library.remove_unused(looker)
    bare.execute_command("ACL", "DELUSER", "looker")

    assert len(names(bare)) == library.MOST + 1
    bare.function_flush()


@pytest.mark.parametrize("kept", ["--appendonly", "--save"])
def test_the_library_survives_a_restart_of_the_server(server_name: str, kept: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ql"))
    settings = (kept, "yes" if kept == "--appendonly" else "3600 1")
    first = servers.start(server_name, folder, *settings)
    try:
        with store.connect(first.url) as connection:
            Runner(connection, "ql").run(put("a"))
        servers.stop(first)
        first = servers.start(server_name, folder, *settings)
        with store.connect(first.url) as connection:
            assert Runner(connection, "ql").run(length()) == 1
            assert loads(connection) == 0
    finally:
        servers.stop(first)
        shutil.rmtree(folder, ignore_errors=True)
