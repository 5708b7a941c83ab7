"""The overview: six numbers, alerts and charts; and the live numbers of all pages."""

from __future__ import annotations

from typing import Any, Final

from flask import jsonify, render_template, request
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.client.session import answered
from qless_py.dashboard import context, timeseries
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.sparkline import sparkline
from qless_py.overview import alerts, tiles
from qless_py.overview import series as queue_series
from qless_py.overview.snapshot import count
from qless_py.protocol import Call

_MAX_QUEUES: Final = 10
_MAX_GROUPS: Final = 5


def overview() -> str:
    series = dashboard().series
    current = context.snapshot()
    span = queue_series.find_range(request.args.get("range"))
    queues = queue_series.busiest(
        (row["name"], count(row, "waiting") + count(row, "running")) for row in current.queues
    )
    now = series.now()
    _, last_hour = series.rows(queues, queue_series.DEFAULT_RANGE, now, current.backlog)
    ended = alerts.ended_calls(current, now)
    calls: list[Call[Any]] = [
        protocol.jobs.groups(0, _MAX_GROUPS),
        protocol.failures.groups(0, _MAX_GROUPS),
        *ended.values(),
    ]
    (_, groups), seen, *counts = answered(client().run_many(calls))
    failing_since = {one.group: one.first_at for one in seen.groups}
    shown = tiles.find_tiles(current, last_hour, dashboard().snapshots.points)
    charted = timeseries.Rows.read(series, queues, span, now, backlog=current.backlog)
    busiest = set(queues[:_MAX_QUEUES])
    return render_template(
        "qless_py/overview.html",
        snapshot=current,
        alerts=alerts.find_alerts(
            current, last_hour, failing_since, dict(zip(ended, counts, strict=True))
        ),
        charts=timeseries.Plot(charted, context.deploy_marks()).of_queues(),
        ranges=queue_series.RANGES,
        span=span,
        charted=series.included(queues, span),
        queues=[row for row in current.queues if row["name"] in busiest],
        groups=groups,
        tiles=[(one, sparkline(one.values, one.colour)) for one in shown],
    )


def snapshot() -> Response:
    return jsonify(context.snapshot().as_json(request.args.getlist("queue")))


def live() -> Response:
    return dashboard().streams.open()


ROUTES: Final = (
    ("GET", "/", overview),
    ("GET", "/snapshot", snapshot),
    ("GET", "/live", live),
)
