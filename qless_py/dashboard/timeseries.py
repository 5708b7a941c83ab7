"""What the queues have done: the core's minute series of many queues, summed up and drawn.

Rows that are filed never change, so a process reads each of them once, and keeps their sums. Over a
long range of many queues it reads some at each look, until it knows them all.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from qless_py.client.client import Client
from qless_py.client.session import answered
from qless_py.client.stats import percentile
from qless_py.dashboard import formats
from qless_py.dashboard.charts import Chart, Line
from qless_py.dashboard.metric_rows import Lines, Row, Stretch, fill
from qless_py.protocol import reads

_MINUTE: Final = 60.0
_TEN: Final = 600.0
_HOUR: Final = 3600.0


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
        """How many queues one look reads: all that there usually are over an hour, else fewer."""
        most = _READ if self.seconds <= _HOUR else _READ_BESIDE
        return int(most // (self.seconds / self.row + 1))


RANGES: Final = (
    Range("15m", 900, _MINUTE),
    Range("1h", 3600, _MINUTE),
    Range("4h", 4 * 3600, _MINUTE),
    Range("24h", 86400, _TEN),
    Range("7d", 7 * 86400, _TEN),
    Range("14d", 14 * 86400, _TEN),
)
# So many rows are read by who looks first, each of which takes some microseconds: of the last hour,
# and of a longer range beside that.
_READ: Final = 12_500
_READ_BESIDE: Final = 7_000
_SLICE: Final = 500  # Rows that one call reads: a millisecond for the server.
_KEPT: Final = {"minute": 4 * 3600.0, "ten": 14 * 86400.0}
_ROWS: Final = 20_000  # So many sums are kept in all, of some kilobytes each.
_POINTS: Final = 360  # More than that nobody sees in a chart.


def range_of(word: str | None) -> Range:
    """Find a range by its word, the first if there is none of that word."""
    return next((one for one in RANGES if one.word == word), RANGES[1])


@dataclass(slots=True)
class _Sum:
    """The rows of some queues together from `begins` on, read last at `ends`."""

    begins: float
    ends: float
    rows: dict[float, Row] = field(default_factory=dict)

    def join(self, other: _Sum) -> None:
        """Add other queues."""
        for at, row in other.rows.items():
            self.rows.setdefault(at, Row()).join(row)
        self.begins = max(self.begins, other.begins)
        self.ends = min(self.ends, other.ends)


class History:
    """Reads series and keeps the sums of what cannot change any more. Threads share it."""

    def __init__(self, client: Client, fresh: float = 0.5) -> None:
        self._client = client
        self._fresh = fresh  # Sums that are younger, in seconds, are not read again.
        self._lock = threading.Lock()
        # The last used one is the last; the others go first when there are too many rows.
        self._sums: dict[tuple[str, tuple[str, ...]], _Sum] = {}
        self._known: dict[str, tuple[str, ...]] = {}

    def now(self) -> float:
        """Tell the time as the client does."""
        return self._client.settings.clock()

    @property
    def kept(self) -> int:
        """How many rows are kept."""
        return sum(len(one.rows) for one in self._sums.values())

    def rows(
        self, queues: Sequence[str], span: Range, now: float, lines: Lines | None = None
    ) -> tuple[list[float], list[Row]]:
        """Give the rows of the range, the last being now, summed over these queues.

        If there are too many to be read at once, over the first of them, at each further look over
        some more; `known` tells how many. `lines` tell what waits in them at present: a queue in
        which nothing happens files no rows.
        """
        first = now // span.row * span.row - span.seconds
        instants = [first + index * span.row for index in range(int(span.seconds // span.row) + 1)]
        with self._lock:
            rows = self._grown(queues, span, first, now, lines or {}).rows
            return instants, [rows.get(at) or Row() for at in instants]

    def known(self, queues: Sequence[str], span: Range) -> int:
        """Tell over how many of these queues the rows of a range were summed last."""
        return min(len(queues), max(span.queues, len(self._known.get(span.word, ()))))

    def _grown(
        self, queues: Sequence[str], span: Range, first: float, now: float, lines: Lines
    ) -> _Sum:
        most = span.queues
        if len(queues) <= most:
            return self._summed(tuple(sorted(queues)), span, first, now, lines)
        names = self._known.get(span.word, ())
        kept = self._sums.get((span.word, names))
        stale = 0.0 if kept is None else (now - kept.ends) / span.row * len(names)
        is_of_use = kept is not None and stale <= _READ and set(queues).issuperset(names)
        if not is_of_use:
            names = tuple(sorted(queues[:most]))
        found = self._summed(names, span, first, now, lines)
        has = set(names)
        more = tuple([name for name in queues if name not in has][:most]) if is_of_use else ()
        if more:
            found.join(self._summed(more, span, first, now, lines))
            self._sums.pop((span.word, more), None)
            self._sums.pop((span.word, names), None)
            names = tuple(sorted((*names, *more)))
            self._sums[span.word, names] = found
        self._known[span.word] = names
        return found

    def _summed(
        self, names: tuple[str, ...], span: Range, first: float, now: float, lines: Lines
    ) -> _Sum:
        key = (span.word, names)
        found = self._sums.pop(key, None)
        if found is None or found.begins > first or found.ends > now:
            found = _Sum(first, first)
        self._sums[key] = found
        if now - found.ends > self._fresh:
            self._read(found, names, span, now, lines)
        oldest = now - _KEPT[span.resolution] - 2 * span.row
        if found.begins < oldest:
            found.begins = oldest // span.row * span.row
            found.rows = {at: row for at, row in found.rows.items() if at >= found.begins}
        while self.kept > _ROWS and len(self._sums) > 1:
            del self._sums[next(iter(self._sums))]
        return found

    def _read(
        self, found: _Sum, names: Sequence[str], span: Range, now: float, lines: Lines
    ) -> None:
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
        filed: dict[str, dict[float, Mapping[str, Any]]] = {name: {} for name in names}
        answers = answered(self._client.run_many(calls))
        number, length = span.resolution, span.row
        for index, answer in enumerate(answers):
            for record in answer:
                at = record[number] * length
                added.setdefault(at, Row()).add(record)
                filed[names[index // len(parts)]][at] = record
        for name in names:
            if name in lines:
                fill(added, filed[name], Stretch(start, span.row, now), lines[name])
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


def charts(
    history: History, queues: Sequence[str], span: Range, now: float, lines: Lines
) -> list[Chart]:
    """Draw what these queues did: throughput, wait, run, depth, head-of-line age."""
    instants, rows = history.rows(queues, span, now, lines)
    newest = now - instants[-1]
    if len(instants) > 1 and newest < span.row / 2:
        # A row that has just begun says nothing yet but for what waits.
        newest = span.row
        latest = replace(rows[-2], depth=rows[-1].depth, head_age=rows[-1].head_age)
        instants, rows = instants[:-1], [*rows[:-2], latest]
    instants, rows, factor = coarser(instants, rows)
    seconds = [span.row * factor] * len(rows)
    # The newest is not over yet: what came in a part of a minute is no less for each second.
    seconds[-1] += newest - span.row
    return [
        Chart("Jobs a second", instants, [
            Line("put", "put", _each([row.put for row in rows], seconds)),
            Line("completed", "done", _each([row.completed for row in rows], seconds)),
            Line("failed", "failed", _each([row.failed for row in rows], seconds)),
        ]),
        _times("Wait", instants, [row.wait for row in rows]),
        _times("Run", instants, [row.run for row in rows]),
        Chart("Waiting", instants, [Line("depth", "put", [row.depth for row in rows])]),
        Chart("Head of line waits", instants,
              [Line("age", "warn", [row.head_age for row in rows])], formats.duration),
    ]  # fmt: skip


def _each(counts: Sequence[int], seconds: Sequence[float]) -> list[float]:
    return [count / length for count, length in zip(counts, seconds, strict=True)]


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
