"""Change many jobs: those with some jids at once, or all that a search matches on the workers."""

from __future__ import annotations

from typing import Any, Final, Literal

from flask import request, url_for
from pydantic import Field

from qless_py.client import bulk_preview, serialize
from qless_py.client.bulk import apply, store_action
from qless_py.client.job import Job
from qless_py.client.operations import Operation
from qless_py.errors import JobNotFoundError
from qless_py.http import searches
from qless_py.http.context import caller, client, may_see
from qless_py.http.fields import Answer, Model, Name, Number
from qless_py.http.problems import Problem, code_of
from qless_py.http.route import Reply, Routes

routes = Routes("operations", "Change many jobs, and follow the workers that do it.")

_FOUND: Final = ("operation-not-found",)


class BulkBody(Model):
    """An action, and the jobs to apply it to: `jids`, or `q`, a search."""

    action: Literal["cancel", "retry", "move", "timeout", "priority", "tag", "untag"] = Field(
        description="`retry` runs failed jobs again and scheduled ones now."
    )
    q: str | None = Field(
        None, max_length=500, description="A search; empty for all jobs of the namespace."
    )
    jids: list[Name] | None = Field(None, min_length=1, max_length=1000)
    queue: Name | None = Field(None, description="Where to move the jobs.")
    priority: Number | None = Field(None, description="The new priority.")
    tags: list[Name] | None = Field(
        None, min_length=1, max_length=100, description="The tags to add or remove."
    )
    reason: str = Field("", max_length=500, description="Why the jobs are canceled.")
    dry_run: bool = Field(False, description="Only say what would be done.")  # noqa: FBT003


class PreviewAnswer(Answer):
    """How many jobs would be changed, and how many refused for which reason.

    `states` and `queues` count the jobs that would be changed, and `samples` are the jids of the
    first few. `complete` is false if there were too many jobs to look at all of them.
    """

    changed: int
    refused: dict[str, int]
    complete: bool
    states: dict[str, int]
    queues: dict[str, int]
    samples: list[str]


class OutcomeAnswer(Answer):
    """What became of jobs that were named: each is done, missing or refused."""

    done: int
    missing: list[str]
    refused: list[dict[str, str]]


class OperationAnswer(Answer):
    """The progress of an operation, a job that any worker runs.

    `done` jobs were changed and `refused` were not, the first of them with reasons in `errors`.
    `percent` is null if the jobs were not counted at its start.
    """

    jid: str
    state: str
    action: str
    search: str
    done: int
    refused: int
    scanned: int
    percent: int | None
    errors: list[str]
    aborted: bool
    over: bool


class OperationsAnswer(Answer):
    """The newest operations in front."""

    operations: list[OperationAnswer]


class RecentQuery(Model):
    """How many operations."""

    limit: int = Field(25, ge=1, le=100)


@routes.post(
    "/operations",
    scope="operate",
    returns={202: OperationAnswer, 200: OutcomeAnswer},
    problems=("store-full",),
)
def start_operation(body: BulkBody) -> Any:
    """Apply an action to many jobs.

    With `jids`, up to 1,000, it is done before the answer, 200. With `q` the workers do it: the
    answer is 202 with the place of the operation. Each job is judged by itself in the step that
    changes it. With `dry_run` nothing is changed, and the answer is a preview.
    """
    if (body.q is None) == (body.jids is None):
        raise Problem("invalid", "body: give either jids or q")
    params = body.model_dump(include={"queue", "priority", "tags"}, exclude_none=True)
    if body.queue is not None:
        caller().require_queue(body.queue)
    action = store_action(body.action, by=caller().name, reason=body.reason, **params)
    if body.jids is not None:
        own, foreign = _own(list(dict.fromkeys(body.jids)))
        if body.dry_run:
            return _preview(bulk_preview.of_selected(client(), action, own, len(foreign)))
        outcome = apply(client(), action, own)
        for jid in foreign:
            outcome.errors[jid] = JobNotFoundError(f"Job {jid} does not exist")
        return _outcome(outcome)
    search = searches.within_queues(body.q or "")
    if body.dry_run:
        return _preview(bulk_preview.of_search(client(), action, search))
    start = client().operations.start
    return started(start(body.action, search, by=caller().name, reason=body.reason, **params))


def _own(jids: list[str]) -> tuple[list[str], list[str]]:
    """Part jids into those that the caller may see, or that do not exist, and all others."""
    if not caller().queues:
        return jids, []
    jobs = [job for job in client().jobs.get(jids, data_limit=0) if isinstance(job, Job)]
    own = {job.jid for job in jobs if may_see(job)}
    return [jid for jid in jids if jid in own], [jid for jid in jids if jid not in own]


def _preview(found: bulk_preview.Preview) -> Reply:
    shape = {
        "changed": found.changed,
        "refused": dict(found.refused),
        "complete": found.is_all,
        "states": dict(found.states),
        "queues": dict(found.queues),
        "samples": [job.jid for job in found.samples],
    }
    return Reply(shape, 200)


def _outcome(outcome: Any) -> Reply:
    missing = outcome.missing
    refused = [
        {"jid": jid, "code": code_of(error), "detail": str(error)}
        for jid, error in outcome.errors.items()
        if jid not in set(missing)
    ]
    return Reply({"done": outcome.done, "missing": missing, "refused": refused}, 200)


def started(jid: str) -> Reply:
    """Return the response for an operation that was started."""
    place = url_for(f"{request.blueprint}.get_operation", jid=jid)
    return Reply(serialize.operation(client().operations[jid]), 202, {"Location": place})


@routes.get("/operations", scope="operate", returns=OperationsAnswer)
def list_operations(query: RecentQuery) -> Any:
    """List operations, the newest first."""
    caller().require_all_queues("the list of operations")
    found = client().operations.recent(query.limit)
    return {"operations": [serialize.operation(one) for one in found]}


@routes.get("/operations/<jid>", scope="operate", returns=OperationAnswer, problems=_FOUND)
def get_operation(jid: Name) -> Any:
    """Read the progress of an operation."""
    return serialize.operation(_find(jid))


@routes.delete("/operations/<jid>", scope="operate", returns=OperationAnswer, problems=_FOUND)
def abort_operation(jid: Name) -> Any:
    """End an operation after its present slice; what it has done stays."""
    _find(jid)
    return serialize.operation(client().operations.abort(jid))


@routes.post(
    "/operations/<jid>/undo",
    scope="operate",
    returns={202: OperationAnswer},
    problems=(*_FOUND, "wrong-state", "store-full"),
)
def undo_operation(jid: Name) -> Any:
    """Undo an operation that is over: the workers change back what nobody has changed since.

    Canceled jobs are restored, jobs are moved back, and get back their tags and priorities. Only
    what was changed within the last day can be undone.
    """
    _find(jid)
    return started(client().operations.undo(jid, by=caller().name))


def _find(jid: str) -> Operation:
    """Return an operation; one of others is none for a caller that is limited to queues."""
    try:
        found = client().operations[jid]
    except JobNotFoundError:
        found = None
    if found is None or (caller().queues and found.by != caller().name):
        raise Problem("operation-not-found", f"operation {jid} does not exist")
    return found
