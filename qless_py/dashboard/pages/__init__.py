"""The pages: each module has a table of its views."""

from __future__ import annotations

from flask import Blueprint

from qless_py.dashboard.pages import bulk as chosen
from qless_py.dashboard.pages import (
    config,
    failures,
    job,
    limits,
    lists,
    live,
    operations,
    overview,
    put,
    queue,
    queues,
    recurring,
    workers,
)


def register(blueprint: Blueprint) -> None:
    """Add all views; each is known by the name of its function."""
    modules = (
        overview, queues, queue, lists, chosen, job, put, failures, workers, recurring, limits,
        config, operations, live,
    )  # fmt: skip
    for module in modules:
        for method, rule, view in module.ROUTES:
            blueprint.add_url_rule(rule, view.__name__, view, methods=[method])
