"""Queues: which are known, how many jobs they hold, and forgetting one."""

from __future__ import annotations

import re

import pytest

from qless_py.errors import BadArgumentError
from tests.conftest import Clock
from tests.lua.steps import complete, counts, fail, jids, pop, put, take
from tests.script_runner import Scripts


def known(call: Scripts) -> list[str]:
    return [row["name"] for row in call("read/queues", 0, 100)["queues"]]


def test_every_state_is_counted(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "1000")
    for jid in ("lapsed", "timed-out", "runs", "fails", "ends", "waits"):
        put(call, jid)
    put(call, "later", delay=99_000)
    put(call, "due", delay=30_000)
    put(call, "child", depends=["later"])
    call("recur", "q", "often", "K", "{}", 60_000, 99_000, {})
    views = {view["jid"]: view for view in pop(call, 5)}
    call("timeout", ["timed-out"])
    fail(call, views["fails"])
    complete(call, views["ends"])
    clock.advance(30)
    call("heartbeat", "runs", views["runs"]["lease"], "")
    clock.advance(30)

    assert call("read/counts", "q") == {
        "name": "q", "waiting": 2, "running": 1, "stalled": 2, "scheduled": 1, "depends": 1,
        "recurring": 1, "throttled": 0, "head_age": 60_000, "paused": False,
    }  # fmt: skip
    states = ["waiting", "running", "stalled", "scheduled", "depends", "recurring", "throttled"]
    listed = {state: call("read/state", state, "q", 0, 10) for state in states}
    assert {state: page["jids"] for state, page in listed.items()} == {
        "waiting": ["waits", "due"], "running": ["runs"], "stalled": ["timed-out", "lapsed"],
        "scheduled": ["later"], "depends": ["child"], "recurring": ["often"], "throttled": [],
    }  # fmt: skip
    assert {state: page["total"] for state, page in listed.items()} == {
        state: len(page["jids"]) for state, page in listed.items()
    }
    # Waiting, running and scheduled ones in whatever condition.
    assert call("read/length", "q") == 6


def test_pages_go_on_from_one_part_of_a_list_to_the_next(call: Scripts, clock: Clock) -> None:
    for number in range(5):
        put(call, f"w{number}")
    for number in range(5):
        put(call, f"s{number}", delay=1000 + number)
    clock.advance(5)

    def page(offset: int, count: int) -> list[str]:
        found: list[str] = call("read/state", "waiting", "q", offset, count)["jids"]
        return found

    assert page(3, 4) == ["w3", "w4", "s0", "s1"]
    assert page(7, 9) == ["s2", "s3", "s4"]
    assert (page(10, 5), page(0, 0)) == ([], [])


def test_every_list_has_its_order(call: Scripts, clock: Clock) -> None:
    for jid, delay in (("late", 9000), ("soon", 1000), ("later", 5000)):
        put(call, jid, delay=delay)
    for jid in ("z", "a", "m"):
        put(call, jid)
    views = pop(call, 3)
    clock.advance(1)
    put(call, "parent", "p")
    for jid in ("second", "first"):
        put(call, f"waits-{jid}", depends=["parent"])
        clock.advance(0.001)
    call("heartbeat", "z", views[0]["lease"], "")
    call("recur", "q", "never", "K", "{}", 1000, 90_000, {})
    call("recur", "q", "once", "K", "{}", 1000, 20_000, {})

    def listed(state: str) -> list[str]:
        found: list[str] = call("read/state", state, "q", 0, 10)["jids"]
        return found

    assert listed("scheduled") == ["later", "late"]
    assert listed("running") == ["a", "m", "z"]
    assert listed("depends") == ["waits-second", "waits-first"]
    assert listed("recurring") == ["once", "never"]
    clock.advance(60)
    assert listed("stalled") == ["a", "m", "z"]


def test_an_unknown_queue_has_none_of_anything(call: Scripts) -> None:
    assert counts(call, "nowhere") == {}
    assert call("read/length", "nowhere") == 0
    assert known(call) == []


def test_an_unknown_state_or_a_missing_queue_is_rejected(call: Scripts) -> None:
    for state, queue in (("dreaming", "q"), ("failed", "q"), ("waiting", ""), ("", "q")):
        with pytest.raises(BadArgumentError):
            call("read/state", state, queue, 0, 10)


def test_queues_are_known_in_the_order_of_first_sight(call: Scripts, clock: Clock) -> None:
    put(call, "a", "queue")
    put(call, "b", "another")
    clock.advance(1)
    call("recur", "first", "r", "K", "{}", 1000, 0, {})
    clock.advance(1)
    complete(call, take(call, "queue"), next={"queue": "and-then"})
    clock.advance(60)
    put(call, "c", "queue")

    assert known(call) == ["another", "queue", "first", "and-then"]
    page = call("read/queues", 1, 2)
    assert (page["total"], [row["name"] for row in page["queues"]]) == (4, ["queue", "first"])


def test_forgetting_a_queue_takes_it_off_the_list_and_leaves_its_jobs(
    call: Scripts, clock: Clock
) -> None:
    put(call, "j")
    put(call, "k", "other")

    assert call("queue_forget", ["q", "nowhere"]) == 1
    assert known(call) == ["other"]
    assert jids(pop(call)) == ["j"]

    clock.advance(1)
    put(call, "l")
    assert known(call) == ["other", "q"]


def test_nothing_is_left_of_a_forgotten_queue_without_jobs(call: Scripts) -> None:
    complete(call, (put(call, "j", user="u"), take(call))[1])
    call("pause", ["q"], {"until": round(call.clock() * 1000) + 60_000})
    call("config_set", "q-heartbeat", "7")

    call("queue_forget", ["q"])

    assert call.redis.keys("{ql}:queue:q:*") == []
    left = [*call.redis.hkeys("{ql}:meta"), *map(str, call.redis.zrange("{ql}:due", 0, -1))]
    assert [name for name in left if re.search(r":q\b", str(name))] == []


def test_a_forgotten_queue_with_jobs_stays_paused(call: Scripts) -> None:
    put(call, "j")
    call("pause", ["q"], {})

    call("queue_forget", ["q"])

    assert pop(call) == []


@pytest.mark.parametrize("verb", ["pop", "complete", "put", "retry"])
def test_a_forgotten_queue_is_known_again_with_the_first_thing_that_counts(
    call: Scripts, verb: str
) -> None:
    put(call, "j")
    view = None if verb in ("pop", "put") else take(call)
    call("queue_forget", ["q"])

    if view is None:
        _ = take(call) if verb == "pop" else put(call, "k")
    elif verb == "complete":
        complete(call, view)
    else:
        call("retry", "j", view["lease"], 0, {})

    assert known(call) == ["q"]
