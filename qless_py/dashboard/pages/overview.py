"""The first page: is anything stuck, failing, slow, idle or growing."""

from __future__ import annotations

from typing import Final

from flask import render_template, request

from qless_py.dashboard import attention, history
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.pages.lists import jobs_of
from qless_py.dashboard.snapshot import number
from qless_py.protocol import reads

_TOP: Final = 10
_GROUPS: Final = 5
_HOUR: Final = history.RANGES[1]


def overview() -> str:
    board = dashboard()
    snapshot = board.snapshots.get()
    span = history.range_of(request.args.get("range"))
    queues = history.busiest(
        (row["name"], number(row, "waiting") + number(row, "running")) for row in snapshot.queues
    )
    now = client().settings.clock()
    _, rows = history.rows_of(board.history.samples(queues[:200], _HOUR, now), _HOUR, now)
    groups, ended = client().run_many([reads.groups(0, _GROUPS), reads.state("complete", "", 0, 5)])
    for answer in (groups, ended):
        if isinstance(answer, Exception):
            raise answer
    shown = set(queues[:_TOP])
    return render_template(
        "qless_py/overview.html",
        snapshot=snapshot,
        signs=attention.signs(snapshot, rows),
        charts=history.charts(board.history, queues, span),
        ranges=history.RANGES,
        span=span,
        queues=[row for row in snapshot.queues if row["name"] in shown],
        groups=groups[1],
        ended=jobs_of(ended.jids),
    )


ROUTES: Final = (("GET", "/", overview),)
