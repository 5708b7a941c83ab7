"""A server out of memory rejects new work as a whole; all other calls succeed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis as redis_py

from qless_py.scripts import protocol_doc, assemble
from tests.conftest import Clock
from tests.lua.good_calls import good_calls, good_queries
from tests.lua.steps import complete, counts, fail, ms, pop, put
from tests.population import populate
from tests.script_runner import Scripts, packed

TRANSITIONS = [name for name in assemble.names() if not name.startswith("read/")]
QUERIES = [name for name in assemble.names() if name.startswith("read/")]
PRODUCERS = [
    *("put", "put_many", "requeue", "restore", "recur", "recur_run", "batch_open"),
    *("batch_restore", "canceled_restore", "undo"),
    *("webhook_dispatch", "token_create", "token_used", "deploy_mark"),
]


@pytest.fixture
def full(call: Scripts, name: str) -> Iterator[Scripts]:
    """Run scripts in a namespace with jobs in every state, on a server that has no memory left."""
    populate(call)
    # The library is loaded before: it is not its text that may be refused.
    call.redis.function_load(assemble.library().text, replace=True)
    call.redis.config_set("maxmemory-policy", "noeviction")
    call.redis.config_set("maxmemory", 1)
    yield call
    call.redis.config_set("maxmemory", 0)


def digest(call: Scripts) -> object:
    return call.redis.execute_command("DEBUG", "DIGEST")


def test_the_producing_transitions_are_those_that_say_so() -> None:
    refused = [name for name in TRANSITIONS if protocol_doc.read(name).flags == "none"]

    assert sorted(refused) == sorted(PRODUCERS)


@pytest.mark.parametrize("name", PRODUCERS)
def test_new_work_is_rejected_and_leaves_every_byte_as_it_was(full: Scripts, name: str) -> None:
    before = digest(full)
    function = assemble.library().functions[name].name
    arguments = [str(ms(full)), "series:1:0", *map(packed, good_calls(full)[name])]

    with pytest.raises(redis_py.exceptions.ResponseError, match="maxmemory"):
        full.redis.fcall(function, 1, "{ql}", *arguments)

    assert digest(full) == before


@pytest.mark.parametrize("name", [name for name in TRANSITIONS if name not in PRODUCERS])
def test_owners_and_whatever_drains_go_on(full: Scripts, name: str) -> None:
    before = digest(full)

    full(name, *good_calls(full)[name], request="series:1:0")

    assert digest(full) != before


@pytest.mark.parametrize("name", QUERIES)
def test_queries_answer(full: Scripts, name: str) -> None:
    assert full(name, *good_queries()[name]) is not None


def test_a_full_server_is_worked_empty(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "parent", retries=0)
    for i in range(80):
        put(call, f"j{i}", depends=["parent"] if i % 2 else [], retries=1)
    call("recur", "q", "often", "K", "{}", 30_000, 0, {})
    call.redis.config_set("maxmemory", 1)

    for view in pop(call, 30):
        complete(call, view) if view["jid"] == "parent" else fail(call, view)
    clock.advance(60)
    for _ in range(20):
        for view in pop(call, 100):
            complete(call, view)
    call.redis.config_set("maxmemory", 0)

    assert counts(call) == {"recurring": 1}
