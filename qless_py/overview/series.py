"""Metrics of queues over time: the store's minute and ten-minute series, summed.

Rows of the past never change, so each process reads them once and caches their sums. A long range
of many queues is read in parts, some more with every request.
"""

from __future__ import annotations

import bisect
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.client.session import answered
from qless_py.protocol import Call

_MINUTE: Final = 60.0
_TEN: Final = 600.0
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Range:
    """A period up to now of `seconds`, in rows of `step` seconds."""

    name: str
    seconds: float
    step: float

    @property
    def resolution(self) -> str:
        """Which of the stored series has rows of this length."""
        return "minute" if self.step == _MINUTE else "ten"

    @property
    def queue_limit(self) -> int:
        """How many queues one request reads."""
        limit = _MAX_READ_HOUR if self.seconds <= _HOUR else _MAX_READ
        return int(limit // (self.seconds / self.step + 1))


RANGES: Final = (
    Range("15m", 900, _MINUTE),
    Range("1h", 3600, _MINUTE),
    Range("4h", 4 * 3600, _MINUTE),
    Range("24h", 86400, _TEN),
    Range("7d", 7 * 86400, _TEN),
    Range("14d", 14 * 86400, _TEN),
)
DEFAULT_RANGE: Final = RANGES[1]
# Rows that one request reads, some microseconds each: of the last hour, and of a longer range.
_MAX_READ_HOUR: Final = 12_500
_MAX_READ: Final = 7_000
ROWS_PER_CALL: Final = 500  # One millisecond of the server's time.
_RETENTION: Final = {"minute": 4 * 3600.0, "ten": 14 * 86400.0}
_MAX_CACHED: Final = 20_000  # Summed rows of some kilobytes each.
_MAX_POINTS: Final = 180  # A chart shows no finer detail.

ReadRows = Callable[[str, int, int, str], Call[list[dict[str, Any]]]]
"""Returns the call that reads rows of one queue or class."""

# For each queue the number of waiting jobs and the age of the oldest in seconds.
Backlog = Mapping[str, tuple[int, float]]


def find_range(name: str | None) -> Range:
    """Return the range of that name, or the default range."""
    return next((one for one in RANGES if one.name == name), DEFAULT_RANGE)


@dataclass(slots=True)
class MetricRow:
    """One row of the series, summed over queues. `wait` and `run` count jobs per bucket."""

    put: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    depth: int = 0
    head_age: float = 0.0
    wait: dict[int, int] = field(default_factory=dict)
    run: dict[int, int] = field(default_factory=dict)

    def add_record(self, record: Mapping[str, Any]) -> None:
        """Add a stored row of another queue; call `normalize` after the last one."""
        get = record.get
        self.put += get("put", 0)
        self.completed += get("completed", 0)
        self.failed += get("failed", 0)
        self.retried += get("retried", 0)
        self.depth += get("depth", 0)
        self.head_age = max(self.head_age, get("head_age", 0) / 1000)
        for total, buckets in ((self.wait, get("wait_buckets")), (self.run, get("run_buckets"))):
            if buckets:
                # cmsgpack packs a table of consecutive buckets from 1 on as a list.
                pairs = buckets.items() if isinstance(buckets, dict) else enumerate(buckets, 1)
                for bucket, number in pairs:
                    total[bucket] = total.get(bucket, 0) + number

    def normalize(self) -> None:
        """Convert bucket names to numbers, once for all records added."""
        self.wait, self.run = _numeric_buckets(self.wait), _numeric_buckets(self.run)

    def append(self, later: MetricRow) -> None:
        """Add the following row. The depth becomes the larger of both."""
        self.depth = max(self.depth, later.depth)
        self._add(later)

    def merge(self, other: MetricRow) -> None:
        """Add the row of the same time of other queues."""
        self.depth += other.depth
        self._add(other)

    def _add(self, other: MetricRow) -> None:
        self.put += other.put
        self.completed += other.completed
        self.failed += other.failed
        self.retried += other.retried
        self.head_age = max(self.head_age, other.head_age)
        for total, buckets in ((self.wait, other.wait), (self.run, other.run)):
            for bucket, number in buckets.items():
                total[bucket] = total.get(bucket, 0) + number


def _numeric_buckets(histogram: Mapping[Any, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for bucket, number in histogram.items():
        found[int(bucket)] = found.get(int(bucket), 0) + int(number)
    return found


@dataclass(frozen=True, slots=True)
class _Window:
    """Rows of `step` seconds from `start` to `now`."""

    start: float
    step: float
    now: float


def _fill_gaps(
    rows: dict[float, MetricRow],
    records: Mapping[float, Mapping[str, Any]],
    window: _Window,
    backlog: tuple[int, float],
) -> None:
    """Add the depth and age of one queue for times without a stored row.

    The store writes a row only when something happens, so what waited before is taken from what
    waits after it. Otherwise the charts of a stuck queue would drop to zero.
    """
    depth, age = backlog
    at = window.now
    instant = at // window.step * window.step
    newest = records.get(instant, {})
    row = rows.setdefault(instant, MetricRow())
    row.depth += depth - newest.get("depth", 0)
    row.head_age = max(row.head_age, age)
    if newest:
        depth, age, at = newest.get("depth", 0), newest.get("head_age", 0) / 1000, instant
    stored = sorted(records)
    while (instant := instant - window.step) >= window.start:
        if instant in records:
            record = records[instant]
            depth, age, at = record.get("depth", 0), record.get("head_age", 0) / 1000, instant
        elif depth and age > at - instant:
            before = bisect.bisect(stored, instant)
            if before:
                # A row is written after its first change, which may have been a large put.
                last = records[stored[before - 1]]
                depth = min(depth, last.get("depth", 0) + last.get("put", 0))
            row = rows.setdefault(instant, MetricRow())
            row.depth += depth
            row.head_age = max(row.head_age, age - (at - instant))


@dataclass(slots=True)
class _CachedRows:
    """Rows summed over some queues from `begins` on, last read at `ends`."""

    begins: float
    ends: float
    rows: dict[float, MetricRow] = field(default_factory=dict)

    def merge(self, other: _CachedRows) -> None:
        for at, row in other.rows.items():
            self.rows.setdefault(at, MetricRow()).merge(row)
        self.begins = max(self.begins, other.begins)
        self.ends = min(self.ends, other.ends)


class SeriesCache:
    """Reads series and caches the sums of rows that cannot change any more. Thread-safe.

    `read` says of what: of queues, or with `protocol.stats.klass_series_rows` of classes.
    """

    def __init__(
        self,
        client: Client,
        fresh: float = 0.5,
        read: ReadRows = protocol.stats.series_rows,
    ) -> None:
        self._client = client
        self._read_rows = read
        self._fresh = fresh  # Seconds for which cached rows are not read again.
        self._lock = threading.Lock()
        # In order of use: the least recently used entries are evicted first.
        self._cache: dict[tuple[str, tuple[str, ...]], _CachedRows] = {}
        self._included: dict[str, tuple[str, ...]] = {}

    def now(self) -> float:
        """Return the time in seconds by the client's clock."""
        return self._client.settings.clock()

    @property
    def row_count(self) -> int:
        """How many rows are cached."""
        return sum(len(one.rows) for one in self._cache.values())

    def rows(
        self, queues: Sequence[str], span: Range, now: float, backlog: Backlog | None = None
    ) -> tuple[list[float], list[MetricRow]]:
        """Return the start times of the rows of a range up to now, and the rows summed over queues.

        If there are too many queues to read at once, the sums begin with the first of them and
        include some more with every call; `included` returns how many. `backlog` fills the gaps of
        queues in which nothing happens.
        """
        first = now // span.step * span.step - span.seconds
        instants = [
            first + index * span.step for index in range(int(span.seconds // span.step) + 1)
        ]
        with self._lock:
            rows = self._extend(queues, span, first, now, backlog or {}).rows
            return instants, [rows.get(at) or MetricRow() for at in instants]

    def included(self, queues: Sequence[str], span: Range) -> int:
        """Return how many of these queues the last rows of a range were summed over."""
        return min(len(queues), max(span.queue_limit, len(self._included.get(span.name, ()))))

    def _extend(
        self, queues: Sequence[str], span: Range, first: float, now: float, backlog: Backlog
    ) -> _CachedRows:
        limit = span.queue_limit
        if len(queues) <= limit:
            return self._load(tuple(sorted(queues)), span, first, now, backlog)
        names = self._included.get(span.name, ())
        cached = self._cache.get((span.name, names))
        stale = 0.0 if cached is None else (now - cached.ends) / span.step * len(names)
        is_usable = cached is not None and stale <= _MAX_READ_HOUR and set(queues).issuperset(names)
        if not is_usable:
            names = tuple(sorted(queues[:limit]))
        found = self._load(names, span, first, now, backlog)
        present = set(names)
        more = tuple([name for name in queues if name not in present][:limit]) if is_usable else ()
        if more:
            found.merge(self._load(more, span, first, now, backlog))
            self._cache.pop((span.name, more), None)
            self._cache.pop((span.name, names), None)
            names = tuple(sorted((*names, *more)))
            self._cache[span.name, names] = found
        self._included[span.name] = names
        return found

    def _load(
        self, names: tuple[str, ...], span: Range, first: float, now: float, backlog: Backlog
    ) -> _CachedRows:
        key = (span.name, names)
        found = self._cache.pop(key, None)
        if found is None or found.begins > first or found.ends > now:
            found = _CachedRows(first, first)
        self._cache[key] = found
        if now - found.ends > self._fresh:
            self._read(found, names, span, now, backlog)
        oldest = now - _RETENTION[span.resolution] - 2 * span.step
        if found.begins < oldest:
            found.begins = oldest // span.step * span.step
            found.rows = {at: row for at, row in found.rows.items() if at >= found.begins}
        while self.row_count > _MAX_CACHED and len(self._cache) > 1:
            del self._cache[next(iter(self._cache))]
        return found

    def _read(
        self, found: _CachedRows, names: Sequence[str], span: Range, now: float, backlog: Backlog
    ) -> None:
        # The two newest rows may still change.
        start = max(found.begins, found.ends // span.step * span.step - 2 * span.step)
        step = ROWS_PER_CALL * span.step
        # Each call returns the rows that begin within its part of the range.
        parts = [start + number * step for number in range(math.ceil((now - start) / step) or 1)]
        calls = [
            self._read_rows(name, _ms(at), min(_ms(at + step) - 1, _ms(now)), span.resolution)
            for name in names
            for at in parts
        ]
        rows = {at: row for at, row in found.rows.items() if at < start}
        added: dict[float, MetricRow] = {}
        records: dict[str, dict[float, Mapping[str, Any]]] = {name: {} for name in names}
        answers = answered(self._client.run_many(calls))
        number, length = span.resolution, span.step
        for index, answer in enumerate(answers):
            for record in answer:
                at = record[number] * length
                added.setdefault(at, MetricRow()).add_record(record)
                records[names[index // len(parts)]][at] = record
        for name in names:
            if name in backlog:
                _fill_gaps(added, records[name], _Window(start, span.step, now), backlog[name])
        for row in added.values():
            row.normalize()
        found.rows, found.ends = {**rows, **added}, now


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def downsample(
    instants: list[float], rows: list[MetricRow], limit: int = _MAX_POINTS
) -> tuple[list[float], list[MetricRow], int]:
    """Sum neighbouring rows until at most `limit` are left; also return how many became one."""
    factor = math.ceil(len(rows) / limit)
    if factor <= 1:
        return instants, rows, 1
    skipped = len(rows) % factor
    made: list[MetricRow] = []
    for index, row in enumerate(rows[skipped:]):
        if index % factor == 0:
            made.append(MetricRow())
        made[-1].append(row)
    return instants[skipped::factor], made, factor


def busiest(counts: Iterable[tuple[str, int]]) -> list[str]:
    """Return the names of queues, the largest count first."""
    return [name for name, _ in sorted(counts, key=lambda pair: (-pair[1], pair[0]))]
