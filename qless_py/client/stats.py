"""Statistics of queues: days as qless counts them, and series by the minute with percentiles."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final, TypedDict

from qless_py.client.session import Session
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, reads
from qless_py.protocol import arguments as checks

_DAY: Final = 86400
_EPOCH: Final = date(1970, 1, 1).toordinal()
RESOLUTIONS: Final = ("minute", "ten")


class Times(TypedDict):
    """How long something took, in seconds; the histogram counts by slot (s0 … m1 … h1 … d6)."""

    count: int
    mean: float
    std: float
    histogram: dict[str, int]


class DayStats(TypedDict):
    """One day of one queue; `failed` are still failed, `failures` is how often it happened."""

    retries: int
    failed: int
    failures: int
    wait: Times
    run: Times


class Sample(TypedDict):
    """One minute, or ten, of one queue; `at` is in seconds, the maps are log-bucket histograms."""

    at: float
    put: int
    popped: int
    completed: int
    failed: int
    retried: int
    stalled: int
    depth: int
    head_age: float
    wait: dict[int, int]
    run: dict[int, int]


class Stats:
    """`client.stats`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, queue: str, day: date | float | None = None) -> DayStats:
        """Give a queue's statistics of a day: a date, any second of it, or today."""
        return self._session.run(day_call(queue, day))


def day_call(queue: str, day: date | float | None) -> Call[DayStats]:
    """Make the call that reads the statistics of a day."""
    call = reads.stats(checks.name("queue", queue), None if day is None else day_number(day))
    return call.map(_day_stats)


def day_number(day: date | float) -> int:
    """Give the number of a day, counted from 1970-01-01 in UTC."""
    if isinstance(day, date) and not isinstance(day, datetime):
        number = day.toordinal() - _EPOCH
        if number < 0:
            raise BadArgumentError(f"day {day} is before 1970")
        return number
    return checks.instant("day", day) // (_DAY * 1000)


def _day_stats(value: Mapping[str, Any]) -> DayStats:
    return DayStats(
        retries=int(value.get("retries", 0)),
        failed=int(value.get("failed", 0)),
        failures=int(value.get("failures", 0)),
        wait=_times(value.get("wait")),
        run=_times(value.get("run")),
    )


def _times(value: Any) -> Times:
    given = dict(value or {})
    histogram = {
        str(slot): int(number) for slot, number in dict(given.get("histogram") or {}).items()
    }
    return Times(
        count=int(given.get("count", 0)),
        mean=float(given.get("mean", 0)) / 1000,
        std=float(given.get("std", 0)) / 1000,
        histogram=histogram,
    )


def series_call(queue: str, start: Any, end: Any, resolution: str) -> Call[list[Sample]]:
    """Make the call that reads a series from one instant to another."""
    call = reads.series(
        checks.name("queue", queue),
        checks.instant("start", start),
        checks.instant("end", end),
        checks.choice("resolution", resolution, RESOLUTIONS),
    )
    return call.map(lambda rows: [_sample(row) for row in rows])


def _sample(row: Mapping[str, Any]) -> Sample:
    number = {name: int(row.get(name, 0)) for name in _COUNTERS}
    return Sample(
        at=float(row.get("at", 0)) / 1000,
        put=number["put"],
        popped=number["popped"],
        completed=number["completed"],
        failed=number["failed"],
        retried=number["retried"],
        stalled=number["stalled"],
        depth=number["depth"],
        head_age=float(row.get("head_age", 0)) / 1000,
        wait=dict(row.get("wait") or {}),
        run=dict(row.get("run") or {}),
    )


_COUNTERS: Final = ("put", "popped", "completed", "failed", "retried", "stalled", "depth")


def merged(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Add log-bucket histograms up."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for bucket, number in histogram.items():
            total[bucket] = total.get(bucket, 0) + number
    return total


def percentile(histogram: Mapping[int, int], share: float) -> float:
    """Give the seconds below which that share (0 to 1) of a log-bucket histogram lies, 0 if empty.

    Exact to the bucket, four of which are a factor of two; the value is the bucket's upper end.
    """
    if not 0 <= share <= 1:
        raise BadArgumentError(f"share {share!r} is not from 0 to 1")
    wanted = share * sum(histogram.values())
    seen, found = 0, 0.0
    for bucket, number in sorted(histogram.items()):
        if number <= 0:
            continue
        seen, found = seen + number, 2 ** ((bucket + 1) / 4) / 1000
        if seen >= wanted:
            break
    return found
