"""Look at queues, pause and configure them."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from qless_py.client import serialize
from qless_py.client.job import Job
from qless_py.client.search import quote
from qless_py.handlers.retry import RetryPolicy
from qless_py.http import shapes
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Instant, JsonValue, Line, Model, Name, Seconds, whole
from qless_py.http.listing import MOST, PageQuery, by_cursor, next_offset, offset_of, page
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes
from qless_py.http.routes.operations import OperationAnswer, started
from qless_py.protocol import config, queues
from qless_py.protocol.queues import Counts

routes = Routes("queues", "Look at queues, pause and configure them.")

Batch = Annotated[int, Field(ge=1, le=1000), BeforeValidator(whole)]
_State = Literal["waiting", "running", "stalled", "scheduled", "depends", "throttled"]
_FOUND: Final = ("queue-not-found",)


class QueueAnswer(Answer):
    """How many jobs a queue has in each state, and its pause.

    `head_age` is for how many seconds the first job has been ready, null where none waits.
    """

    name: str
    waiting: int
    running: int
    stalled: int
    scheduled: int
    depends: int
    throttled: int
    recurring: int
    head_age: float | None
    paused: bool
    pause: dict[str, Any] | None


class QueuesAnswer(Answer):
    """Queues in the order in which they were first used."""

    queues: list[QueueAnswer]
    total: int
    cursor: str | None


class OneQueueAnswer(QueueAnswer):
    """The same with its options: `heartbeat` is the length of a lease in seconds."""

    options: dict[str, Any]
    throttle: dict[str, Any]


class StatsQuery(Model):
    """The day of the statistics."""

    day: dt.date | None = Field(None, description="A day in UTC, by default today.")


class StatsAnswer(Answer):
    """How long jobs waited and ran on a day, and how many failed and were retried."""

    wait: dict[str, Any]
    run: dict[str, Any]
    failures: int
    failed: int
    retries: int


class SeriesQuery(Model):
    """A span of time."""

    start: Instant
    end: Instant
    resolution: Literal["minute", "ten"] = "minute"


class SeriesAnswer(Answer):
    """Counters for each interval, the oldest first."""

    samples: list[dict[str, Any]]


class QueueJobsQuery(PageQuery):
    """The state of the jobs."""

    state: _State


class JobPageAnswer(Answer):
    """A page of jobs, without their data."""

    jobs: list[dict[str, Any]]
    cursor: str | None


class PeekQuery(Model):
    """How many jobs."""

    limit: int = Field(25, ge=1, le=MOST)


class PeekAnswer(Answer):
    """The jobs that are next, in the order of pops, without their data."""

    jobs: list[dict[str, Any]]


class SharesAnswer(Answer):
    """Users with ready jobs in the queue; the name of jobs without a user is empty."""

    users: list[dict[str, Any]]
    total: int
    cursor: str | None


class PauseBody(Model):
    """Why and for how long."""

    reason: Line | None = None
    until: Instant | None = Field(None, description="The queue is resumed at this time.")
    span: Seconds | None = Field(None, alias="for", description="Or after so many seconds.")
    new: bool = Field(False, description="Also pause a queue that has had no job.")  # noqa: FBT003


class QueuePatch(Model):
    """Options of the queue; null resets one to its default."""

    heartbeat: float | None = Field(
        None, ge=0.001, le=31557600, description="Seconds that a lease lasts."
    )
    retry_policy: dict[str, JsonValue] | None = Field(
        None, description="For jobs that were put without one."
    )


class ForgetQuery(Model):
    """Whether jobs may be left behind."""

    force: bool = Field(False, description="Forget a queue that has jobs, which stay.")  # noqa: FBT003


class ForgottenAnswer(Answer):
    """The name of the queue that is no longer listed."""

    forgotten: str


class UnfailBody(Model):
    """Which failures to move into the queue."""

    group: Line
    count: Batch = Field(100, description="At most so many, the oldest first.")


class MovedAnswer(Answer):
    """How many jobs were moved."""

    moved: int


class PurgeBody(Model):
    """Which jobs to cancel: by default all that are not running."""

    states: list[_State] = Field(
        default=["waiting", "stalled", "scheduled", "depends", "throttled"], min_length=1
    )


@routes.get("/queues", scope="read", returns=QueuesAnswer, problems=("bad-cursor",))
def list_queues(query: PageQuery) -> Reply:
    """List queues and how many jobs each has in each state."""
    offset = offset_of(query)
    if not caller().queues:
        total, rows = client().run(queues.all_counts(offset, query.limit))
        following = next_offset(offset, len(rows), total)
        return page("queues", [serialize.queue(row) for row in rows], following, total=total)
    own = [row for row in client().queues.counts if caller().may_use(row["name"])]
    shown = own[offset : offset + query.limit]
    following = next_offset(offset, len(shown), len(own))
    return page("queues", [serialize.queue(row) for row in shown], following, total=len(own))


@routes.get("/queues/<queue>", scope="read", returns=OneQueueAnswer, problems=_FOUND)
def get_queue(queue: Name) -> Any:
    """Read how many jobs a queue has in each state, its pause, options and throttle."""
    row = _row(queue)
    options = client().run(config.read_values())
    own = {
        option.removeprefix(f"{queue}-"): value
        for option, value in options.items()
        if option.startswith(f"{queue}-")
    }
    return {
        **serialize.queue(row),
        "options": {"heartbeat": options.get("heartbeat", 60), **own},
        "throttle": asdict(client().queues[queue].throttle.get()),
    }


def _row(queue: str) -> Counts:
    """Return the counts of a known queue; raise a `Problem` for any other."""
    caller().require_queue(queue)
    found = client().queues[queue].counts
    if any(found.get(name) for name in (*serialize.COUNTS, "paused")):
        return found
    known = next((row for row in client().queues.counts if row["name"] == queue), None)
    if known is None:
        raise Problem("queue-not-found", f"queue {queue} does not exist")
    return known


@routes.get("/queues/<queue>/stats", scope="read", returns=StatsAnswer, problems=_FOUND)
def get_queue_stats(queue: Name, query: StatsQuery) -> Any:
    """Read the statistics of a day."""
    _row(queue)
    return client().queues[queue].stats(query.day)


@routes.get("/queues/<queue>/series", scope="read", returns=SeriesAnswer, problems=_FOUND)
def get_queue_series(queue: Name, query: SeriesQuery) -> Any:
    """Read the counters of a span of time, by the minute for a day, else by ten minutes."""
    _row(queue)
    most = 86400.0 if query.resolution == "minute" else 14 * 86400.0
    if not 0 <= query.end - query.start <= most:
        raise Problem("invalid", f"query end: not from start to {most:g} s after it")
    samples = client().queues[queue].series(query.start, query.end, query.resolution)
    return {"samples": samples}


@routes.get("/queues/<queue>/peek", scope="read", returns=PeekAnswer, problems=_FOUND)
def peek_queue(queue: Name, query: PeekQuery) -> Any:
    """Read the jobs that are next, without taking them."""
    _row(queue)
    return {"jobs": shapes.summaries(client().queues[queue].peek(query.limit))}


@routes.get(
    "/queues/<queue>/jobs",
    scope="read",
    returns=JobPageAnswer,
    problems=("queue-not-found", "bad-cursor"),
)
def list_queue_jobs(queue: Name, query: QueueJobsQuery) -> Reply:
    """List the jobs of a queue in a state."""
    _row(queue)
    offset = offset_of(query)
    call = queues.jids_in_state(queue, query.state, offset, query.limit)
    jids = client().run(call)
    found = [job for job in client().jobs.get(jids, data_limit=0) if isinstance(job, Job)]
    following = str(offset + len(jids)) if len(jids) == query.limit else None
    return page("jobs", shapes.summaries(found), following)


@routes.get(
    "/queues/<queue>/users",
    scope="read",
    returns=SharesAnswer,
    problems=("queue-not-found", "bad-cursor"),
)
def list_queue_users(queue: Name, query: PageQuery) -> Reply:
    """List the users with ready jobs in a queue, and their shares where one page holds all."""
    _row(queue)
    found = by_cursor(query, client().queues[queue].user_page)
    return page("users", [asdict(one) for one in found.users], found.cursor, total=found.total)


@routes.post("/queues/<queue>/pause", scope="operate", returns=QueueAnswer, problems=_FOUND)
def pause_queue(queue: Name, body: PauseBody) -> Any:
    """Pause a queue: no job starts, running jobs continue, new jobs are accepted."""
    if body.until is not None and body.span is not None:
        raise Problem("invalid", "body: until and for exclude each other")
    if body.new:
        caller().require_queue(queue)
    else:
        _row(queue)
    until = body.until if body.span is None else client().settings.clock() + body.span
    client().run(queues.pause([queue], body.reason, until, caller().name))
    return _shape(queue)


@routes.post("/queues/<queue>/resume", scope="operate", returns=QueueAnswer, problems=_FOUND)
def resume_queue(queue: Name) -> Any:
    """End the pause of a queue."""
    _row(queue)
    client().queues[queue].unpause()
    return _shape(queue)


def _shape(queue: str) -> dict[str, Any]:
    return serialize.queue({**client().queues[queue].counts, "name": queue})


@routes.patch("/queues/<queue>", scope="operate", returns=OneQueueAnswer, problems=_FOUND)
def configure_queue(queue: Name, body: QueuePatch) -> Any:
    """Change options of a queue. Limits are those of the throttle `queue:NAME`."""
    if not body.model_fields_set:
        raise Problem("invalid", "body: nothing to change; give heartbeat or retry_policy")
    _row(queue)
    calls = []
    if "heartbeat" in body.model_fields_set:
        calls.append(_option(f"{queue}-heartbeat", body.heartbeat))
    if "retry_policy" in body.model_fields_set:
        policy = None if body.retry_policy is None else RetryPolicy.of(body.retry_policy).text()
        calls.append(_option(f"{queue}-retry-policy", policy))
    for reply in client().run_many(calls):
        if isinstance(reply, Exception):
            raise reply
    return get_queue(queue)


def _option(name: str, value: Any) -> Any:
    return config.unset_option(name) if value is None else config.set_option(name, value)


@routes.delete(
    "/queues/<queue>",
    scope="operate",
    returns=ForgottenAnswer,
    problems=("queue-not-found", "queue-not-empty"),
)
def forget_queue(queue: Name, query: ForgetQuery) -> Any:
    """Remove a queue from the list of queues."""
    _row(queue)
    number = len(client().queues[queue])
    if number and not query.force:
        detail = f"queue {queue} has {number} jobs: purge it first, or forget it with force=true"
        raise Problem("queue-not-empty", detail)
    client().queues[queue].forget()
    return {"forgotten": queue}


@routes.post("/queues/<queue>/unfail", scope="operate", returns=MovedAnswer)
def unfail_into_queue(queue: Name, body: UnfailBody) -> Any:
    """Move the oldest failures of a group into a queue, with all their retries."""
    caller().require_queue(queue)
    caller().require_all_queues("failure groups")
    return {"moved": client().unfail(body.group, queue, body.count)}


@routes.post(
    "/queues/<queue>/purge", scope="operate", returns={202: OperationAnswer}, problems=_FOUND
)
def purge_queue(queue: Name, body: PurgeBody) -> Reply:
    """Start to cancel the jobs of a queue."""
    _row(queue)
    search = f"queue:{quote(queue)} state:{','.join(dict.fromkeys(body.states))}"
    return started(client().operations.start("cancel", search, by=caller().name))
