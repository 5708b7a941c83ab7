"""Counters of a queue since it became known: exact, never falling, gone with the queue."""

from __future__ import annotations

import math
from typing import Any

import pytest

from qless_py import fsck
from qless_py.protocol.call import pack
from tests.conftest import Clock
from tests.lua.steps import complete, fail, pop, put, take
from tests.script_runner import Scripts

KEY = "{ql}:queue:q:totals"


def shown(call: Scripts, queue: str = "q") -> dict[str, Any]:
    (row,) = (one for one in call("read/queue_totals", 0, 100)["queues"] if one["name"] == queue)
    return dict(row)


def totals(call: Scripts) -> dict[str, Any]:
    found: dict[str, Any] = shown(call)["totals"]
    return found


def minute(call: Scripts, clock: Clock, seconds: float) -> None:
    """Put a job, run it for some seconds, and go to the next minute."""
    put(call, f"j{clock.now}")
    view = take(call)
    clock.advance(seconds)
    complete(call, view)
    clock.now = (clock.now // 60 + 1) * 60


def test_counters_grow_over_minutes_that_are_filed(call: Scripts, clock: Clock) -> None:
    clock.now = math.ceil(clock.now / 60) * 60
    seen = []
    for seconds in (1, 2, 4):
        minute(call, clock, seconds)
        seen.append(totals(call))

    assert [one["completed"] for one in seen] == [1, 2, 3]
    assert [one["run"] for one in seen] == [1000, 3000, 7000]
    assert seen[-1]["run_buckets"] == {"39": 1, "43": 1, "47": 1}
    assert (seen[-1]["put"], seen[-1]["popped"], seen[-1]["failed"]) == (3, 3, 0)


def test_the_current_minute_counts_at_once(call: Scripts) -> None:
    put(call, "j")
    assert not call.redis.exists(KEY)

    assert totals(call)["put"] == 1


def test_counting_begins_with_the_first_minute_filed_by_this_version(
    call: Scripts, clock: Clock
) -> None:
    minute(call, clock, 1)
    minute(call, clock, 1)
    call.redis.delete(KEY)  # As older code leaves it.
    before = totals(call)
    begun = clock.now
    minute(call, clock, 1)
    minute(call, clock, 1)

    assert before["completed"] == 1
    assert totals(call)["completed"] == 3
    assert totals(call)["since"] == round(begun * 1000)


def test_sums_are_exact_however_the_times_are_spread(call: Scripts, clock: Clock) -> None:
    waits = [0, 1, 3, 7, 999, 1001, 59_999, 3_600_000, 123_457, 86_400_001]
    for number, wait in enumerate(waits):
        put(call, f"j{number}")
        clock.advance(wait / 1000)
        complete(call, take(call))

    assert totals(call)["wait"] == sum(waits)
    assert sum(totals(call)["wait_buckets"].values()) == len(waits)


def test_failures_retries_lost_leases_and_crashes_are_counted(call: Scripts, clock: Clock) -> None:
    for jid in ("fails", "retried", "lost", "crashes"):
        put(call, jid, retries=5)
    views = {view["jid"]: view for view in pop(call, 4)}
    fail(call, views["fails"])
    call("retry", "retried", views["retried"]["lease"], "0", {})
    call("job_died", "crashes", views["crashes"]["lease"], "killed")
    clock.advance(61)
    call("tick")

    counted = totals(call)

    names = ("put", "popped", "failed", "retried", "stalled", "crashed")
    assert [counted[name] for name in names] == [4, 4, 1, 3, 1, 1]


def test_ticks_are_counted_with_their_lateness(call: Scripts, clock: Clock) -> None:
    call("recur", "q", "r", "K", "{}", 60_000, 0, {"backlog": 1})
    take(call)
    clock.advance(63)
    overdue = shown(call)["overdue"]
    take(call)
    clock.advance(60)
    call("tick")

    counted = totals(call)

    assert overdue == 3000
    assert shown(call)["overdue"] == 0
    assert (counted["ticks"], counted["tick_late"], counted["last_late"]) == (3, 6000, 3000)


def test_a_queue_shows_its_jobs_by_state(call: Scripts, clock: Clock) -> None:
    put(call, "waits")
    clock.advance(5)
    put(call, "runs", priority=9)
    put(call, "later", delay=60_000)
    take(call)

    row = shown(call)

    states = ("waiting", "running", "scheduled", "stalled", "depends", "throttled", "recurring")
    assert [row[state] for state in states] == [1, 1, 1, 0, 0, 0, 0]
    assert (row["head_age"], row["paused"]) == (5000, False)


def test_a_page_begins_where_it_is_asked_to(call: Scripts, clock: Clock) -> None:
    for queue in ("a", "b", "c"):
        put(call, queue, queue)
        clock.advance(1)

    page = call("read/queue_totals", 1, 1)

    assert (page["total"], [row["name"] for row in page["queues"]]) == (3, ["b"])


def test_forgetting_a_queue_forgets_its_counters(call: Scripts, clock: Clock) -> None:
    minute(call, clock, 1)
    minute(call, clock, 1)
    assert call.redis.exists(KEY)

    call("queue_forget", ["q"])

    assert call.redis.keys("{ql}:queue:q:*") == []


@pytest.mark.corrupts
@pytest.mark.parametrize(
    "stored",
    [
        pack({"put": "many"}),
        pack({"put": 1, "run_buckets": {"3": "x"}}),
        pack({"wait_buckets": 7}),
        b"junk",
    ],
)
def test_counters_that_nobody_can_read_are_set_aside(
    call: Scripts, clock: Clock, stored: bytes
) -> None:
    put(call, "j")
    clock.advance(61)
    call.redis.set(KEY, stored)
    found = {finding.kind for finding in fsck.check(call.redis, "ql")}

    assert totals(call)["put"] == 1
    put(call, "k")

    assert found <= {"malformed", "unreadable"}
    assert found
    assert totals(call)["put"] == 2
    assert call.redis.get("{ql}:quarantine:queue:q:totals") == stored
