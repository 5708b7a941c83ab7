"""Jobs that are put on a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from pydantic import Field

from qless_py.client import schedules, serialize
from qless_py.client.recurring import RecurringJob
from qless_py.errors import BadArgumentError
from qless_py.handlers.retry import RetryPolicy
from qless_py.http import shapes
from qless_py.http.context import caller, client
from qless_py.http.fields import (
    Answer,
    Count,
    Instant,
    JsonValue,
    Line,
    Model,
    Name,
    Number,
    Positive,
    Seconds,
)
from qless_py.http.listing import PageQuery, page
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes
from qless_py.protocol import cursors, http_requests, queues, recurring
from qless_py.protocol.codec import JsonCodec
from qless_py.protocol.jobs import SMALL_PAGE

routes = Routes("recurring", "Put jobs on a schedule.")

_FOUND: Final = ("recurring-not-found",)


class ScheduleBody(Model):
    """When jobs are put, and what jobs."""

    data: JsonValue = None
    interval: float | None = Field(
        None, ge=0.001, le=3_155_760_000, description="Seconds between two jobs; or `cron`."
    )
    cron: str | None = Field(
        None, max_length=255, description="Five fields, six with seconds first, or @daily."
    )
    zone: str | None = Field(None, max_length=100, description="The time zone of cron, UTC.")
    misfire: Literal["all", "one", "skip"] | None = Field(
        None, description="What to do about missed jobs: put all, only the last one, or none."
    )
    overlap: Literal["allow", "skip"] | None = Field(
        None,
        description="Whether to put a job while the one before has not completed or failed.",
    )
    start: Instant | None = Field(None, description="No job before this time.")
    end: Instant | None = Field(None, description="No job after this time.")
    limit: Positive | None = Field(None, description="Put at most so many jobs.")
    priority: Number | None = None
    tags: list[Name] | None = Field(None, max_length=100)
    retries: Count | None = None
    backlog: Count | None = Field(None, description="Put at most so many missed jobs; 0 for all.")
    expires: float | None = Field(
        None, ge=0.001, le=3_155_760_000, description="Seconds in which a job must start."
    )
    soft_limit: float | None = Field(None, ge=0.001, le=3_155_760_000)
    hard_limit: float | None = Field(None, ge=0.001, le=3_155_760_000)
    attempts: Positive | None = None
    retry: dict[str, JsonValue] | None = Field(
        None, min_length=1, description="A retry policy as JSON, instead of attempts."
    )
    user: Name | Literal[False] | None = None
    throttles: list[Name] | dict[Name, float] | None = Field(None, max_length=8)


class RecurringBody(ScheduleBody):
    """A recurring job: its queue, klass, data and schedule, either `interval` or `cron`."""

    queue: Name
    klass: Line
    offset: Seconds | None = Field(None, description="Seconds until the first job.")


class RecurringPatch(ScheduleBody):
    """What to change; jobs that were already put stay as they are."""

    queue: Name | None = None
    klass: Line | None = None


class RecurringAnswer(Answer):
    """A recurring job; `next_at` is when it puts its next job."""

    jid: str
    klass: str
    queue: str
    data: Any
    interval: float | None
    cron: str | None
    words: str
    next_at: float | None
    paused: bool


class RecurringQuery(PageQuery):
    """The queue of the jobs."""

    queue: Name | None = None


class RecurringPageAnswer(Answer):
    """Recurring jobs by queue, those with the next tick first."""

    recurring: list[RecurringAnswer]
    cursor: str | None


class ChildAnswer(Answer):
    """The jid of the job that was put."""

    jid: str


class RunShape(Answer):
    """A run of a recurring job and the state of the job that it put, "" if it is gone.

    `skipped` stands for `ticks` ticks in a row without a job, up to `at`: the one before had not
    ended.
    """

    at: float
    jid: str | None
    state: str
    started_at: float | None
    ended_at: float | None
    ticks: int


class RunsAnswer(Answer):
    """The last runs, at most 20, newest first."""

    runs: list[RunShape]


class PreviewQuery(Model):
    """A schedule: `interval` or `cron`."""

    interval: float | None = Field(None, ge=0.001, le=3_155_760_000)
    cron: str | None = Field(None, max_length=255)
    zone: str | None = Field(None, max_length=100, description="The time zone of cron, UTC.")
    count: int = Field(5, ge=1, le=100, description="How many times.")


class PreviewAnswer(Answer):
    """A schedule in words, and when it fires, in Unix seconds."""

    words: str
    next: list[float]


class NextQuery(Model):
    """How many times."""

    count: int = Field(10, ge=1, le=100)


class NextAnswer(Answer):
    """When the next jobs are put, in Unix seconds; fewer near the end of the schedule."""

    jid: str
    next: list[float]


@routes.get("/recurring", scope="read", returns=RecurringPageAnswer, problems=("bad-cursor",))
def list_recurring(query: RecurringQuery) -> Reply:
    """List recurring jobs."""
    if query.queue is not None:
        caller().require_queue(query.queue)
    at, offset = _position(query.cursor)
    found: list[RecurringJob] = []
    cursor = None
    for queue in _queues(query.queue, at):
        skip = offset if queue == at else 0
        wanted = query.limit - len(found)
        total, records = client().run(recurring.in_queue(queue, skip, wanted))
        found += [RecurringJob(client(), record) for record in records]
        if len(found) >= query.limit:
            cursor = cursors.write("recurring", queue, min(skip + len(records), total))
            break
    return page("recurring", [shapes.job(one) for one in found], cursor)


def _position(cursor: str | None) -> tuple[str | None, int]:
    if cursor is None:
        return None, 0
    try:
        kind, queue, offset = cursors.read(cursor)
    except (BadArgumentError, ValueError):
        kind = None
    if kind != "recurring" or not isinstance(queue, str) or type(offset) is not int or offset < 0:
        raise Problem("bad-cursor", "the cursor comes from no page of this list")
    return queue, offset


def _queues(only: str | None, at: str | None) -> Iterator[str]:
    """Yield the queues with recurring jobs that the caller may use, from the one of the cursor."""
    if only is not None:
        yield only
        return
    offset, is_reached = 0, at is None
    while True:
        total, rows = client().run(queues.all_counts(offset, SMALL_PAGE))
        for row in rows:
            name = str(row["name"])
            is_reached = is_reached or name == at
            if is_reached and row.get("recurring") and caller().may_use(name):
                yield name
        offset += len(rows)
        if not rows or offset >= total:
            return


@routes.get("/schedules/preview", scope="read", returns=PreviewAnswer)
def preview_schedule(query: PreviewQuery) -> Any:
    """Say a schedule in words, and list when it would fire if it began now."""
    given = query.model_dump(exclude_none=True)
    found = schedules.preview(client().settings.clock(), **given)
    return {"words": found.words, "next": [one.timestamp() for one in found.times]}


@routes.get("/recurring/<jid>", scope="read", returns=RecurringAnswer, problems=_FOUND)
def get_recurring(jid: Name) -> Any:
    """Read a recurring job."""
    return shapes.job(_find(jid))


def _find(jid: str) -> RecurringJob:
    found = client().recurring[jid]
    if found is None or not caller().may_use(found.queue_name):
        raise Problem("recurring-not-found", f"recurring job {jid} does not exist")
    return found


@routes.put(
    "/recurring/<jid>",
    scope="operate",
    returns={200: RecurringAnswer, 201: RecurringAnswer},
    problems=("already-exists", "data-too-large", "store-full"),
)
def set_recurring(jid: Name, body: RecurringBody) -> Reply:
    """Create or replace a recurring job. This needs the scope `put`, too."""
    _check_child(body.queue, body.klass)
    known = client().recurring[jid]
    if known is not None and not caller().may_use(known.queue_name):
        raise Problem("forbidden", f"{caller().name} may not replace the recurring job {jid}")
    options = _options(body, {"queue", "klass", "data", "interval", "offset"})
    data = _data(body.klass, body.data)
    if body.klass == http_requests.KLASS:
        options["throttles"] = http_requests.with_throttle(data, options.get("throttles"))
    client().queues[body.queue].recur(
        body.klass, data, body.interval, body.offset or 0, jid=jid, **options
    )
    return Reply(shapes.job(_find(jid)), 201 if known is None else 200)


@routes.patch(
    "/recurring/<jid>",
    scope="operate",
    returns=RecurringAnswer,
    problems=("recurring-not-found", "data-too-large"),
)
def change_recurring(jid: Name, body: RecurringPatch) -> Any:
    """Change a recurring job. A new klass, queue or new data need the scope `put`, too."""
    if not body.model_fields_set:
        raise Problem("invalid", "body: nothing to change")
    found = _find(jid)
    if body.model_fields_set & {"klass", "queue", "data"}:
        _check_child(body.queue or found.queue_name, body.klass or found.klass_name)
    changes = _options(body, {"data"})
    for name in ("start", "end", "limit"):
        if name in body.model_fields_set:
            changes[name] = getattr(body, name)
    if "data" in body.model_fields_set:
        changes["data"] = _data(body.klass or found.klass_name, body.data)
    changes.pop("codec")
    found.update(**changes)
    return shapes.job(found)


def _check_child(queue: str, klass: str) -> None:
    """Refuse a schedule of jobs that the caller may not put itself."""
    caller().require("put")
    caller().require_queue(queue)
    caller().require_klass(klass)


def _data(klass: str, data: Any) -> Any:
    """Return the data of each job; that of an HTTP request is checked."""
    return http_requests.checked(data) if klass == http_requests.KLASS else data


def _options(body: ScheduleBody, rest: set[str]) -> dict[str, Any]:
    options = body.model_dump(exclude=rest, exclude_none=True)
    if "retry" in options:
        options["retry"] = RetryPolicy.of(options["retry"])
    return {**options, "codec": JsonCodec.name}


@routes.delete("/recurring/<jid>", scope="operate", problems=_FOUND)
def remove_recurring(jid: Name) -> None:
    """Remove a recurring job; jobs that it has put stay."""
    _find(jid).cancel()


@routes.post("/recurring/<jid>/run", scope="operate", returns=ChildAnswer, problems=_FOUND)
def run_recurring(jid: Name) -> Any:
    """Put a job now, in addition to the schedule."""
    return {"jid": _find(jid).run()}


@routes.post("/recurring/<jid>/pause", scope="operate", returns=RecurringAnswer, problems=_FOUND)
def pause_recurring(jid: Name) -> Any:
    """Put no jobs until resumed."""
    found = _find(jid)
    found.pause()
    return shapes.job(found)


@routes.post("/recurring/<jid>/resume", scope="operate", returns=RecurringAnswer, problems=_FOUND)
def resume_recurring(jid: Name) -> Any:
    """Put jobs again, from the first time that is still to come."""
    found = _find(jid)
    found.resume()
    return shapes.job(found)


@routes.get("/recurring/<jid>/next", scope="read", returns=NextAnswer, problems=_FOUND)
def list_next_runs(jid: Name, query: NextQuery) -> Any:
    """List when the next jobs are put, as if the schedule were not paused."""
    times = _find(jid).next_times(query.count)
    return {"jid": jid, "next": [one.timestamp() for one in times]}


@routes.get("/recurring/<jid>/runs", scope="read", returns=RunsAnswer, problems=_FOUND)
def list_runs(jid: Name) -> Any:
    """List the last runs, and what became of the jobs that they put."""
    return {"runs": [serialize.recurring_run(one) for one in _find(jid).runs()]}
