"""Numbers that stay fresh: as a stream of server-sent events, and as JSON for those who poll."""

from __future__ import annotations

from typing import Final

from flask import jsonify
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard import streams
from qless_py.dashboard.context import dashboard


def snapshot() -> Answer:
    return jsonify(dashboard().snapshots.get().as_json())


def live() -> Answer:
    return streams.open_stream(dashboard())


ROUTES: Final = (
    ("GET", "/snapshot", snapshot),
    ("GET", "/live", live),
)
