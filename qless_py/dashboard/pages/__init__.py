"""The pages: each module has a table of its routes."""

from __future__ import annotations

from flask import Blueprint

from qless_py.dashboard.audit import audited
from qless_py.dashboard.pages import (
    audit,
    batches,
    bulk,
    canceled,
    config,
    events,
    failures,
    job,
    job_edit,
    jobs,
    overview,
    preferences,
    put,
    queues,
    recurring,
    statistics,
    throttles,
    workers,
    workflows,
)

_MODULES = (
    overview, queues, jobs, job, job_edit, put, bulk, canceled, failures, workflows, batches,
    recurring, workers, throttles, config, preferences, statistics, audit, events,
)  # fmt: skip


def register(blueprint: Blueprint) -> None:
    """Add all views; the endpoint of each is the name of its function."""
    for module in _MODULES:
        for method, rule, view in module.ROUTES:
            served = audited(view) if method == "POST" else view
            blueprint.add_url_rule(rule, view.__name__, served, methods=[method])
