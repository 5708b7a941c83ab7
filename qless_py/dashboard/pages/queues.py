"""All queues in one table."""

from __future__ import annotations

from typing import Final

from flask import render_template, request

from qless_py.dashboard import commands
from qless_py.dashboard.context import dashboard
from qless_py.dashboard.paging import part_of
from qless_py.dashboard.snapshot import number

_SORTED_BY = ("name", "waiting", "running", "scheduled", "stalled", "depends", "throttled")


def queues() -> str:
    rows = list(dashboard().snapshots.get().queues)
    sort = request.args.get("sort", "name")
    wanted = request.args.get("q", "").strip().lower()
    if wanted:
        rows = [row for row in rows if wanted in row["name"].lower()]
    if sort in _SORTED_BY:
        rows.sort(key=lambda row: row["name"] if sort == "name" else -number(row, sort))
    shown, where = part_of(rows)
    return render_template(
        "qless_py/queues.html",
        rows=shown,
        **where,
        sort=sort,
        wanted=wanted,
        commands=commands.of_queues(),
    )


ROUTES: Final = (("GET", "/queues", queues),)
