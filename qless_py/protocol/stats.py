"""Statistics of queues: per day, and per minute or ten minutes with percentiles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, TypedDict

import msgpack

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.call import Call, mapping, numbered, original, unpack
from qless_py.protocol.options import Resolution

_DAY: Final = 86400
_EPOCH: Final = date(1970, 1, 1).toordinal()
RESOLUTIONS: Final = ("minute", "ten")
QUEUE_STATES: Final = (
    "waiting", "scheduled", "depends", "throttled", "running", "stalled", "recurring",
)  # fmt: skip
OTHER_KLASSES: Final = "_other"
"""The name under which klasses are counted that have no statistics of their own."""
KLASS_EVENTS: Final = ("started", "completed", "failed", "retried")
TOTALS: Final = (
    "put", "popped", "completed", "failed", "retried", "stalled", "crashed", "ticks",
)  # fmt: skip


class Times(TypedDict):
    """Durations in seconds; the histogram counts them by slot (s0 … m1 … h1 … d6)."""

    count: int
    mean: float
    std: float
    histogram: dict[str, int]


class DayStats(TypedDict):
    """One day of one queue; `failed` jobs are still failed, `failures` counts all that failed."""

    retries: int
    failed: int
    failures: int
    wait: Times
    run: Times


class Sample(TypedDict):
    """One or ten minutes of a queue or klass from `at` (Unix seconds).

    `wait` and `run` are log-bucket histograms. A klass has no depth and no head_age.
    """

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


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """What monitors read of one queue, consistent in itself.

    `states` counts its jobs by state. `head_age` is how long the first waiting job has been ready,
    None where none waits; `overdue` how long the earliest tick is late that has not fired yet;
    `last_late` how late the last one fired; all in seconds. `counts`, `wait` and `run` only grow
    while the queue is known: counting began at `since` (Unix seconds), or within the current minute
    if that is None.
    """

    name: str
    states: dict[str, int]
    is_paused: bool
    head_age: float | None
    overdue: float
    last_late: float | None
    since: float | None
    counts: dict[str, int]
    late: float
    wait: "Distribution"
    run: "Distribution"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations: their sum in seconds, and how many there are in each logarithmic bucket.

    Bucket n begins at 2 ** (n / 4) milliseconds and ends where the next one begins; -1 holds those
    below one millisecond.
    """

    sum: float
    buckets: dict[int, int]


@dataclass(frozen=True, slots=True)
class KlassTotals:
    """What jobs of one klass have done, and the seconds that completed ones ran."""

    counts: dict[str, int]
    run: float


def queue_totals(offset: int = 0, count: int = 100) -> Call[tuple[int, list[QueueTotals]]]:
    """Read what monitors show of a page of the known queues; returns also how many are known."""

    def decode(reply: bytes | None) -> tuple[int, list[QueueTotals]]:
        value = unpack(reply)
        return int(value["total"]), [_totals(row) for row in value["queues"]]

    return Call("read/queue_totals", (offset, count), decode)


def _totals(row: Mapping[str, Any]) -> QueueTotals:
    stored = _stored(row["totals"])
    pairs = list(row["current"] or ())
    current = dict(zip(pairs[::2], pairs[1::2], strict=True))
    late = current.get("last_late", stored.get("last_late"))
    return QueueTotals(
        name=str(row["name"]),
        states={state: int(row[state]) for state in QUEUE_STATES},
        is_paused=bool(row["paused"]),
        head_age=row["head_age"] / 1000 if row["head_age"] >= 0 else None,
        overdue=row["overdue"] / 1000,
        last_late=None if late is None else _number(late) / 1000,
        since=_number(stored["since"]) / 1000 if "since" in stored else None,
        counts={name: _sum(stored, current, name) for name in TOTALS},
        late=_sum(stored, current, "tick_late") / 1000,
        wait=_distribution(stored, current, "wait"),
        run=_distribution(stored, current, "run"),
    )


def klasses() -> Call[dict[str, KlassTotals]]:
    """Read the counters of klasses; there are none if the option `klass-stats` is 0."""

    def decode(reply: bytes | None) -> dict[str, KlassTotals]:
        pairs = list(unpack(reply) or ())
        rows = zip(pairs[::2], map(_unpacked, pairs[1::2]), strict=True)
        return {str(klass): _klass(found) for klass, found in rows if isinstance(found, dict)}

    return Call("read/klasses", (), decode)


def _klass(found: Mapping[str, Any]) -> KlassTotals:
    counts = {event: _number(found.get(event)) for event in KLASS_EVENTS}
    return KlassTotals(counts, _number(found.get("run")) / 1000)


