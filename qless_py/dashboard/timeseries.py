"""Charts of the metrics of queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qless_py.client import humanize
from qless_py.dashboard.charts import Chart, Series
from qless_py.overview.series import Backlog, Range, SeriesCache, downsample
from qless_py.protocol.stats import percentile


def queue_charts(
    series: SeriesCache, queues: Sequence[str], span: Range, now: float, backlog: Backlog
) -> list[Chart]:
    """Return charts of throughput, wait, run time, depth and age of the oldest waiting job."""
    instants, rows = series.rows(queues, span, now, backlog)
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
    return [
        Chart("Jobs per second", instants, [
            Series("put", "put", _per_second([row.put for row in rows], seconds)),
            Series("completed", "done", _per_second([row.completed for row in rows], seconds)),
            Series("failed", "failed", _per_second([row.failed for row in rows], seconds)),
        ]),
        _percentiles("Wait time", instants, [row.wait for row in rows]),
        _percentiles("Run time", instants, [row.run for row in rows]),
        Chart("Waiting", instants, [Series("depth", "put", [row.depth for row in rows])]),
        Chart("Oldest waiting", instants,
              [Series("age", "warn", [row.head_age for row in rows])], humanize.duration),
    ]  # fmt: skip


def _per_second(counts: Sequence[int], seconds: Sequence[float]) -> list[float]:
    return [count / length for count, length in zip(counts, seconds, strict=True)]


def _percentiles(
    title: str, instants: Sequence[float], histograms: Sequence[dict[int, int]]
) -> Chart:
    series = [
        Series(label, colour, [percentile(one, share) if one else None for one in histograms])
        for label, colour, share in (
            ("p50", "done", 0.5), ("p95", "put", 0.95), ("p99", "warn", 0.99),
        )
    ]  # fmt: skip
    return Chart(title, instants, series, humanize.duration, is_logarithmic=True)
