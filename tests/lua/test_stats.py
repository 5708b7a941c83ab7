"""Daily statistics and minute series, as transitions record them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.conftest import Clock
from tests.lua.steps import complete, fail, pop, put, take
from tests.script_runner import Scripts

DAY = 86_400
COUNTERS = ("put", "popped", "completed", "failed", "retried", "stalled", "depth", "head_age")


def stats(call: Scripts, queue: str = "q", days_ago: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = call("read/stats", queue, int(call.clock() // DAY) - days_ago)
    return found


def series(call: Scripts, resolution: str = "minute", queue: str = "q") -> list[dict[str, Any]]:
    now = round(call.clock() * 1000)
    rows = call("read/series", queue, max(now - 20 * DAY * 1000, 0), now, resolution)
    return [row(record) for record in rows]


def row(record: dict[str, Any]) -> dict[str, Any]:
    """Return a filed record its instant, its histograms, and what is missing because it is 0."""
    at = record["ten"] * 600_000 if "ten" in record else record["minute"] * 60_000
    buckets = {kind: record.get(f"{kind}_buckets") or {} for kind in ("wait", "run")}
    return {**dict.fromkeys(COUNTERS, 0), **record, "at": at, **buckets}


def column(rows: list[dict[str, Any]], name: str) -> list[int]:
    return [int(row[name]) for row in rows]


def start_of_ten(clock: Clock) -> None:
    """Go to the beginning of the next ten minutes."""
    clock.now = math.ceil(clock.now / 600) * 600


def test_a_queue_without_a_past_has_zeros(call: Scripts) -> None:
    nothing = {"count": 0, "mean": 0, "std": 0, "histogram": []}

    assert stats(call) == {
        "retries": 0, "failed": 0, "failures": 0, "wait": nothing, "run": nothing,
    }  # fmt: skip
    assert series(call) == []


def test_mean_and_sample_deviation_are_exact(call: Scripts, clock: Clock) -> None:
    for i in range(20):
        put(call, f"j{i:02}")
    views = []
    for _ in range(20):
        views += pop(call)
        clock.advance(1)
    wait = stats(call)["wait"]
    assert (wait["count"], wait["mean"]) == (20, 9500)
    assert wait["std"] / 1000 == pytest.approx(5.916079783099, rel=1e-12)
    assert wait["histogram"] == {f"s{i}": 1 for i in range(20)}

    clock.now = views[-1]["popped_at"] / 1000
    for view in reversed(views):
        complete(call, view)

    run = stats(call)["run"]
    assert run["std"] / 1000 == pytest.approx(5.916079783099, rel=1e-12)
    assert sum(run["histogram"].values()) == 20


def test_samples_of_several_minutes_add_up_exactly(call: Scripts, clock: Clock) -> None:
    waits = [0, 1, 999, 1000, 59_999, 100_000, 3_600_000, 7, 7, 7]
    for number, wait in enumerate(waits):
        put(call, f"j{number}")
        clock.advance(wait / 1000)
        complete(call, take(call))
        clock.advance(61)

    wait = stats(call)["wait"]

    mean = sum(waits) / len(waits)
    deviation = math.sqrt(sum((one - mean) ** 2 for one in waits) / (len(waits) - 1))
    assert (wait["count"], wait["mean"]) == (10, pytest.approx(mean, rel=1e-12))
    assert wait["std"] == pytest.approx(deviation, rel=1e-12)


@pytest.mark.parametrize(
    ("seconds", "slot"),
    [(0, "s0"), (59.999, "s59"), (60, "m1"), (3599, "m59"), (3600, "h1"), (86_399, "h23"),
     (86_400, "d1"), (604_799, "d6"), (604_800, None)],
)  # fmt: skip
def test_every_wait_has_its_slot_but_a_week(
    call: Scripts, clock: Clock, seconds: float, slot: str | None
) -> None:
    put(call, "j")
    clock.advance(seconds)
    take(call)

    wait = stats(call)["wait"]

    assert wait["count"] == 1
    assert wait["histogram"] == ({slot: 1} if slot else [])


@pytest.mark.parametrize("ms", [0, 1, 2, 3, 4, 7, 8, 100, 1023, 1024, 60_000, 86_400_000])
def test_a_bucket_of_the_logarithmic_histogram_holds_what_its_number_says(
    call: Scripts, clock: Clock, ms: int
) -> None:
    put(call, "j")
    clock.advance(ms / 1000)
    take(call)

    (bucket,) = series(call)[-1]["wait"]

    number = int(bucket)
    assert (
        number == -1 if ms < 1 else 2 ** (number / 4) <= ms * (1 + 1e-9) < 2 ** ((number + 1) / 4)
    )


def test_everything_that_happens_is_counted_in_its_queue(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    for jid in ("a", "b", "c", "d"):
        put(call, jid)
    views = {view["jid"]: view for view in pop(call, 4)}
    complete(call, views["a"])
    fail(call, views["b"])
    call("retry", "c", views["c"]["lease"], 1000, {})
    clock.advance(60)
    call("tick")
    put(call, "x", "other")

    names = ("put", "popped", "completed", "failed", "retried", "stalled")
    sums = {name: sum(column(series(call), name)) for name in names}

    assert sums == {
        "put": 4, "popped": 4, "completed": 1, "failed": 1, "retried": 2, "stalled": 1,
    }  # fmt: skip
    assert (stats(call)["retries"], stats(call)["failures"], stats(call)["failed"]) == (2, 1, 1)
    assert column(series(call, queue="other"), "put") == [1]


def test_a_job_that_goes_on_counts_as_completed_here_and_put_there(call: Scripts) -> None:
    put(call, "j")
    complete(call, take(call), next={"queue": "two"})

    assert (column(series(call), "completed"), column(series(call, queue="two"), "put")) == (
        [1],
        [1],
    )
    assert stats(call)["run"]["count"] == 1


def test_the_first_call_of_a_minute_records_depth_and_age_of_the_head(
    call: Scripts, clock: Clock
) -> None:
    clock.now = math.ceil(clock.now / 60) * 60
    for i in range(3):
        put(call, f"j{i}")
    clock.advance(60)
    take(call)
    clock.advance(1)
    put(call, "late")

    rows = series(call)

    assert (column(rows, "depth"), column(rows, "head_age")) == ([1, 2], [0, 60_000])


def test_minutes_are_rows_of_their_own_oldest_first(call: Scripts, clock: Clock) -> None:
    start_of_ten(clock)
    begin = round(clock.now * 1000)
    for minute, number in ((0, 2), (1, 1), (5, 3)):
        clock.now = begin / 1000 + minute * 60
        for i in range(number):
            put(call, f"j{minute}-{i}")
            clock.advance(1)

    rows = series(call)

    assert column(rows, "at") == [begin, begin + 60_000, begin + 300_000]
    assert column(rows, "put") == [2, 1, 3]
    within = call("read/series", "q", begin + 60_000, begin + 299_999, "minute")
    assert column(within, "put") == [1]


def test_ten_minutes_sum_up_their_minutes_the_present_ones_included(
    call: Scripts, clock: Clock
) -> None:
    start_of_ten(clock)
    begin = round(clock.now * 1000)
    for number, minute in enumerate((0, 3, 9, 10, 14, 15)):
        clock.now = begin / 1000 + minute * 60
        put(call, f"j{number}")

    rows = series(call, "ten")

    assert (column(rows, "at"), column(rows, "put")) == ([begin, begin + 600_000], [3, 3])


@pytest.mark.parametrize("idle_minutes", [1, 3, 12])
def test_a_queue_that_fell_idle_has_all_its_rows(
    call: Scripts, clock: Clock, idle_minutes: int
) -> None:
    start_of_ten(clock)
    put(call, "a")
    clock.advance(60)
    put(call, "b")
    for _ in range(2 * idle_minutes):
        clock.advance(31)
        call("tick")

    assert column(series(call), "put") == [1, 1]
    assert column(series(call, "ten"), "put") == [2]
    clock.advance(2 * DAY)
    for _ in range(3):
        call("tick")
        clock.advance(61)
    assert (series(call), column(series(call, "ten"), "put")) == ([], [2])


def test_minutes_are_kept_a_day_and_ten_minutes_two_weeks(call: Scripts, clock: Clock) -> None:
    start_of_ten(clock)
    put(call, "a")
    clock.advance(DAY)
    put(call, "b")
    clock.advance(60)
    put(call, "c")
    assert column(series(call), "put") == [1, 1]
    assert column(series(call, "ten"), "put") == [1, 2]
    clock.advance(13 * DAY)
    put(call, "d")
    clock.advance(601)
    put(call, "e")

    assert column(series(call, "ten"), "put")[:2] == [2, 1]


def test_days_are_kept_apart_and_for_the_configured_time(call: Scripts, clock: Clock) -> None:
    call("config_set", "stats-history", "3")
    clock.now = (clock.now // DAY) * DAY + 100
    for number in range(4):
        put(call, f"j{number}")
        fail(call, take(call))
        clock.advance(DAY)
    put(call, "last")

    assert [stats(call, days_ago=days)["failures"] for days in range(5)] == [0, 1, 1, 0, 0]


@pytest.mark.parametrize("way", ["unfail", "cancel", "put", "force_finish"])
@pytest.mark.parametrize("between", [0, 30, 61, DAY])
@pytest.mark.parametrize("busy", [False, True])
def test_a_failure_taken_back_is_taken_back_on_its_own_day(
    call: Scripts, clock: Clock, way: str, between: int, *, busy: bool
) -> None:
    clock.now = (clock.now // DAY) * DAY + 100
    put(call, "j")
    put(call, "other")
    for view in pop(call, 2):
        fail(call, view)
    if busy:
        clock.advance(61)
        put(call, "more")
    clock.advance(between)

    if way == "unfail":
        call("unfail", "elsewhere", "g", 1)
    elif way == "cancel":
        call("cancel", ["j"], "")
    elif way == "put":
        put(call, "j", "elsewhere")
    else:
        call("force_finish", "j", "")

    day = stats(call, days_ago=1 if between == DAY else 0)
    assert (day["failures"], day["failed"]) == (2, 1)
    clock.advance(61)
    put(call, "later")
    clock.advance(61)
    put(call, "last")
    day = stats(call, days_ago=1 if between == DAY else 0)
    assert (day["failures"], day["failed"]) == (2, 1)


def test_counters_of_one_call_are_those_of_all_its_jobs(call: Scripts) -> None:
    specs = [{"jid": f"j{i}", "klass": "K"} for i in range(100)]
    call("put_many", "q", specs, *("{}" for _ in specs))
    views = pop(call, 100)
    call("complete_many", [[view["jid"], view["lease"]] for view in views], *[""] * 100)

    (row,) = series(call)

    assert (row["put"], row["popped"], row["completed"]) == (100, 100, 100)
    assert (sum(row["wait"].values()), sum(row["run"].values())) == (100, 100)


def test_a_forgotten_queue_is_forgotten_with_its_statistics(call: Scripts) -> None:
    put(call, "j")

    call("queue_forget", ["q"])

    assert series(call) == []
    assert call.redis.keys("{ql}:queue:q:[mtdn]*") == []
