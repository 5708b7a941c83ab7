"""Charts of the metrics of queues and classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from qless_py.dashboard import preferences
from qless_py.dashboard.charts import Chart, Mark, Series
from qless_py.overview.series import Backlog, MetricRow, Range, SeriesCache, downsample
from qless_py.protocol.stats import percentile

_PERCENTILES: Final = (("p50", "done", 0.5), ("p95", "put", 0.95), ("p99", "warn", 0.99))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows at equal distances, and for how many seconds each of them counts."""

    instants: Sequence[float]
    rows: Sequence[MetricRow]
    seconds: Sequence[float]

    @classmethod
    def read(
        cls,
        series: SeriesCache,
        names: Sequence[str],
        span: Range,
        now: float,
        *,
        backlog: Backlog | None = None,
    ) -> Rows:
        """Read a range up to now, in no more rows than a chart can show."""
        instants, rows = series.rows(names, span, now, backlog)
        newest = now - instants[-1]
        if len(instants) > 1 and newest < span.step / 2:
            # Of a row that has just begun only the backlog is meaningful.
            newest = span.step
            latest = replace(rows[-2], depth=rows[-1].depth, head_age=rows[-1].head_age)
            instants, rows = instants[:-1], [*rows[:-2], latest]
        instants, rows, factor = downsample(instants, rows)
        seconds = [span.step * factor] * len(rows)
        # The newest row is incomplete, so its counts are divided by the time that has passed.
        seconds[-1] += newest - span.step
        return cls(instants, rows, seconds)

    def shifted_to(self, instants: Sequence[float], shift: float) -> Rows:
        """Return for each instant the row of `shift` seconds before it."""
        step = self.seconds[0]
        places = [int((at - shift - self.instants[0]) // step) for at in instants]
        last = len(self.rows) - 1
        kept = [place if 0 <= place <= last else -1 for place in places]
        return Rows(
            instants,
            [self.rows[place] if place >= 0 else MetricRow() for place in kept],
            [self.seconds[place] if place >= 0 else step for place in kept],
        )

    def values(self, field: str) -> list[float | None]:
        """Return a field of each row."""
        return [getattr(row, field) for row in self.rows]

    def per_second(self, field: str) -> list[float | None]:
        """Return a counter as a rate."""
        counts = (getattr(row, field) for row in self.rows)
        return [count / length for count, length in zip(counts, self.seconds, strict=True)]

    def failure_rates(self) -> list[float | None]:
        """Return the shares of jobs that failed of those that ended."""
        return [
            row.failed / (row.completed + row.failed) if row.completed + row.failed else None
            for row in self.rows
        ]

    def percentiles(self, kind: str, share: float) -> list[float | None]:
        """Return a percentile of the times that jobs waited or ran."""
        histograms = (getattr(row, kind) for row in self.rows)
        return [percentile(one, share) if one else None for one in histograms]


@dataclass(frozen=True, slots=True)
class Ghost:
    """Rows of an earlier time, to be drawn behind those of now."""

    label: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class Plot:
    """Charts of the same rows, with marks, and with a ghost if they are compared."""

    found: Rows
    marks: Sequence[Mark] = ()
    ghost: Ghost | None = None

    def of_queues(self) -> list[Chart]:
        """Return charts of throughput, wait, run time, depth and age of the oldest waiting job."""
        throughput, _, *times = self.of_jobs()
        return [throughput, *times, *self.of_backlog()]

    def of_jobs(self) -> list[Chart]:
        """Return charts of throughput, failure rate, wait and run time."""
        rates = [
            Series("put", "put", self.found.per_second("put")),
            Series("completed", "done", self.found.per_second("completed")),
            Series("failed", "failed", self.found.per_second("failed")),
            *self._ghost("", "done", lambda rows: rows.per_second("completed")),
        ]
        failures = [
            Series("failed", "failed", self.found.failure_rates()),
            *self._ghost("", "failed", Rows.failure_rates),
        ]
        return [
            self._chart("Jobs per second", rates),
            self._chart("Failure rate", failures, "share"),
            self._times("Wait time", "wait"),
            self._times("Run time", "run"),
        ]

    def of_backlog(self) -> list[Chart]:
        """Return charts of the jobs that wait and of the age of the oldest."""
        depth = [
            Series("depth", "put", self.found.values("depth")),
            *self._ghost("", "put", lambda rows: rows.values("depth")),
        ]
        age = [
            Series("age", "warn", self.found.values("head_age")),
            *self._ghost("", "warn", lambda rows: rows.values("head_age")),
        ]
        return [self._chart("Waiting", depth), self._chart("Oldest waiting", age, "duration")]

    def _times(self, title: str, kind: str) -> Chart:
        lines = [
            Series(name, colour, self.found.percentiles(kind, share))
            for name, colour, share in _PERCENTILES
        ]
        lines += self._ghost("p95", "put", lambda rows: rows.percentiles(kind, 0.95))
        return replace(self._chart(title, lines, "duration"), is_logarithmic=True)

    def _ghost(
        self, name: str, colour: str, values: Callable[[Rows], Sequence[float | None]]
    ) -> list[Series]:
        if self.ghost is None:
            return []
        label = f"{name} {self.ghost.label}".strip()
        return [Series(label, colour, values(self.ghost.rows), is_ghost=True)]

    def _chart(self, title: str, lines: Sequence[Series], unit: str = "number") -> Chart:
        zone = preferences.current().time_zone
        return Chart(title, self.found.instants, lines, unit, marks=self.marks, zone=zone)
