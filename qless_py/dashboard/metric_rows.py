"""What queues did and had in one minute, or in ten, and what they had while they did nothing."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What waits in a queue: how many jobs, and for how many seconds the first of them.
Lines = Mapping[str, tuple[int, float]]


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
        self.depth = max(self.depth, later.depth)
        self._take(later)

    def join(self, beside: Row) -> None:
        """Add the same row of other queues."""
        self.depth += beside.depth
        self._take(beside)

    def _take(self, other: Row) -> None:
        self.put += other.put
        self.completed += other.completed
        self.failed += other.failed
        self.retried += other.retried
        self.head_age = max(self.head_age, other.head_age)
        for mine, given in ((self.wait, other.wait), (self.run, other.run)):
            for bucket, number in given.items():
                mine[bucket] = mine.get(bucket, 0) + number


def _numbered(histogram: Mapping[Any, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for bucket, number in histogram.items():
        found[int(bucket)] = found.get(int(bucket), 0) + int(number)
    return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows from an instant up to now."""

    start: float
    row: float
    now: float


def fill(
    rows: dict[float, Row],
    filed: Mapping[float, Mapping[str, Any]],
    stretch: Stretch,
    line: tuple[int, float],
) -> None:
    """Say of one queue what waited in it while nothing happened: just what waits after that.

    Without this, the charts of a queue that is stuck would fall to zero.
    """
    depth, age = line
    at = stretch.now
    instant = at // stretch.row * stretch.row
    newest = filed.get(instant, {})
    row = rows.setdefault(instant, Row())
    row.depth += depth - newest.get("depth", 0)
    row.head_age = max(row.head_age, age)
    if newest:
        depth, age, at = newest.get("depth", 0), newest.get("head_age", 0) / 1000, instant
    known = sorted(filed)
    while (instant := instant - stretch.row) >= stretch.start:
        if instant in filed:
            record = filed[instant]
            depth, age, at = record.get("depth", 0), record.get("head_age", 0) / 1000, instant
        elif depth and age > at - instant:
            before = bisect.bisect(known, instant)
            if before:
                # A row is filed after its first change, which may have been a large put.
                last = filed[known[before - 1]]
                depth = min(depth, last.get("depth", 0) + last.get("put", 0))
            row = rows.setdefault(instant, Row())
            row.depth += depth
            row.head_age = max(row.head_age, age - (at - instant))
