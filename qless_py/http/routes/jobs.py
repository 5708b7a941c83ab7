"""Look at jobs."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from qless_py.client import attempts, serialize, tree
from qless_py.client.search import BUDGET
from qless_py.errors import JobCanceledError, JobFailedError, ResultNotKeptError, WaitTimeoutError
from qless_py.http import searches, shapes
from qless_py.http.context import api, client, find_job, may_see
from qless_py.http.fields import Answer, Model, Name
from qless_py.http.listing import PageQuery, by_cursor, page
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes

_ENDED: Final = frozenset({"complete", "failed"})

routes = Routes("jobs", "Search, read and explain jobs, and wait for their results.")


class JobAnswer(Answer):
    """A job. Times are Unix seconds, spans are seconds; what a job does not have is null."""

    jid: str
    klass: str
    queue: str | None
    state: str
    data: Any
    history: list[dict[str, Any]]


class JobsQuery(PageQuery):
    """A search for jobs, and how to show them."""

    q: str = Field(
        "",
        max_length=500,
        description="A search such as `state:failed queue:mail klass:app.* age:>5m`; empty for "
        "all jobs.",
    )
    budget: int = Field(BUDGET, ge=1, le=BUDGET, description="Scan at most so many jobs.")
    view: Literal["basic", "full"] = Field(
        "basic", description="`full` adds data and results of up to 64 KiB, and the dependencies."
    )


class JobsAnswer(Answer):
    """The jobs found among those scanned; the search continues at the cursor."""

    jobs: list[dict[str, Any]]
    scanned: int
    total: int
    skipped: int
    cursor: str | None


class ExplanationAnswer(Answer):
    """Why a job is not running: reasons as data and in words."""

    jid: str
    state: str
    queue: str | None
    ready: bool
    reasons: list[dict[str, Any]]


class ResultQuery(Model):
    """How long to wait."""

    wait: float = Field(
        0.0, ge=0, le=3600, description="Seconds to wait for the end of the job, within the limit."
    )


class ResultAnswer(Answer):
    """The state of the job; `ended` if it is complete or failed, with its result or failure."""

    jid: str
    state: str
    ended: bool
    result: Any
    failure: dict[str, Any] | None


class HistoryQuery(Model):
    """How much of the history."""

    limit: int = Field(100, ge=1, le=1000, description="At most so many of the newest entries.")


class HistoryAnswer(Answer):
    """What happened to the job, lines of its log among it, the oldest first."""

    jid: str
    history: list[dict[str, Any]]


class AttemptsAnswer(Answer):
    """The attempts of a job as far as its history goes back, the oldest first.

    Each has `started_at`, `ended_at`, `duration`, `worker`, `outcome`, `group`, one line of the
    `error`, and the `message` of its failure, as far as it is kept.
    """

    jid: str
    attempts: list[dict[str, Any]]


class TreeQuery(Model):
    """How far to look."""

    depth: int = Field(3, ge=1, le=5, description="Steps from the job in both directions.")


class TreeAnswer(Answer):
    """Up to 200 jobs around a job, and pairs of a parent and its dependent.

    `complete` is false if there are more.
    """

    jobs: list[dict[str, Any]]
    edges: list[list[str]]
    complete: bool


@routes.get("/jobs", scope="read", returns=JobsAnswer, problems=("bad-cursor",))
def search_jobs(query: JobsQuery) -> Reply:
    """Search for jobs.

    A page may hold fewer jobs than its limit although there are more: it ends when so many jobs
    were scanned as `budget` allows. Follow the cursor until there is none.
    """
    text = searches.checked(query.q)
    is_full = query.view == "full"
    most = shapes.DATA_LIMIT if is_full else 0
    found = by_cursor(
        query,
        lambda cursor, limit: client().jobs.search(
            text, limit=limit, cursor=cursor, budget=query.budget, data_limit=most
        ),
    )
    listed = shapes.summaries(found.jobs, is_full=is_full)
    counts = {"scanned": found.scanned, "total": found.total, "skipped": found.skipped}
    return page("jobs", listed, found.cursor, **counts)


@routes.get("/jobs/<jid>", scope="read", returns=JobAnswer, problems=("job-not-found",))
def get_job(jid: Name) -> Any:
    """Read a job with its history."""
    return shapes.job(find_job(jid), history=True)


@routes.get(
    "/jobs/<jid>/explain", scope="read", returns=ExplanationAnswer, problems=("job-not-found",)
)
def explain_job(jid: Name) -> Any:
    """Explain why a job is not running, and what it waits for."""
    find_job(jid)
    return shapes.value(serialize.explanation(client().explain(jid)))


@routes.get(
    "/jobs/<jid>/result",
    scope="read",
    returns=ResultAnswer,
    problems=("job-not-found", "job-canceled"),
)
def get_job_result(jid: Name, query: ResultQuery) -> Any:
    """Read the result of a job, or wait for it.

    Without an end in that time the answer has `ended: false`: ask again.
    """
    job = find_job(jid)
    with api().may_wait(0.0 if job.state in _ENDED else query.wait) as wait:
        if wait > 0:
            try:
                return _result(jid, "complete", job.wait(wait))
            except ResultNotKeptError:
                return _result(jid, "complete", None)
            except JobCanceledError as error:
                more = {"by": error.by, "reason": error.reason}
                raise Problem("job-canceled", str(error), **more) from error
            except (JobFailedError, WaitTimeoutError):
                job = find_job(jid)
    shape = serialize.job(job)
    return _result(jid, job.state, shape["result"], shape["failure"])


def _result(jid: str, state: str, result: Any, failure: Any = None) -> dict[str, Any]:
    ended = state in _ENDED
    shown = {"result": shapes.value(result), "failure": shapes.value(failure) if failure else None}
    return {"jid": jid, "state": state, "ended": ended, **shown}


@routes.get("/jobs/<jid>/history", scope="read", returns=HistoryAnswer, problems=("job-not-found",))
def get_job_history(jid: Name, query: HistoryQuery) -> Any:
    """Read the history of a job: its transitions, and the lines of its log."""
    entries = find_job(jid).history[-query.limit :]
    return {"jid": jid, "history": shapes.value(entries)}


@routes.get(
    "/jobs/<jid>/attempts", scope="read", returns=AttemptsAnswer, problems=("job-not-found",)
)
def get_job_attempts(jid: Name) -> Any:
    """Read when and where a job ran, and how each of its attempts ended."""
    job = find_job(jid)
    past = attempts.read(job, job.settings.clock())
    return {"jid": jid, "attempts": shapes.value(serialize.attempts(past))}


@routes.get("/jobs/<jid>/tree", scope="read", returns=TreeAnswer, problems=("job-not-found",))
def get_job_tree(jid: Name, query: TreeQuery) -> Any:
    """Read the jobs that a job depends on, and those that depend on it, over several steps."""
    found = tree.around(client(), find_job(jid), query.depth)
    shown = {name: one for name, one in found["jobs"].items() if one is None or may_see(one)}
    return {
        "jobs": [_node(name, one) for name, one in shown.items()],
        "edges": [list(edge) for edge in found["edges"] if set(edge) <= shown.keys()],
        "complete": found["complete"],
    }


def _node(jid: str, job: Any) -> dict[str, Any]:
    if job is None:
        return {"jid": jid, "klass": None, "queue": None, "state": None}
    return {
        "jid": jid,
        "klass": job.klass_name,
        "queue": job.queue_name or None,
        "state": job.state,
    }
