"""Change jobs without their lease."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from qless_py.client.bulk import Action, apply, store_action
from qless_py.errors import WrongStateError
from qless_py.http import shapes
from qless_py.http.context import caller, client, find_job
from qless_py.http.fields import Answer, JsonValue, Model, Name, Number, Seconds
from qless_py.http.problems import Problem
from qless_py.http.route import Routes
from qless_py.http.routes.jobs import JobAnswer
from qless_py.http.routes.work import StateAnswer
from qless_py.protocol import jobs
from qless_py.protocol.options import ParentPolicy

routes = Routes("changes", "Change jobs from outside: cancel, requeue, tag, track.")

_FOUND = ("job-not-found",)
_IN_STATE = ("job-not-found", "wrong-state")


class JobPatch(Model):
    """What to change of a job, in one step; what is left out stays."""

    priority: Number | None = Field(None, description="Jobs with a higher priority run first.")
    tags: list[Name] | None = Field(None, max_length=100, description="Replaces all tags.")
    data: JsonValue = Field(
        None,
        description="Replaces the data of a job that has not run yet or has failed; it is encoded "
        "with the codec of the job.",
    )
    data_digest: str | None = Field(
        None,
        pattern="^[0-9a-f]{40}$",
        description="The `data_digest` with which the job was read: data that was changed since is "
        "not replaced.",
    )


class RequeueBody(Model):
    """Where and when the job runs again."""

    queue: Name | None = Field(None, description="By default its own or last queue.")
    delay: Seconds | None = None
    priority: Number | None = None


class FinishBody(Model):
    """The result of a job that no worker completes."""

    result: JsonValue = None


class DependBody(Model):
    """Further jobs to wait for."""

    jids: list[Name] = Field(min_length=1, max_length=100)
    on_parent_failed: ParentPolicy | None = None


class TagsAnswer(Answer):
    """All tags of the job."""

    jid: str
    tags: list[str]


class CancelQuery(Model):
    """Why a job is canceled."""

    reason: str = Field("", max_length=500, description="Kept with the copy of the job.")


class DependsAnswer(StateAnswer):
    """The state of the job, and the jobs it still waits for."""

    depends: list[str]


@routes.patch(
    "/jobs/<jid>",
    scope="operate",
    returns=JobAnswer,
    problems=(*_IN_STATE, "data-changed", "data-too-large"),
)
def change_job(jid: Name, body: JobPatch) -> Any:
    """Change priority and tags of a job in any state, and the data of one that does not run.

    New data needs the scope `put`, too.
    """
    if not body.model_fields_set - {"data_digest"}:
        raise Problem("invalid", "body: nothing to change; give data, priority or tags")
    job, data = find_job(jid), b""
    if "data" in body.model_fields_set:
        caller().require("put")
        caller().require_klass(job.klass_name)
        data = job.encode(body.data, "data")
    client().run(jobs.edit_encoded(job, data, body.priority, body.tags, body.data_digest))
    return shapes.job(find_job(jid), history=True)


@routes.delete("/jobs/<jid>", scope="operate", problems=(*_IN_STATE, "has-dependents"))
def cancel_job(jid: Name, query: CancelQuery) -> None:
    """Delete a job that is not complete. A worker that runs it loses its lease.

    A copy is kept for a while, and can be restored: `/canceled`.
    """
    job = find_job(jid)
    if job.state == "complete":
        raise WrongStateError(f"Job {jid} is complete")
    job.cancel(by=caller().name, reason=query.reason)


@routes.post("/jobs/<jid>/requeue", scope="operate", returns=StateAnswer, problems=_IN_STATE)
def requeue_job(jid: Name, body: RequeueBody) -> Any:
    """Put a job again as if it were new, a complete one too, or move it to another queue.

    A worker that runs it loses its lease.
    """
    job = find_job(jid)
    if body.queue is not None:
        caller().require_queue(body.queue)
    given = body.model_dump(exclude={"queue"}, exclude_none=True)
    job.requeue(body.queue, **given)
    return _state(jid)


@routes.post("/jobs/<jid>/timeout", scope="operate", returns=StateAnswer, problems=_IN_STATE)
def time_out_job(jid: Name) -> Any:
    """Take a running job from its worker; it runs next."""
    find_job(jid).timeout()
    return _state(jid)


@routes.post("/jobs/<jid>/promote", scope="operate", returns=StateAnswer, problems=_IN_STATE)
def promote_job(jid: Name) -> Any:
    """Run a scheduled job now."""
    _apply(jid, store_action("retry", ("scheduled",)))
    return _state(jid)


@routes.post("/jobs/<jid>/unfail", scope="operate", returns=StateAnswer, problems=_IN_STATE)
def unfail_job(jid: Name) -> Any:
    """Run a failed job again, with all its retries."""
    _apply(jid, store_action("retry", ("failed",)))
    return _state(jid)


@routes.post(
    "/jobs/<jid>/finish",
    scope="operate",
    returns=StateAnswer,
    problems=(*_IN_STATE, "data-too-large"),
)
def finish_job(jid: Name, body: FinishBody) -> Any:
    """Complete a job in whatever state. A worker that runs it loses its lease."""
    find_job(jid).force_finish(body.result)
    return _state(jid)


@routes.put("/jobs/<jid>/track", scope="operate", problems=_FOUND)
def track_job(jid: Name) -> None:
    """Publish every step of a job, and list it among the tracked jobs."""
    find_job(jid).track()


@routes.delete("/jobs/<jid>/track", scope="operate", problems=_FOUND)
def untrack_job(jid: Name) -> None:
    """Stop tracking a job."""
    find_job(jid).untrack()


@routes.put("/jobs/<jid>/tags/<tag>", scope="operate", returns=TagsAnswer, problems=_FOUND)
def tag_job(jid: Name, tag: Name) -> Any:
    """Add a tag to a job."""
    return {"jid": jid, "tags": find_job(jid).tag(tag)}


@routes.delete("/jobs/<jid>/tags/<tag>", scope="operate", returns=TagsAnswer, problems=_FOUND)
def untag_job(jid: Name, tag: Name) -> Any:
    """Remove a tag from a job."""
    return {"jid": jid, "tags": find_job(jid).untag(tag)}


@routes.post(
    "/jobs/<jid>/dependencies",
    scope="operate",
    returns=DependsAnswer,
    problems=(*_IN_STATE, "cycle"),
)
def add_job_dependencies(jid: Name, body: DependBody) -> Any:
    """Make a job that still depends on others depend on more jobs."""
    job = find_job(jid)
    for parent in body.jids:
        find_job(parent)
    job.depend(*body.jids, on_parent_failed=body.on_parent_failed)
    return _dependencies(jid)


@routes.delete(
    "/jobs/<jid>/dependencies/<parent>", scope="operate", returns=DependsAnswer, problems=_IN_STATE
)
def remove_job_dependency(jid: Name, parent: Name) -> Any:
    """Let a job wait for one of its parents no longer."""
    find_job(jid).undepend(parent)
    return _dependencies(jid)


@routes.delete("/jobs/<jid>/dependencies", scope="operate", returns=DependsAnswer, problems=_FOUND)
def remove_job_dependencies(jid: Name) -> Any:
    """Let a job wait for no other job."""
    find_job(jid).undepend(all=True)
    return _dependencies(jid)


def _apply(jid: str, action: Action) -> None:
    """Apply an action to one job; raise why it was refused."""
    job = find_job(jid)
    if not action.accepts(job):
        raise WrongStateError(f"Job {jid} is {job.state}")
    outcome = apply(client(), action, [jid])
    for error in outcome.errors.values():
        raise error


def _state(jid: str) -> dict[str, Any]:
    job = find_job(jid)
    return {"jid": jid, "state": job.state, "queue": job.queue_name or None}


def _dependencies(jid: str) -> dict[str, Any]:
    job = find_job(jid)
    return {"jid": jid, "state": job.state, "depends": job.dependencies}
