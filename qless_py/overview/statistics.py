"""Throughput, failure rate and percentiles of queues and classes over a span of time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.client.session import answered
from qless_py.errors import BadArgumentError
from qless_py.overview.series import ROWS_PER_CALL, MetricRow, ReadRows
from qless_py.protocol import Call, arguments
from qless_py.protocol.stats import percentile

Kind = Literal["queue", "klass"]
READERS: Final[Mapping[Kind, ReadRows]] = MappingProxyType(
    {"queue": protocol.stats.series_rows, "klass": protocol.stats.klass_series_rows}
)
SHARES: Final = (50, 95, 99)
_MINUTE: Final = 60.0
_TEN: Final = 600.0
_HOUR: Final = 3600.0
# For how long rows of minutes are used; the store keeps those of classes for four hours.
_MINUTES_KEPT: Final = 4 * _HOUR
LONGEST: Final = 14 * 86400.0
"""How long statistics are kept, in seconds."""
_ROWS_PER_PAGE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the jobs of a queue or class did in `seconds`, and `points` of that in equal parts."""

    name: str
    row: MetricRow
    seconds: float
    points: tuple[float, ...] = ()

    @property
    def ended(self) -> int:
        """Return how many jobs completed or failed."""
        return self.row.completed + self.row.failed

    @property
    def failure_rate(self) -> float | None:
        """Return the share of ended jobs that failed, None if none ended."""
        return self.row.failed / self.ended if self.ended else None

    def per_second(self, name: str) -> float:
        """Return a counter divided by the time."""
        return float(getattr(self.row, name)) / self.seconds

    def percentile(self, kind: str, share: int) -> float | None:
        """Return the seconds that `share` percent of the jobs waited or ran at most."""
        histogram = getattr(self.row, kind)
        return percentile(histogram, share / 100) if histogram else None

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as JSON; rates are per second, times in seconds."""
        return {
            "name": self.name,
            **{one: getattr(self.row, one) for one in ("put", "completed", "failed", "retried")},
            **{f"{one}_rate": self.per_second(one) for one in ("put", "completed", "failed")},
            "failure_rate": self.failure_rate,
            **{
                kind: {f"p{share}": self.percentile(kind, share) for share in SHARES}
                for kind in ("wait", "run")
            },
        }


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time from `start` to `end`, in Unix seconds, read in rows of `step` seconds."""

    start: float
    end: float
    step: float

    @classmethod
    def of(cls, start: Any, end: Any, now: float) -> Span:
        """Return a span that the store has kept; minutes are read where they are fine enough."""
        first, last = (
            arguments.instant(what, value) / 1000
            for what, value in (("start", start), ("end", min(end, now)))
        )
        if last <= first:
            raise BadArgumentError("the end of the time span is not after its start")
        if last - first > LONGEST:
            raise BadArgumentError("statistics are kept for 14 days; choose a shorter time span")
        is_recent = now - first <= _MINUTES_KEPT + _MINUTE
        step = _MINUTE if is_recent else _TEN
        return cls(first // step * step, last, step)

    @property
    def rows(self) -> int:
        """Return how many rows the span has at most."""
        return math.ceil((self.end - self.start) / self.step)

    @property
    def resolution(self) -> str:
        """Return which of the stored series is read."""
        return "minute" if self.step == _MINUTE else "ten"

    def calls(self, read: ReadRows, name: str) -> Iterator[Call[list[dict[str, Any]]]]:
        """Yield the calls that read all rows, each some of them."""
        length = ROWS_PER_CALL * self.step
        at = self.start
        while at < self.end:
            last = min(round(1000 * (at + length)) - 1, round(1000 * self.end))
            yield read(name, round(1000 * at), last, self.resolution)
            at += length


def read(client: Client, kind: Kind, names: Sequence[str], span: Span) -> list[Statistics]:
    """Read the statistics of queues or classes in one round trip."""
    calls = [(name, call) for name in names for call in span.calls(READERS[kind], name)]
    rows = {name: MetricRow() for name in names}
    answers = answered(client.run_many([call for _, call in calls]))
    for (name, _), records in zip(calls, answers, strict=True):
        for record in records:
            rows[name].add_record(record)
    for row in rows.values():
        row.normalize()
    return [Statistics(name, rows[name], span.end - span.start) for name in names]


def names_per_page(span: Span, limit: int) -> int:
    """Return how many names one request may read."""
    return max(1, min(limit, _ROWS_PER_PAGE // span.rows))


def klass_names(client: Client) -> list[str]:
    """Return the classes that have statistics, those with most jobs first, `_other` last."""
    found = client.stats.klasses()
    rest = protocol.stats.OTHER_KLASSES
    return sorted(found, key=lambda one: (one == rest, -found[one].counts["started"], one))
