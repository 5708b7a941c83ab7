"""Look at failures by their groups, and run or cancel the jobs of a group."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from qless_py.client.failure_groups import Sort
from qless_py.client.search import quote
from qless_py.http import shapes
from qless_py.http.context import caller, client, redactor
from qless_py.http.fields import Answer, Line, Model, Name, Seconds
from qless_py.http.listing import PageQuery, next_offset, offset_of, page
from qless_py.http.route import Reply, Routes
from qless_py.http.routes.operations import OperationAnswer, started

routes = Routes("failures", "Look at failures by groups, and run or cancel the jobs of a group.")


class GroupsQuery(PageQuery):
    """Which failure groups, and their order."""

    within: Seconds | None = Field(None, description="Failed within so many seconds.")
    new: bool = Field(default=False, description="First seen since the newest deploy marker.")
    seen: bool = Field(default=False, description="Also those whose jobs are not failed any more.")
    text: str = Field("", max_length=255, description="Contained in the group, a queue or klass.")
    sort: Sort = "last"


class GroupsAnswer(Answer):
    """Failure groups of which `total` match; `number` jobs of each are failed now.

    `first_failed_at`, `last_failed_at`, `failures` and those of the last 24 `hours` count for good.
    """

    groups: list[dict[str, Any]]
    total: int
    cursor: str | None


class FailedNumber(Answer):
    """A name and how many of the failed jobs have it."""

    name: str
    number: int


class DetailsAnswer(Answer):
    """What `examined` of the `total` failed jobs of a group have in common."""

    group: str
    total: int
    examined: int
    clusters: list[dict[str, Any]]
    klasses: list[FailedNumber]
    queues: list[FailedNumber]
    workers: list[FailedNumber]


class GroupQuery(PageQuery):
    """The failure group."""

    group: Line


class OneGroupQuery(Model):
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
def list_failures(query: GroupsQuery) -> Reply:
    """List failure groups, of the 1,000 that failed last, and the number of their jobs."""
    caller().require_all_queues("failure groups; search for state:failed")
    offset = offset_of(query)
    now = client().settings.clock()
    since = 0.0 if query.within is None else max(now - query.within, 0.0)
    found = client().failures.groups(
        since=since, seen=query.seen, new=query.new, text=query.text, sort=query.sort
    )
    total = len(found.groups)
    rows = found.groups[offset : offset + query.limit]
    groups = [found.as_dict(one, now) for one in rows]
    return page("groups", groups, next_offset(offset, len(rows), total), total=total)


@routes.get("/failures/group", scope="read", returns=DetailsAnswer)
def get_failure_group(query: OneGroupQuery) -> Any:
    """Show the messages of a group in clusters, its klasses, queues and workers."""
    caller().require_all_queues("failure groups; search for state:failed")
    hides = redactor()
    found = client().failures.group(query.group, redact=hides.redact_text if hides else str)
    return found.as_dict()


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
