"""Metrics: a table that compares queues or classes, and the charts of one of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from flask import render_template, request
from werkzeug.wrappers import Response

from qless_py.auth.guard import RequestRejected
from qless_py.client.search import quote
from qless_py.dashboard import commands, context, time_range, timeseries
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.paging import paginate
from qless_py.dashboard.time_range import Window
from qless_py.overview import statistics as numbers
from qless_py.overview.series import RANGES, MetricRow, downsample, find_range
from qless_py.overview.statistics import SHARES, Kind, Statistics
from qless_py.protocol.stats import OTHER_KLASSES, percentile

_MOST_NAMES: Final = 200
_PER_PAGE: Final = 20
_TABLE_ROWS: Final = 40
_COUNTERS: Final = ("put", "completed", "failed", "retried")
_TIMES: Final = tuple((kind, share) for kind in ("wait", "run") for share in SHARES)


def statistics() -> str | tuple[str, int]:
    """Show the table, or the charts of the queue or class that the request names."""
    named = _named()
    return _one(*named) if named else _table()


def _named() -> tuple[Kind, str] | None:
    """Return the queue or class that the request names; raises `RequestRejected` if unknown."""
    for kind in READ_KINDS:
        name = request.args.get(kind)
        if name:
            if name not in _names(kind):
                label = "queue" if kind == "queue" else "class"
                message = f"there are no statistics of {label} {name}"
                raise RequestRejected(404, f"{label}-not-found", message)
            return kind, name
    return None


def _names(kind: Kind) -> list[str]:
    if kind == "klass":
        return numbers.klass_names(client())
    rows = sorted(context.snapshot().queues, key=lambda row: -(row["running"] + row["waiting"]))
    return [row["name"] for row in rows]


READ_KINDS: Final[tuple[Kind, ...]] = ("queue", "klass")


def _compared() -> tuple[Kind, list[Statistics], int]:
    """Return what the table shows, sorted, and how many names there are."""
    kind: Kind = "klass" if request.args.get("by") == "klass" else "queue"
    names = _names(kind)
    span = find_range(request.args.get("range"))
    now = dashboard().series.now()
    found = dashboard().comparisons[kind].read(names[:_MOST_NAMES], span, now)
    text = request.args.get("q", "").strip().lower()
    found = [one for one in found if text in one.name.lower()]
    key = request.args.get("sort", "ended")
    if key == "name":
        found.sort(key=lambda one: one.name)
    else:
        found.sort(key=lambda one: (-_sort_value(one, key), one.name))
    return kind, found, len(names)


def _sort_value(one: Statistics, key: str) -> float:
    """Return the value of a column, of an unknown one that of the default column."""
    kind, _, share = key.partition("-")
    if (kind, share) in ((kind, str(share)) for kind, share in _TIMES):
        return one.percentile(kind, int(share)) or 0.0
    if key == "failure_rate":
        return one.failure_rate or 0.0
    return one.per_second(key) if key in _COUNTERS else float(one.ended)


def _table() -> str:
    kind, found, number = _compared()
    shown, where = paginate(found, _PER_PAGE)
    return render_template(
        "qless_py/statistics.html",
        kind=kind, rows=shown, **where, sort=request.args.get("sort", "ended"),
        read=len(found), number=number, text=request.args.get("q", ""),
        ranges=RANGES, span=find_range(request.args.get("range")), times=_TIMES,
        other=OTHER_KLASSES, is_off=kind == "klass" and not number,
        commands=commands.of_page("statistics"),
    )  # fmt: skip


def _one(kind: Kind, name: str) -> tuple[str, int]:
    series = dashboard().series_of[kind]
    now = series.now()
    window = time_range.requested(now)
    backlog = context.snapshot().backlog if kind == "queue" and window.is_live else {}
    found = timeseries.Rows.read(series, [name], window.span, window.end, backlog=backlog)
    ghost = _ghost(kind, name, window, now, found)
    plot = timeseries.Plot(found, context.deploy_marks(), ghost)
    charts = plot.of_jobs()
    if kind == "queue":
        charts += plot.of_backlog()
    is_table = request.args.get("view") == "table"
    search = f"{'queue' if kind == 'queue' else 'klass'}:{quote(name)}"
    page = render_template(
        "qless_py/statistics_of_one.html",
        kind=kind, name=name, window=window, ranges=RANGES, charts=charts,
        total=_total(name, found), compare=request.args.get("compare", ""),
        comparisons=time_range.COMPARISONS, has_ghost=ghost is not None,
        table=_text_table(found) if is_table else None, times=_TIMES,
        other=OTHER_KLASSES, search=search, commands=commands.of_page(f"statistics_{kind}", name),
    )  # fmt: skip
    return page, 422 if window.error else 200


def _ghost(
    kind: Kind, name: str, window: Window, now: float, found: timeseries.Rows
) -> timeseries.Ghost | None:
    """Return the same time of a day or week before, if the request asks for it."""
    label, shift = time_range.COMPARISONS.get(request.args.get("compare", ""), ("", 0.0))
    earlier = window.earlier(shift, now) if shift else None
    if earlier is None:
        return None
    rows = timeseries.Rows.read(dashboard().series_of[kind], [name], *earlier)
    return timeseries.Ghost(label, rows.shifted_to(found.instants, shift))


def _total(name: str, found: timeseries.Rows) -> Statistics:
    total = MetricRow()
    for row in found.rows:
        total.append(row)
    return Statistics(name, total, sum(found.seconds))


def _text_table(found: timeseries.Rows) -> list[tuple[float, Statistics]]:
    """Return few enough rows to read, the newest first."""
    instants, rows, factor = downsample([*found.instants], [*found.rows], _TABLE_ROWS)
    seconds = found.seconds[0] * factor
    return [(at, Statistics("", row, seconds)) for at, row in zip(instants, rows, strict=True)][
        ::-1
    ]


def statistics_csv() -> Response:
    """Return the numbers of the page as a file for spreadsheets, every row that is stored."""
    named = _named()
    if named is None:
        kind, found, _ = _compared()
        rows: Iterable[Sequence[Any]] = (
            (_cell(one.name), *(one.per_second(name) for name in _COUNTERS), *_numbers(one))
            for one in found
        )
        rates = (f"{name}_per_second" for name in _COUNTERS)
        return _file(f"metrics-by-{kind}", (kind, *rates, *_columns()), rows)
    kind, name = named
    window = time_range.requested(dashboard().series.now())
    if window.error:
        raise RequestRejected(422, "bad-argument", window.error)
    instants, stored = dashboard().series_of[kind].rows([name], window.span, window.end)
    rows = (
        (
            f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}",
            *(getattr(row, counter) for counter in _COUNTERS),
            *_numbers(Statistics(name, row, window.span.step)),
        )
        for at, row in zip(instants, stored, strict=True)
    )
    return _file(f"metrics-of-{kind}", ("start", *_COUNTERS, *_columns()), rows)


def _columns() -> list[str]:
    return ["failure_rate", *(f"{kind}_p{share}_seconds" for kind, share in _TIMES)]


def _numbers(one: Statistics) -> list[float | None]:
    row = one.row
    times = (getattr(row, kind) for kind, _ in _TIMES)
    return [
        one.failure_rate,
        *(
            percentile(histogram, share / 100) if histogram else None
            for histogram, (_, share) in zip(times, _TIMES, strict=True)
        ),
    ]


def _cell(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _file(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    return Response(
        text.getvalue(),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


ROUTES: Final = (
    ("GET", "/statistics", statistics),
    ("GET", "/statistics.csv", statistics_csv),
)
