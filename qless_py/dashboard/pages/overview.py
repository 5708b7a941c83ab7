"""The first page: is anything stuck, failing, slow, idle or growing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import render_template, request

from qless_py.client.session import answered
from qless_py.dashboard import alerts as attention
from qless_py.dashboard import timeseries as history
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.pages.lists import jobs_of
from qless_py.dashboard.snapshot import number
from qless_py.protocol import Call, reads

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
    now = board.history.now()
    _, rows = board.history.rows(queues, _HOUR, now, snapshot.lines)
    calls: list[Call[Any]] = [reads.groups(0, _GROUPS), reads.state("complete", "", 0, 5)]
    groups, ended = answered(client().run_many(calls))
    oldest = _oldest(groups[1])
    read = {job.jid: job for job in jobs_of([*ended.jids, *oldest.values()])}
    begun = {group: read[jid].failed_at for group, jid in oldest.items() if jid in read}
    shown = set(queues[:_TOP])
    return render_template(
        "qless_py/overview.html",
        snapshot=snapshot,
        signs=attention.signs(snapshot, rows, begun),
        charts=history.charts(board.history, queues, span, now, snapshot.lines),
        ranges=history.RANGES,
        span=span,
        summed=(board.history.known(queues, span), len(queues)),
        queues=[row for row in snapshot.queues if row["name"] in shown],
        groups=groups[1],
        ended=[read[jid] for jid in ended.jids if jid in read],
        work=attention.slots(snapshot),
    )


def _oldest(groups: Sequence[reads.FailureGroup]) -> dict[str, str]:
    """Give the job of each group that has been failed for the longest time."""
    calls = [reads.failed(one.group, max(one.number - 1, 0), 1) for one in groups]
    found: dict[str, str] = {}
    for one, answer in zip(groups, answered(client().run_many(calls)), strict=True):
        if answer.jids:
            found[one.group] = answer.jids[0]
    return found


ROUTES: Final = (("GET", "/", overview),)
