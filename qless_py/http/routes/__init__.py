"""The routes by subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qless_py.http.route import Routes
from qless_py.http.routes import (
    audit,
    batches,
    canceled,
    changes,
    deploys,
    events,
    failures,
    jobs,
    limits,
    meta,
    operations,
    overview,
    put,
    queues,
    recurring,
    statistics,
    webhooks,
    work,
    workers,
)

SUBJECTS: Final[Sequence[Routes]] = (
    put.routes,
    work.routes,
    jobs.routes,
    events.routes,
    webhooks.routes,
    changes.routes,
    canceled.routes,
    queues.routes,
    failures.routes,
    deploys.routes,
    batches.routes,
    recurring.routes,
    workers.routes,
    limits.routes,
    operations.routes,
    overview.routes,
    statistics.routes,
    audit.routes,
    meta.routes,
)
