"""Counters of a queue since it became known: exact, never falling, gone with the queue."""

from __future__ import annotations

import math
import pytest

from qless_py import fsck
from qless_py.protocol import stats
from qless_py.protocol.call import pack
from qless_py.protocol.stats import QueueTotals
from tests.conftest import Clock
from tests.lua.steps import complete, fail, pop, put, take
from tests.script_runner import Scripts

KEY = "{ql}:queue:q:totals"


def rows(call: Scripts, offset: int = 0, count: int = 100) -> tuple[int, list[QueueTotals]]:
    reply = call.send("read/queue_totals", round(call.clock() * 1000), offset, count)
    return stats.queue_totals().decode(reply)


def shown(call: Scripts, queue: str = "q") -> QueueTotals:
    (row,) = (one for one in rows(call)[1] if one.name == queue)
    return row


def counted(call: Scripts, *names: str) -> list[int]:
    counts = shown(call).counts
    return [counts[name] for name in names]


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
        seen.append(shown(call))

    assert [one.counts["completed"] for one in seen] == [1, 2, 3]
    assert [one.run.sum for one in seen] == [1, 3, 7]
    assert seen[-1].run.buckets == {39: 1, 43: 1, 47: 1}
    assert counted(call, "put", "popped", "failed") == [3, 3, 0]


def test_the_current_minute_counts_at_once(call: Scripts) -> None:
    put(call, "j")
    assert not call.redis.exists(KEY)

    assert counted(call, "put") == [1]


def test_counting_begins_with_the_first_minute_filed_by_this_version(
    call: Scripts, clock: Clock
) -> None:
    minute(call, clock, 1)
    minute(call, clock, 1)
    call.redis.delete(KEY)  # As older code leaves it.
    before = counted(call, "completed")
    begun = clock.now
    minute(call, clock, 1)
    minute(call, clock, 1)

    assert before == [1]
    assert counted(call, "completed") == [3]
    assert shown(call).since == begun


def test_sums_are_exact_however_the_times_are_spread(call: Scripts, clock: Clock) -> None:
    waits = [0, 1, 3, 7, 999, 1001, 59_999, 3_600_000, 123_457, 86_400_001]
    for number, wait in enumerate(waits):
        put(call, f"j{number}")
        clock.advance(wait / 1000)
        complete(call, take(call))

    found = shown(call).wait
    assert found.sum == sum(waits) / 1000
    assert sum(found.buckets.values()) == len(waits)


def test_failures_retries_lost_leases_and_crashes_are_counted(call: Scripts, clock: Clock) -> None:
    for jid in ("fails", "retried", "lost", "crashes"):
        put(call, jid, retries=5)
    views = {view["jid"]: view for view in pop(call, 4)}
    fail(call, views["fails"])
    call("retry", "retried", views["retried"]["lease"], "0", {})
    call("job_died", "crashes", views["crashes"]["lease"], "killed")
    clock.advance(61)
    call("tick")

    names = ("put", "popped", "failed", "retried", "stalled", "crashed")
    assert counted(call, *names) == [4, 4, 1, 3, 1, 1]


def test_ticks_are_counted_with_their_lateness(call: Scripts, clock: Clock) -> None:
    call("recur", "q", "r", "K", "{}", 60_000, 0, {"backlog": 1})
    take(call)
    clock.advance(63)
    overdue = shown(call).overdue
    take(call)
    clock.advance(60)
    call("tick")

    found = shown(call)

    assert (overdue, found.overdue) == (3, 0)
    assert (found.counts["ticks"], found.late, found.last_late) == (3, 6, 3)


def test_a_queue_shows_its_jobs_by_state(call: Scripts, clock: Clock) -> None:
    put(call, "waits")
    clock.advance(5)
    put(call, "runs", priority=9)
    put(call, "later", delay=60_000)
    take(call)

    row = shown(call)

    states = ("waiting", "running", "scheduled", "stalled", "depends", "throttled", "recurring")
    assert [row.states[state] for state in states] == [1, 1, 1, 0, 0, 0, 0]
    assert (row.head_age, row.is_paused) == (5, False)


def test_a_page_begins_where_it_is_asked_to(call: Scripts, clock: Clock) -> None:
    for queue in ("a", "b", "c"):
        put(call, queue, queue)
        clock.advance(1)

    total, page = rows(call, 1, 1)

    assert (total, [row.name for row in page]) == (3, ["b"])


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

    assert counted(call, "put") == [1]
    put(call, "k")

    assert found <= {"malformed", "unreadable"}
    assert found
    assert counted(call, "put") == [2]
    assert call.redis.get("{ql}:quarantine:queue:q:totals") == stored


@pytest.mark.corrupts
@pytest.mark.parametrize("damage", ["type", "value"])
def test_counters_of_classes_that_nobody_can_read_stop_no_job(call: Scripts, damage: str) -> None:
    call("config_set", "klass-stats", "3")
    put(call, "j")
    if damage == "type":
        call.redis.set("{ql}:klasses", "junk")
    else:
        call.redis.hset("{ql}:klasses", "K", "junk")
    found = {finding.kind for finding in fsck.check(call.redis, "ql")}

    complete(call, take(call))

    assert found == {"wrong-type" if damage == "type" else "unreadable"}
    reply = call.send("read/klasses", round(call.clock() * 1000))
    assert stats.klasses().decode(reply)["K"].counts["completed"] == 1
