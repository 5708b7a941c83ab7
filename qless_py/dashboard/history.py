"""What the queues have done: the core's minute series of many queues, summed up and drawn.

Rows that are filed never change, so a process reads each of them once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from qless_py.client import Client
from qless_py.dashboard import formats
from qless_py.dashboard.charts import Chart, Line
from qless_py.stats import Sample, merged, percentile, series_call

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


RANGES: Final = (
    Range("15m", 900, _MINUTE),
    Range("1h", 3600, _MINUTE),
    Range("4h", 4 * 3600, _MINUTE),
    Range("24h", 86400, _TEN),
    Range("7d", 7 * 86400, _TEN),
    Range("14d", 14 * 86400, _TEN),
)
# So many queues are summed up: all of them over hours, the busiest over days.
_MOST: Final = {_MINUTE: 200, _TEN: 20}


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
    wait: list[dict[int, int]] = field(default_factory=list)
    run: list[dict[int, int]] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        """Add the row of another queue."""
        self.put += sample["put"]
        self.completed += sample["completed"]
        self.failed += sample["failed"]
        self.retried += sample["retried"]
        self.depth += sample["depth"]
        self.head_age = max(self.head_age, sample["head_age"])
        self.wait.append(sample["wait"])
        self.run.append(sample["run"])


class History:
    """Reads series and keeps what cannot change any more. Threads share it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._filed: dict[tuple[str, str], dict[float, Sample]] = {}

    def now(self) -> float:
        """Tell the time as the client does."""
        return self._client.settings.clock()

    def samples(self, queues: Sequence[str], span: Range, now: float) -> list[dict[float, Sample]]:
        """Give for each queue its rows of the range, by the instant at which each begins."""
        first = (now - span.seconds) // span.row * span.row
        with self._lock:
            known = [self._filed.setdefault((queue, span.resolution), {}) for queue in queues]
            calls = [
                series_call(queue, self._missing(rows, first, span), now, span.resolution)
                for queue, rows in zip(queues, known, strict=True)
            ]
            answers = self._client.run_many(calls)
            for rows, answer in zip(known, answers, strict=True):
                if isinstance(answer, Exception):
                    raise answer
                rows.update({sample["at"]: sample for sample in answer})
                for old in [at for at in rows if at < first - span.seconds]:
                    del rows[old]
            return [dict(rows) for rows in known]

    @staticmethod
    def _missing(rows: dict[float, Sample], first: float, span: Range) -> float:
        """Give the instant from which on rows must be read: the newest two may still change."""
        if not rows or min(rows) > first + span.row:
            return first
        return max(first, max(rows) - 2 * span.row)


def rows_of(
    samples: Iterable[dict[float, Sample]], span: Range, now: float
) -> tuple[list[float], list[Row]]:
    """Sum the samples of several queues up, with a row for each step of the range."""
    first = (now - span.seconds) // span.row * span.row
    count = int((now - first) // span.row) + 1
    instants = [first + index * span.row for index in range(count)]
    rows = {at: Row() for at in instants}
    for sample_rows in samples:
        for at, sample in sample_rows.items():
            if at in rows:
                rows[at].add(sample)
    return instants, [rows[at] for at in instants]


def charts(history: History, queues: Sequence[str], span: Range) -> list[Chart]:
    """Draw what these queues did: throughput, wait, run, depth, head-of-line age."""
    now = history.now()
    instants, rows = rows_of(history.samples(queues[: _MOST[span.row]], span, now), span, now)
    if len(instants) > 1 and now - instants[-1] < span.row / 2:
        instants, rows = instants[:-1], rows[:-1]  # A row that has just begun says nothing yet.
    return [
        Chart("Jobs a second", instants, [
            Line("put", "put", [row.put / span.row for row in rows]),
            Line("completed", "done", [row.completed / span.row for row in rows]),
            Line("failed", "failed", [row.failed / span.row for row in rows]),
        ]),
        _times("Wait", instants, [merged(row.wait) for row in rows]),
        _times("Run", instants, [merged(row.run) for row in rows]),
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
