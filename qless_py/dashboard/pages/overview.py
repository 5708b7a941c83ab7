"""The first page: is anything stuck, failing, slow, idle or growing."""

from __future__ import annotations

from typing import Final

from flask import render_template

from qless_py.dashboard.context import dashboard


def overview() -> str:
    return render_template("qless_py/overview.html", snapshot=dashboard().snapshots.get())


ROUTES: Final = (("GET", "/", overview),)
