"""Users of the server with few rights: what the documents name is enough, and less is refused."""

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import qless_py
from qless_py import aio, fsck, package
from qless_py.errors import StoreError
from qless_py.scripts import assemble
from tests import servers

pytestmark = pytest.mark.any_server

PAGE = package.path("lua").parent / "docs" / "access.md"
RULES = {
    line.split()[2]: line.split()[3:]
    for line in PAGE.read_text().splitlines()
    if line.startswith("ACL SETUSER")
}


@pytest.fixture(scope="module", params=["valkey", "redis"])
def guarded(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    """A server with the users of the document."""
    with servers.running(request.param) as server:
        for user, rules in RULES.items():
            allow(server, user, rules)
        yield server


def allow(server: servers.Server, user: str, rules: list[str]) -> None:
    with server.connect() as root:
        root.execute_command("ACL", "SETUSER", user, *rules)


@pytest.fixture(autouse=True)
def _empty(guarded: servers.Server) -> None:
    with guarded.connect() as root:
        root.flushall()
        root.function_load(assemble.library().text, replace=True)


def client(server: servers.Server, user: str, **options: object) -> qless_py.Client:
    return qless_py.Client(server.url, username=user, password="secret", **options)  # type: ignore[arg-type]


def test_the_rights_of_each_role_are_enough(guarded: servers.Server) -> None:
    with client(guarded, "producer") as producer, client(guarded, "worker") as worker:
        jid = producer.queues["q"].put("K", {"a": 1}, user="ada", throttles=["t"], tags=["x"])
        with worker.events.listen("log") as events:
            job = worker.queues["q"].pop()
            assert job is not None
            job.heartbeat()
            job.complete()
            assert events.get(2) is not None
        assert worker.runner.wait(["{ql}:queue:q:wake"], 0.01) in (None, b"{ql}:queue:q:wake")
    with client(guarded, "viewer") as viewer:
        assert viewer.jobs[jid] is not None
        assert [one["name"] for one in viewer.queues.counts] == ["q"]
        with pytest.raises(StoreError, match=r"ACL SETUSER viewer \+fcall \+eval$"):
            viewer.queues["q"].put("K", {})
    with client(guarded, "operator") as operator:
        operator.redis.set("{ql}:job:bad", "junk")
        found = fsck.check(operator.redis)
        assert [finding.kind for finding in found] == ["unreadable"]
        assert fsck.repair(operator.redis, "ql", found) != []


@pytest.mark.parametrize(
    ("missing", "rule"),
    [
        ("+zadd", "+zadd"),
        ("+rename", "+rename"),
        ("+fcall", "+fcall"),
        ("+eval", "+eval"),
        ("~{ql}:*", "~{ql}:*"),
    ],
)
def test_a_missing_right_is_named_before_the_first_write(
    guarded: servers.Server, missing: str, rule: str
) -> None:
    allow(guarded, "partial", [one for one in RULES["producer"] if one != missing])

    with (
        client(guarded, "partial") as partial,
        pytest.raises(StoreError, match=re.escape(f"run: ACL SETUSER partial {rule}") + "$"),
    ):
        partial.queues["q"].put("K", {})

    with guarded.connect() as root:
        assert root.keys() == []


def test_whoever_may_not_load_functions_uses_those_that_others_have_loaded(
    guarded: servers.Server,
) -> None:
    allow(guarded, "partial", [one for one in RULES["producer"] if one != "+function|load"])
    with guarded.connect() as root:
        root.function_flush()

    with client(guarded, "partial") as partial, client(guarded, "viewer") as viewer:
        with pytest.raises(StoreError, match=r"load them.*SETUSER USER \+function\|load"):
            partial.queues["q"].put("K", {})
        with pytest.raises(StoreError, match=r"may not load them"):
            len(viewer.queues["q"])
        with client(guarded, "worker") as worker:
            assert worker.queues["q"].pop() is None
        assert partial.queues["q"].put("K", {})
        assert len(viewer.queues["q"]) == 1


def test_a_client_of_asyncio_checks_as_well(guarded: servers.Server) -> None:
    allow(guarded, "partial", [one for one in RULES["producer"] if one != "+hset"])

    async def put() -> None:
        async with aio.Client(guarded.url, username="partial", password="secret") as partial:
            await partial.queues["q"].put("K", {})

    with pytest.raises(StoreError, match=r"\+hset$"):
        asyncio.run(put())


@pytest.mark.parametrize("missing", ["&{ql}:*", "+publish"])
def test_whoever_may_not_publish_is_warned_once_and_loses_nothing(
    guarded: servers.Server, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    allow(guarded, "silent", [one for one in RULES["producer"] if one != missing])

    with caplog.at_level(logging.WARNING), client(guarded, "silent") as silent:
        jids = {silent.queues["q"].put("K", {}) for _ in range(3)}
        assert len(silent.queues["q"]) == len(jids) == 3

    warnings = [one for one in caplog.messages if "may not publish" in one]
    assert len(warnings) == 1
    assert warnings[0].endswith(f"ACL SETUSER silent {missing}")


def test_the_right_to_write_the_stream_is_needed_only_while_it_is_on(
    guarded: servers.Server,
) -> None:
    allow(guarded, "older", [one for one in RULES["producer"] if one != "+xadd"])
    with client(guarded, "older") as older, client(guarded, "producer") as producer:
        older.queues["q"].put("K", {})
        producer.config.set("event-stream", 10)
        last = producer.events.read().last
        older.queues["q"].put("K", {})  # It signed in before, and puts all the same.
        assert producer.events.read(last).events[0].type == "gap"

    with (
        client(guarded, "older") as older,
        pytest.raises(StoreError, match=r"ACL SETUSER older \+xadd$"),
    ):
        older.queues["q"].put("K", {})
    with client(guarded, "viewer") as viewer:
        assert viewer.events.read("0", wait=1).events


def test_the_commands_of_the_document_are_those_of_the_scripts() -> None:
    lua = Path(package.path("lua"))
    called = {
        name.lower()
        for file in lua.rglob("*.lua")
        for name in re.findall(r'\b(?:call|pcall|run)\("([A-Z]+)"', file.read_text())
    }
    allowed = {rule[1:] for rule in RULES["producer"] if rule.startswith("+")}

    assert called <= allowed
    assert allowed - called == {"fcall", "fcall_ro", "eval", "function|load", "info"}


def test_databases_do_not_hear_each_other(guarded: servers.Server) -> None:
    with (
        qless_py.Client(guarded.url) as zero,
        qless_py.Client(guarded.url, db=3) as three,
        zero.events.listen("put") as heard_by_zero,
        three.events.listen("log") as heard_by_three,
    ):
        three.queues["q"].put("K", {}, jid="here")
        event = heard_by_three.get(2)
        assert event is not None
        assert event.jid == "here"
        assert heard_by_zero.get(0.05) is None