def _stored(packed: str) -> Mapping[str, Any]:
    """Unpack stored counters; those of another form count as none, as they do for scripts."""
    found = _unpacked(packed)
    if not isinstance(found, dict):
        return {}
    numbers = {**found}
    for kind in ("wait", "run"):
        buckets = numbers.pop(f"{kind}_buckets", None) or {}
        if not isinstance(buckets, dict):
            return {}
        numbers |= {f"{kind} {name}": count for name, count in buckets.items()}
    is_sound = all(isinstance(value, int | float) for value in numbers.values())
    return found if is_sound else {}


def _sum(stored: Mapping[str, Any], current: Mapping[str, Any], name: str) -> int:
    return _number(stored.get(name)) + _number(current.get(name))


def _distribution(stored: Mapping[str, Any], current: Mapping[str, Any], kind: str) -> Distribution:
    """Join the stored durations with those of the current minute, a sample and fields by bucket."""
    sample = _unpacked(current.get(kind, ""))
    # Durations are whole milliseconds, so rounding restores their exact sum.
    more = round(sample[0] * sample[1]) if isinstance(sample, list) and len(sample) > 1 else 0
    buckets = numbered(stored.get(f"{kind}_buckets"))
    prefix = f"{kind}_buckets:"
    for name, count in current.items():
        if name.startswith(prefix):
            number = int(name.removeprefix(prefix))
            buckets[number] = buckets.get(number, 0) + _number(count)
    return Distribution((_number(stored.get(kind)) + more) / 1000, buckets)


def _unpacked(packed: str) -> Any:
    """Unpack a stored value; one that nobody can read counts as empty, as it does for scripts."""
    try:
        found = msgpack.unpackb(original(packed))
    except (ValueError, msgpack.UnpackException):
        return {}
    return found if isinstance(found, (dict, list)) else {}


def _number(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0


def day(queue: str, day: date | float | None = None) -> Call[DayStats]:
    """Read a queue's statistics of a day in UTC: a date, any time of it, or by default today."""
    args = (arguments.name("queue", queue), "" if day is None else day_number(day))
    return Call("read/stats", args, mapping).map(_day_stats)


def day_number(day: date | float) -> int:
    """Return the number of a day, counted from 1970-01-01 in UTC."""
    if isinstance(day, date) and not isinstance(day, datetime):
        number = day.toordinal() - _EPOCH
        if number < 0:
            raise BadArgumentError(f"day {day} is before 1970")
        return number
    return arguments.instant("day", day) // (_DAY * 1000)


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


def series(
    queue: str, start: Any, end: Any, resolution: Resolution = "minute"
) -> Call[list[Sample]]:
    """Read a queue's counters from `start` to `end`, by `minute` or by `ten` minutes."""
    call = series_rows(
        arguments.name("queue", queue),
        arguments.instant("start", start),
        arguments.instant("end", end),
        arguments.choice("resolution", resolution, RESOLUTIONS),
    )
    return call.map(lambda rows: [_sample(_counted(dict(row))) for row in rows])


def series_rows(queue: str, start: int, end: int, resolution: str) -> Call[list[dict[str, Any]]]:
    """Read the records of a series as they are stored, for callers that read very many of them.

    Their `minute` or `ten` counts such intervals since 1970; values that are 0 or empty may be
    missing, and a histogram is a map, or a list whose first bucket is 1.
    """
    return Call("read/series", (queue, start, end, resolution), unpack)


def klass_series(
    klass: Any, start: Any, end: Any, resolution: Resolution = "minute"
) -> Call[list[Sample]]:
    """Read the counters of a klass from `start` to `end`, by `minute` or by `ten` minutes."""
    call = klass_series_rows(
        arguments.klass_name(klass),
        arguments.instant("start", start),
        arguments.instant("end", end),
        arguments.choice("resolution", resolution, RESOLUTIONS),
    )
    return call.map(lambda rows: [_sample(_counted(dict(row))) for row in rows])


def klass_series_rows(
    klass: str, start: int, end: int, resolution: str
) -> Call[list[dict[str, Any]]]:
    """Read the records of a klass as `series_rows` reads those of a queue."""
    return Call("read/klass_series", (klass, start, end, resolution), unpack)


def _counted(record: dict[str, Any]) -> dict[str, Any]:
    """Add to a stored record the time at which it begins, and its histograms as maps."""
    at = record["ten"] * 600_000 if "ten" in record else record["minute"] * 60_000
    histograms = {kind: numbered(record.get(f"{kind}_buckets")) for kind in ("wait", "run")}
    return {**record, "at": at, **histograms}


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
    """Return the sum of log-bucket histograms."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for bucket, number in histogram.items():
            total[bucket] = total.get(bucket, 0) + number
    return total


def percentile(histogram: Mapping[int, int], share: float) -> float:
    """Return the seconds below which a share (0 to 1) of a log-bucket histogram lies; 0 if empty.

    The result is the upper end of a bucket; four buckets are a factor of two.
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
