"""Look at workers, and send them commands."""

from __future__ import annotations

from typing import Any, Final, Literal

from qless_py.client.job import Job
from qless_py.http import shapes
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Model, Name
from qless_py.http.listing import PageQuery, next_offset, offset_of, page
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes
from qless_py.protocol import workers
from qless_py.protocol.workers import WorkerJobs

routes = Routes("workers", "Look at workers, and send them commands.")

_FOUND: Final = ("worker-not-found",)


class WorkersAnswer(Answer):
    """Workers, the last seen first: how many jobs each holds, and what it reports of itself."""

    workers: list[dict[str, Any]]
    total: int
    cursor: str | None


class WorkerAnswer(Answer):
    """A worker: what it reports of itself, and the jobs it holds, at most 1,000 jids of each."""

    name: str
    seen_at: float | None
    info: dict[str, Any]
    jobs: list[str]
    stalled: list[str]


class WorkerJobsAnswer(Answer):
    """A page of the jobs that a worker holds, without their data."""

    jobs: list[dict[str, Any]]
    cursor: str | None


class CommandBody(Model):
    """What the worker shall do.

    `quiet` takes no more jobs, until `resume`; `stop` ends once its jobs have ended; `restart`
    begins again with new code; `dump` reports the stacks of its threads in the worker's `report`.
    """

    command: Literal["quiet", "resume", "stop", "restart", "dump"]


class CommandAnswer(Answer):
    """The workers that will receive the command with their next heartbeat."""

    command: str
    workers: list[str]


@routes.get("/workers", scope="read", returns=WorkersAnswer, problems=("bad-cursor",))
def list_workers(query: PageQuery) -> Reply:
    """List workers."""
    caller().require_all_queues("workers")
    offset = offset_of(query)
    total, rows = client().run(workers.counts(offset, query.limit))
    listed = [shapes.value(dict(row)) for row in rows]
    return page("workers", listed, next_offset(offset, len(rows), total), total=total)


@routes.get("/workers/<worker>", scope="read", returns=WorkerAnswer, problems=_FOUND)
def get_worker(worker: Name) -> Any:
    """Read what a worker reports of itself, and the jobs it holds."""
    found = {"seen_at": None, "info": {}, **_find(worker)}
    return {"name": worker, **found, "info": shapes.value(found["info"])}


def _find(worker: str, offset: int = 0, count: int = 1000) -> WorkerJobs:
    caller().require_all_queues("workers")
    found = client().workers.get(worker, offset, count)
    if "seen_at" not in found and not (found["jobs"] or found["stalled"]):
        raise Problem("worker-not-found", f"worker {worker} does not exist")
    return found


@routes.get(
    "/workers/<worker>/jobs",
    scope="read",
    returns=WorkerJobsAnswer,
    problems=("worker-not-found", "bad-cursor"),
)
def list_worker_jobs(worker: Name, query: PageQuery) -> Reply:
    """List the jobs that a worker holds under a lease."""
    offset = offset_of(query)
    jids = _find(worker, offset, query.limit)["jobs"]
    found = [job for job in client().jobs.get(jids, data_limit=0) if isinstance(job, Job)]
    following = str(offset + len(jids)) if len(jids) == query.limit else None
    return page("jobs", shapes.summaries(found), following)


@routes.post("/workers/<worker>/command", scope="operate", returns=CommandAnswer, problems=_FOUND)
def command_worker(worker: Name, body: CommandBody) -> Any:
    """Send a command to a worker, or to all children of a supervisor by its HOST-PID."""
    caller().require_all_queues("workers")
    reached = getattr(client().workers, body.command)(worker)
    if not reached:
        raise Problem("worker-not-found", f"worker {worker} does not exist")
    return {"command": body.command, "workers": reached}


@routes.post("/commands", scope="operate", returns=CommandAnswer)
def command_workers(body: CommandBody) -> Any:
    """Send a command to all workers."""
    caller().require_all_queues("workers")
    return {"command": body.command, "workers": getattr(client().workers, body.command)()}
