"""The routes by subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qless_py.http.route import Routes
from qless_py.http.routes import events, jobs, meta, put, webhooks, work

SUBJECTS: Final[Sequence[Routes]] = (
    put.routes,
    work.routes,
    jobs.routes,
    events.routes,
    webhooks.routes,
    meta.routes,
)
