"""The statistics of all queues or classes over a range, for a table that compares them.

A range is divided into a few dozen slots. Slots that are over are read once and kept, so a request
reads only what is new, and of what was never read as much as it may.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py.client.client import Client
from qless_py.client.session import answered
from qless_py.overview.series import MetricRow, Range
from qless_py.overview.statistics import READERS, Kind, Span, Statistics
from qless_py.protocol import Call

_SLOTS: Final = 30  # At most about so many.
_MOST_ROWS: Final = 7_000  # Rows that one request reads, some microseconds each.
_MOST_RANGES: Final = 3  # Ranges that are kept.
_FRESH: Final = 100  # A range is read again when this part of a slot is over.


@dataclass(slots=True)
class _Known:
    """What is known of one name: rows summed by slot, complete up to `ends`."""

    ends: float = 0.0
    slots: dict[int, MetricRow] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The slots of a range that ends now."""

    span: Range
    now: float

    @property
    def length(self) -> float:
        """Return the seconds of a slot, a multiple of the rows that are stored."""
        rows = self.span.seconds / self.span.step
        return math.ceil(rows / _SLOTS) * self.span.step

    @property
    def first(self) -> int:
        """Return the number of the first slot."""
        return math.floor((self.now - self.span.seconds) / self.length)

    @property
    def last(self) -> int:
        """Return the number of the slot that is not over."""
        return math.floor(self.now / self.length)

    def missing(self, known: _Known) -> Span:
        """Return what must be read: whole slots, since the newest two rows may change."""
        first = max(self.first, math.floor((known.ends - 2 * self.span.step) / self.length))
        return Span(max(first, self.first) * self.length, self.now, self.span.step)


class Comparison:
    """Compares queues or classes over one of the ranges. Thread-safe."""

    def __init__(self, client: Client, kind: Kind) -> None:
        self._client, self._read = client, READERS[kind]
        self._lock = threading.Lock()
        # In order of use: the range used least recently is dropped first.
        self._ranges: dict[str, dict[str, _Known]] = {}

    def read(self, names: Sequence[str], span: Range, now: float) -> list[Statistics]:
        """Return the statistics of the names that were read so far, in their order.

        Each call reads some more of them, first those that come first, until all are known.
        """
        grid = _Grid(span, now)
        with self._lock:
            known = self._ranges.pop(span.name, {})
            self._ranges[span.name] = known = {name: known.get(name) or _Known() for name in names}
            while len(self._ranges) > _MOST_RANGES:
                del self._ranges[next(iter(self._ranges))]
            self._refresh(known, grid)
            return [_summed(name, one, grid) for name, one in known.items() if one.ends]

    def _refresh(self, known: dict[str, _Known], grid: _Grid) -> None:
        due = sorted(
            (one.ends, index, name)
            for index, (name, one) in enumerate(known.items())
            if not 0 <= grid.now - one.ends <= grid.length / _FRESH
        )
        calls: list[tuple[str, Call[list[dict[str, Any]]]]] = []
        chosen = list(self._affordable(known, grid, [name for _, _, name in due]))
        for name in chosen:
            calls += [(name, call) for call in grid.missing(known[name]).calls(self._read, name)]
            first = math.floor(grid.missing(known[name]).start / grid.length)
            known[name].slots = {
                slot: row for slot, row in known[name].slots.items() if grid.first <= slot < first
            }
        answers = answered(self._client.run_many([call for _, call in calls]))
        unit = grid.span.resolution
        changed: dict[tuple[str, int], MetricRow] = {}
        for (name, _), records in zip(calls, answers, strict=True):
            for record in records:
                slot = math.floor(record[unit] * grid.span.step / grid.length)
                row = changed.setdefault((name, slot), MetricRow())
                row.add_record(record)
        for (name, slot), row in changed.items():
            row.normalize()
            known[name].slots[slot] = row
        for name in chosen:
            known[name].ends = grid.now

    def _affordable(
        self, known: dict[str, _Known], grid: _Grid, names: Sequence[str]
    ) -> Iterator[str]:
        left = _MOST_ROWS
        for name in names:
            left -= grid.missing(known[name]).rows
            yield name
            if left <= 0:
                return


def _summed(name: str, known: _Known, grid: _Grid) -> Statistics:
    total = MetricRow()
    slots = range(grid.first, grid.last + 1)
    for slot in slots:
        if slot in known.slots:
            total.append(known.slots[slot])
    ended = [
        (row.completed + row.failed if (row := known.slots.get(slot)) else 0) / grid.length
        for slot in slots
    ]
    # The last slot counts for the time that has passed, unless it has just begun.
    passed = grid.now - grid.last * grid.length
    if passed < grid.length / 2:
        ended.pop()
    else:
        ended[-1] *= grid.length / passed
    return Statistics(name, total, grid.now - grid.first * grid.length, tuple(ended))
