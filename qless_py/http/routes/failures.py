"""Look at failures by their groups, and run or cancel the jobs of a group."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from qless_py.client.search import quote
from qless_py.http import shapes
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Line, Model, Name
from qless_py.http.listing import PageQuery, next_offset, offset_of, page
from qless_py.http.route import Reply, Routes
from qless_py.http.routes.operations import OperationAnswer, started
from qless_py.protocol import jobs

routes = Routes("failures", "Look at failures by groups, and run or cancel the jobs of a group.")


class GroupsAnswer(Answer):
    """Failure groups, those with the latest failure first."""

    groups: list[dict[str, Any]]
    total: int
    cursor: str | None


class GroupQuery(PageQuery):
    """The failure group."""

    group: Line


class FailedAnswer(Answer):
    """The jobs of a group, the newest failure first, without their data."""

    jobs: list[dict[str, Any]]
    total: int
    cursor: str | None


class GroupBody(Model):
    """The failure group."""

    group: Line


class RetryGroupBody(GroupBody):
    """The failure group, and where its jobs run again."""

    queue: Name | None = Field(None, description="By default the queue of each job.")


@routes.get("/failures", scope="read", returns=GroupsAnswer, problems=("bad-cursor",))
def list_failures(query: PageQuery) -> Reply:
    """List failure groups and the number of their jobs."""
    caller().require_all_queues("failure groups; search for state:failed")
    offset = offset_of(query)
    total, rows = client().run(jobs.groups(offset, query.limit))
    groups = [
        {"group": one.group, "number": one.number, "last_failed_at": one.last_failed_at / 1000}
        for one in rows
    ]
    return page("groups", groups, next_offset(offset, len(rows), total), total=total)


@routes.get("/failures/jobs", scope="read", returns=FailedAnswer, problems=("bad-cursor",))
def list_failed_jobs(query: GroupQuery) -> Reply:
    """List the jobs of a failure group."""
    caller().require_all_queues("failure groups; search for state:failed")
    offset = offset_of(query)
    found = client().jobs.failed(query.group, offset, query.limit, data_limit=0)
    following = next_offset(offset, query.limit, found["total"])
    return page("jobs", shapes.summaries(found["jobs"]), following, total=found["total"])


@routes.post("/failures/retry", scope="operate", returns={202: OperationAnswer})
def retry_failures(body: RetryGroupBody) -> Reply:
    """Start to run the jobs of a failure group again, with all their retries."""
    caller().require_all_queues("failure groups")
    search = f"state:failed group:{quote(body.group)}"
    start = client().operations.start
    if body.queue is None:
        return started(start("retry", search, by=caller().name))
    return started(start("move", search, by=caller().name, queue=body.queue))


@routes.post("/failures/cancel", scope="operate", returns={202: OperationAnswer})
def cancel_failures(body: GroupBody) -> Reply:
    """Start to delete the jobs of a failure group."""
    caller().require_all_queues("failure groups")
    search = f"state:failed group:{quote(body.group)}"
    return started(client().operations.start("cancel", search, by=caller().name))
