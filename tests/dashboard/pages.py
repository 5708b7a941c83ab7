"""The URLs of all pages, for the namespace of the fixture `full`."""

from __future__ import annotations

from typing import Final

from qless_py import Client
from qless_py.dashboard.pages.queues import TABS
from qless_py.overview.series import RANGES

PATHS: Final = (
    "/", *(f"{path}range={one.name}" for path in ("/?", "/queues/work?") for one in RANGES),
    "/statistics", "/statistics?by=klass&range=7d&sort=run-95", "/statistics?klass=K&view=table",
    "/statistics?queue=work&compare=day", "/queues", "/queues?sort=waiting&q=wor",
    *(f"/queues/work?tab={tab}" for tab in TABS), "/queues/work?day=2023-11-14",
    "/jobs", "/jobs?q=state:failed,waiting", "/jobs?q=nothing-like-it",
    "/jobs/plain", "/jobs/runs", "/jobs/fails", "/jobs/ends", "/jobs/child", "/jobs/later",
    "/jobs/apart", "/jobs/of-ann", "/jobs/plain/edit", "/jobs/plain/data",
    "/workflows", "/workflows?kind=batch", "/workflows/flow", "/batches/batch",
    "/failures", "/failures/group?group=group",
    "/tracked", "/tags", "/tags/x", "/workers", "/workers/worker",
    "/recurring", "/recur", "/recurring/tick", "/recurring/cron", "/throttles", "/throttles/api",
    "/throttles/queue:work", "/config", "/audit", "/audit?who=a*&since=1h", "/events",
    "/events?kind=job.*", "/events/new?after=0-0", "/put", "/put?queue=work&klass=K", "/operations",
    "/canceled", "/canceled?q=queue:w*", "/canceled?q=nobody", "/canceled/gone",
    "/snapshot", "/search/complete?q=queue:", "/recur/preview?interval=60",
    "/statistics.csv?queue=work", "/static/lists.css", "/static/base.css",
    "/static/app.js", "/static/icon.svg",
)  # fmt: skip


def paths(client: Client) -> list[str]:
    """Return all of them, including those of existing operations."""
    return [*PATHS, *(f"/operations/{one.jid}" for one in client.operations.recent())]
