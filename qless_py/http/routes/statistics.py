"""Statistics of queues and klasses over a span of time."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from qless_py.errors import BadArgumentError
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Instant, Line, Seconds
from qless_py.http.listing import PageQuery, next_offset, offset_of, page
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes
from qless_py.http.routes.queues import SeriesAnswer, SeriesQuery
from qless_py.overview import statistics

routes = Routes("statistics", "Compare queues and klasses: throughput, failures, waits and runs.")

_MINUTES: Final = 4 * 3600.0


class StatisticsQuery(PageQuery):
    """Of what, and of which time: `last` seconds, or from `start` to `end`."""

    by: Literal["queue", "klass"] = "queue"
    name: list[Line] = Field(default=[], max_length=100, description="By default all of them.")
    last: Seconds = Field(3600.0, gt=0, le=statistics.LONGEST)
    start: Instant | None = None
    end: Instant | None = Field(None, description="By default now.")


class StatisticsAnswer(Answer):
    """The counts of each queue or klass, their rates per second, and percentiles in seconds."""

    start: float
    end: float
    by: str
    statistics: list[dict[str, Any]]
    cursor: str | None


class KlassSeriesQuery(SeriesQuery):
    """A klass and a span of time."""

    klass: Line


@routes.get("/statistics", scope="read", returns=StatisticsAnswer, problems=("bad-cursor",))
def list_statistics(query: StatisticsQuery) -> Reply:
    """Read throughput, failure rate, and percentiles of the times that jobs waited and ran.

    A page may be shorter than its limit if the span is long: follow its cursor.
    """
    names = query.name or _names(query.by)
    if query.by == "klass":
        caller().require_all_queues("statistics of klasses")
    else:
        names = [name for name in names if caller().may_use(name)]
    span = _span(query)
    offset = offset_of(query)
    shown = names[offset : offset + statistics.names_per_page(span, query.limit)]
    found = [one.as_json() for one in statistics.read(client(), query.by, shown, span)]
    cursor = next_offset(offset, len(shown), len(names))
    return page("statistics", found, cursor, start=span.start, end=span.end, by=query.by)


def _names(by: statistics.Kind) -> list[str]:
    if by == "klass":
        return statistics.klass_names(client())
    return [str(row["name"]) for row in client().queues.counts]


def _span(query: StatisticsQuery) -> statistics.Span:
    now = client().settings.clock()
    end = now if query.end is None else query.end
    start = end - query.last if query.start is None else query.start
    try:
        return statistics.Span.of(max(start, 0), end, now)
    except BadArgumentError as error:
        raise Problem("invalid", f"query start: {error}") from None


@routes.get("/statistics/series", scope="read", returns=SeriesAnswer)
def get_klass_series(query: KlassSeriesQuery) -> Any:
    """Read the counters of a klass: by the minute for four hours, else by ten minutes."""
    caller().require_all_queues("statistics of klasses")
    most = _MINUTES if query.resolution == "minute" else statistics.LONGEST
    if not 0 <= query.end - query.start <= most:
        raise Problem("invalid", f"query end: not from start to {most:g} s after it")
    samples = client().stats.klass_series(query.klass, query.start, query.end, query.resolution)
    return {"samples": samples}
