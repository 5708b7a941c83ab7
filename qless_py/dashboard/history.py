"""What the queues have done: the core's minute series of many queues, summed up and drawn.

Rows that are filed never change, so a process reads each of them once, and keeps their sums.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py.client import Client
from qless_py.dashboard import formats
from qless_py.dashboard.charts import Chart, Line
from qless_py.protocol import reads
from qless_py.stats import percentile

_MINUTE: Final = 60.0
_TEN: Final = 600.0


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time up to now: its word, its seconds, and the length of a row."""

    word: str
    seconds: float
    row: float

    @property
    def resolution(self) -> str:
        """The name of the series."""
        return "minute" if self.row == _MINUTE else "ten"

    @property
    def queues(self) -> int:
        """How many queues are summed up: all that there usually are over an hour, else fewer."""
        return int(_READ // (self.seconds / self.row + 1))


RANGES: Final = (
    Range("15m", 900, _MINUTE),
    Range("1h", 3600, _MINUTE),
    Range("4h", 4 * 3600, _MINUTE),
    Range("24h", 86400, _TEN),
    Range("7d", 7 * 86400, _TEN),
    Range("14d", 14 * 86400, _TEN),
)
# So many rows are read for a chart by who looks first: a hundred milliseconds.
_READ: Final = 12_500
_SLICE: Final = 500  # Rows that one call reads: a millisecond for the server.
_KEPT: Final = {"minute": 4 * 3600.0, "ten": 14 * 86400.0}
_ROWS: Final = 20_000  # So many sums are kept in all, of some kilobytes each.
_CHOICE: Final = 600.0
_POINTS: Final = 360  # More than that nobody sees in a chart.


def range_of(word: str | None) -> Range:
    """Find a range by its word, the first if there is none of that word."""
    return next((one for one in RANGES if one.word == word), RANGES[1])


@dataclass(slots=True)
class Row:
    """One row of several queues together."""

    put: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    depth: int = 0
    head_age: float = 0.0
    wait: dict[int, int] = field(default_factory=dict)
    run: dict[int, int] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a row of another queue as it was filed; `settle` must follow the last one."""
        get = record.get
        self.put += get("put", 0)
        self.completed += get("completed", 0)
        self.failed += get("failed", 0)
        self.retried += get("retried", 0)
        self.depth += get("depth", 0)
        self.head_age = max(self.head_age, get("head_age", 0) / 1000)
        for mine, given in ((self.wait, get("wait_buckets")), (self.run, get("run_buckets"))):
            if given:
                pairs = given.items() if isinstance(given, dict) else enumerate(given, 1)
                for bucket, number in pairs:
                    mine[bucket] = mine.get(bucket, 0) + number

    def settle(self) -> None:
        """Turn the names of buckets into numbers, once for all rows that were added."""
        self.wait, self.run = _numbered(self.wait), _numbered(self.run)

    def follow(self, later: Row) -> None:
        """Add the row that comes after this one; of depths the largest counts."""
        self.put += later.put
        self.completed += later.completed
        self.failed += later.failed
        self.retried += later.retried
        self.depth = max(self.depth, later.depth)
        self.head_age = max(self.head_age, later.head_age)
        self._add_times(later.wait, later.run)

    def _add_times(self, wait: dict[int, int], run: dict[int, int]) -> None:
        for mine, given in ((self.wait, wait), (self.run, run)):
            for bucket, number in given.items():
                mine[bucket] = mine.get(bucket, 0) + number


def _numbered(histogram: Mapping[Any, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for bucket, number in histogram.items():
        found[int(bucket)] = found.get(int(bucket), 0) + int(number)
    return found


@dataclass(slots=True)
class _Sum:
    """The rows of some queues together from `begins` on, read last at `ends`."""

    begins: float
    ends: float
    rows: dict[float, Row] = field(default_factory=dict)


class History:
    """Reads series and keeps the sums of what cannot change any more. Threads share it."""

    def __init__(self, client: Client, fresh: float = 0.5) -> None:
        self._client = client
        self._fresh = fresh  # Sums that are younger, in seconds, are not read again.
        self._lock = threading.Lock()
        # The last used one is the last; the others go first when there are too many rows.
        self._sums: dict[tuple[str, tuple[str, ...]], _Sum] = {}
        self._chosen: dict[str, tuple[float, tuple[str, ...]]] = {}

    def now(self) -> float:
        """Tell the time as the client does."""
        return self._client.settings.clock()

    @property
    def kept(self) -> int:
        """How many rows are kept."""
        return sum(len(one.rows) for one in self._sums.values())

    def rows(self, queues: Sequence[str], span: Range, now: float) -> tuple[list[float], list[Row]]:
        """Give the rows of the range, summed over the first of these queues, the last being now."""
        first = now // span.row * span.row - span.seconds
        instants = [first + index * span.row for index in range(int(span.seconds // span.row) + 1)]
        with self._lock:
            rows = self._summed(self._choose(queues, span), span, first, now).rows
            return instants, [rows.get(at) or Row() for at in instants]

    def _choose(self, queues: Sequence[str], span: Range) -> tuple[str, ...]:
        """Take the busiest, and stay with them for a while, for each choice is read anew."""
        most = span.queues
        if len(queues) <= most:
            return tuple(sorted(queues))
        since, chosen = self._chosen.get(span.word, (0.0, ()))
        if not chosen or time.monotonic() - since > _CHOICE or not set(queues).issuperset(chosen):
            chosen = tuple(sorted(queues[:most]))
            self._chosen[span.word] = (time.monotonic(), chosen)
        return chosen

    def _summed(self, names: tuple[str, ...], span: Range, first: float, now: float) -> _Sum:
        key = (span.resolution, names)
        found = self._sums.pop(key, None)
        if found is None or found.begins > first or found.ends > now:
            found = _Sum(first, first)
        self._sums[key] = found
        if now - found.ends > self._fresh:
            self._read(found, names, span, now)
        oldest = now - _KEPT[span.resolution] - 2 * span.row
        if found.begins < oldest:
            found.begins = oldest // span.row * span.row
            found.rows = {at: row for at, row in found.rows.items() if at >= found.begins}
        while self.kept > _ROWS and len(self._sums) > 1:
            del self._sums[next(iter(self._sums))]
        return found

    def _read(self, found: _Sum, names: Sequence[str], span: Range, now: float) -> None:
        # The newest two rows may still change.
        start = max(found.begins, found.ends // span.row * span.row - 2 * span.row)
        step = _SLICE * span.row
        # A row belongs to the call within whose stretch it begins.
        parts = [start + number * step for number in range(math.ceil((now - start) / step) or 1)]
        calls = [
            reads.series_rows(name, _ms(at), min(_ms(at + step) - 1, _ms(now)), span.resolution)
            for name in names
            for at in parts
        ]
        rows = {at: row for at, row in found.rows.items() if at < start}
        added: dict[float, Row] = {}
        for answer in self._client.run_many(calls):
            if isinstance(answer, Exception):
                raise answer
            for record in answer:
                at = record[span.resolution] * span.row
                added.setdefault(at, Row()).add(record)
        for row in added.values():
            row.settle()
        found.rows, found.ends = {**rows, **added}, now


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def coarser(
    instants: list[float], rows: list[Row], most: int = _POINTS
) -> tuple[list[float], list[Row], int]:
    """Sum neighbours up until there are few enough; gives how many became one."""
    factor = math.ceil(len(rows) / most)
    if factor <= 1:
        return instants, rows, 1
    skipped = len(rows) % factor
    made: list[Row] = []
    for index, row in enumerate(rows[skipped:]):
        if index % factor == 0:
            made.append(Row())
        made[-1].follow(row)
    return instants[skipped::factor], made, factor


def charts(history: History, queues: Sequence[str], span: Range, now: float) -> list[Chart]:
    """Draw what these queues did: throughput, wait, run, depth, head-of-line age."""
    instants, rows = history.rows(queues, span, now)
    if len(instants) > 1 and now - instants[-1] < span.row / 2:
        instants, rows = instants[:-1], rows[:-1]  # A row that has just begun says nothing yet.
    instants, rows, factor = coarser(instants, rows)
    seconds = span.row * factor
    return [
        Chart("Jobs a second", instants, [
            Line("put", "put", [row.put / seconds for row in rows]),
            Line("completed", "done", [row.completed / seconds for row in rows]),
            Line("failed", "failed", [row.failed / seconds for row in rows]),
        ]),
        _times("Wait", instants, [row.wait for row in rows]),
        _times("Run", instants, [row.run for row in rows]),
        Chart("Waiting", instants, [Line("depth", "put", [row.depth for row in rows])]),
        Chart("Head of line waits", instants,
              [Line("age", "warn", [row.head_age for row in rows])], formats.duration),
    ]  # fmt: skip


def _times(title: str, instants: Sequence[float], histograms: Sequence[dict[int, int]]) -> Chart:
    lines = [
        Line(word, colour, [percentile(one, share) if one else None for one in histograms])
        for word, colour, share in (
            ("p50", "done", 0.5), ("p95", "put", 0.95), ("p99", "warn", 0.99),
        )
    ]  # fmt: skip
    return Chart(title, instants, lines, formats.duration, is_logarithmic=True)


def busiest(counts: Iterable[tuple[str, int]]) -> list[str]:
    """Order queues by how much they have to do."""
    return [name for name, _ in sorted(counts, key=lambda pair: (-pair[1], pair[0]))]
