"""Statistics by klass: what is counted, for how many klasses, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py import fsck
from qless_py.protocol import stats
from qless_py.protocol.stats import KlassTotals
from tests.conftest import Clock
from tests.lua.steps import complete, fail, pop, put, take
from tests.lua.test_stats import start_of_ten
from tests.script_runner import Scripts

DAY = 86_400


def rows(call: Scripts, klass: str = "K", resolution: str = "minute") -> list[dict[str, Any]]:
    now = round(call.clock() * 1000)
    found: list[dict[str, Any]] = call("read/klass_series", klass, 0, now, resolution)
    return found


def totals(call: Scripts) -> dict[str, KlassTotals]:
    return stats.klasses().decode(call.send("read/klasses", round(call.clock() * 1000)))


def column(found: list[dict[str, Any]], name: str) -> list[int]:
    return [int(row.get(name, 0)) for row in found]


def put_of(call: Scripts, jid: str, klass: str) -> None:
    call("put", "q", jid, klass, "{}", {})


def run_one(call: Scripts, jid: str, klass: str = "K") -> None:
    put_of(call, jid, klass)
    complete(call, take(call))


def test_each_step_of_a_job_counts_for_its_klass(call: Scripts, clock: Clock) -> None:
    start_of_ten(clock)
    put(call, "a")
    put(call, "b")
    clock.advance(2)
    first, second = pop(call, 2)
    clock.advance(4)
    complete(call, first)
    fail(call, second)

    (row,) = rows(call)

    counts = {name: row[name] for name in ("put", "popped", "completed", "failed")}
    assert counts == {"put": 2, "popped": 2, "completed": 1, "failed": 1}
    assert row["wait_buckets"] == {"43": 2}
    assert row["run_buckets"] == {"47": 1}
    assert totals(call)["K"].run == 4


def test_a_forced_completion_counts_without_a_running_time(call: Scripts) -> None:
    put(call, "a")
    call("force_finish", "a", "")

    (row,) = rows(call)

    assert (row["completed"], row.get("run_buckets")) == (1, None)


def test_jobs_of_one_call_count_for_their_own_klasses(call: Scripts) -> None:
    for number in range(4):
        put_of(call, f"k{number}", "app.One" if number % 2 else "app: Two/x")
    for view in pop(call, 4):
        complete(call, view)

    assert [column(rows(call, one), "completed") for one in ("app.One", "app: Two/x")] == [[2], [2]]
    assert fsck.check(call.redis, "ql") == []


def test_minutes_become_rows_and_tens(call: Scripts, clock: Clock) -> None:
    start_of_ten(clock)
    for number in range(12):
        run_one(call, f"j{number}")
        clock.advance(60)

    assert column(rows(call), "completed") == [1] * 12
    assert column(rows(call, resolution="ten"), "completed") == [10, 2]
    assert totals(call)["K"].counts["completed"] == 12


def test_minutes_are_kept_for_hours_and_tens_for_two_weeks(call: Scripts, clock: Clock) -> None:
    start_of_ten(clock)
    run_one(call, "a")
    clock.advance(5 * 3600)
    run_one(call, "b")
    clock.advance(3600)
    run_one(call, "c")

    assert column(rows(call), "put") == [1, 1]
    assert column(rows(call, resolution="ten"), "put") == [1, 1, 1]

    clock.advance(14 * DAY - 3600)
    run_one(call, "d")
    clock.advance(60)
    run_one(call, "e")

    assert sum(column(rows(call, resolution="ten"), "put")) == 3
    assert totals(call)["K"].counts["completed"] == 5


def test_klasses_beyond_the_limit_are_counted_together(call: Scripts) -> None:
    call("config_set", "klass-stats", "2")
    for number in range(5):
        run_one(call, f"j{number}", f"app.K{number}")
    run_one(call, "again", "app.K1")

    counted = {name: found.counts["completed"] for name, found in totals(call).items()}

    assert counted == {"app.K0": 1, "app.K1": 2, "_other": 3}
    assert column(rows(call, "_other"), "put") == [3]
    assert rows(call, "app.K4") == []


def test_a_klass_without_jobs_for_two_weeks_makes_room(call: Scripts, clock: Clock) -> None:
    call("config_set", "klass-stats", "1")
    run_one(call, "a", "app.Old")
    clock.advance(15 * DAY)
    for _ in range(3):
        call("tick")
        clock.advance(3700)
    run_one(call, "b", "app.New")

    assert list(totals(call)) == ["app.New"]
    assert call.redis.keys("{ql}:klass:app.Old:*") == []


def test_switching_them_off_forgets_them(call: Scripts) -> None:
    run_one(call, "a")
    call("config_set", "klass-stats", "0")
    run_one(call, "b")

    assert (totals(call), rows(call)) == ({}, [])
    assert call.redis.keys("{ql}:klass*") == []

    call("config_unset", "klass-stats")
    run_one(call, "c")

    assert totals(call)["K"].counts["completed"] == 1


def test_counters_of_an_earlier_version_go_on(call: Scripts, clock: Clock) -> None:
    old = b"\x82\xa9completed\x07\xa3run\xcd\x03\xe8"
    call.redis.hset("{ql}:klasses", "K", old)
    run_one(call, "a")
    assert totals(call)["K"] == KlassTotals(
        {"started": 1, "completed": 8, "failed": 0, "retried": 0}, 1.0
    )
    clock.advance(61)
    run_one(call, "b")

    assert totals(call)["K"].counts["completed"] == 9


@pytest.mark.corrupts
@pytest.mark.parametrize("damage", ["type", "value", "series"])
def test_statistics_that_nobody_can_read_stop_no_job(
    call: Scripts, clock: Clock, damage: str
) -> None:
    run_one(call, "a")
    minute = int(clock.now // 60)
    if damage == "type":
        call.redis.set("{ql}:klass:K:now", "junk")
    elif damage == "value":
        call.redis.hset("{ql}:klass:K:now", f"{minute}:put", "junk")
    else:
        call.redis.zadd("{ql}:klass:K:tens", {"junk": minute // 10})
    found = {finding.kind for finding in fsck.check(call.redis, "ql")}
    run_one(call, "b")
    clock.advance(60)
    run_one(call, "c")

    assert found == {
        "wrong-type" if damage == "type" else "malformed" if damage == "value" else "unreadable"
    }
    assert sum(column(rows(call, resolution="ten"), "completed")) >= 1
