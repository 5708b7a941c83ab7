"""Canceled jobs, which are kept for a while: list, read, restore and delete them."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from qless_py.client import serialize
from qless_py.errors import JobNotFoundError, QlessError
from qless_py.http import shapes
from qless_py.http.context import caller, client, may_see
from qless_py.http.fields import Answer, Model, Name
from qless_py.http.listing import PageQuery, by_cursor, page
from qless_py.http.problems import Problem, code_of
from qless_py.http.route import Routes
from qless_py.protocol.canceled import CanceledJob

routes = Routes("canceled", "Look at canceled jobs, and restore them.")

_FOUND: Final = ("job-not-found",)


class CanceledQuery(PageQuery):
    """Which canceled jobs; in a pattern, `*` matches any characters."""

    jid: str | None = Field(None, max_length=200)
    queue: str | None = Field(None, max_length=200)
    klass: str | None = Field(None, max_length=300)
    tag: str | None = Field(None, max_length=200)
    user: str | None = Field(None, max_length=200)
    by: str | None = Field(None, max_length=200, description="Who canceled them.")
    reason: str | None = Field(None, max_length=500)


class CanceledSummary(Answer):
    """A canceled job in a list: `state` and `queue` are those that it had."""

    jid: str
    klass: str
    queue: str | None
    state: str
    priority: float
    tags: list[str]
    user: str | None
    put_at: float | None
    canceled_at: float
    canceled_by: str
    reason: str
    canceled_with: str | None


class CanceledAnswer(CanceledSummary):
    """A canceled job as it was, and the jobs that were canceled because of it."""

    data: Any = None
    history: list[dict[str, Any]]
    dependents: list[str]


class CanceledListAnswer(Answer):
    """Canceled jobs, the newest first. `total` is how many are kept in all."""

    jobs: list[CanceledSummary]
    total: int
    cursor: str | None


class ChosenBody(Model):
    """Canceled jobs."""

    jids: list[Name] = Field(min_length=1, max_length=1000)


class RestoredAnswer(Answer):
    """What became of the jobs: each was restored or refused."""

    restored: list[str]
    refused: list[dict[str, str]]


@routes.get("/canceled", scope="read", returns=CanceledListAnswer, problems=("bad-cursor",))
def list_canceled_jobs(query: CanceledQuery) -> Any:
    """List canceled jobs that are kept, the newest first.

    A page looks at no more than about 5,000 jobs, so it may have a cursor and no jobs.
    """
    filters = query.model_dump(exclude={"limit", "cursor"})
    found = by_cursor(query, lambda cursor, limit: client().canceled.page(cursor, limit, **filters))
    jobs = [serialize.canceled_summary(one) for one in found.jobs if may_see(one)]
    return page("jobs", jobs, found.cursor, total=found.total)


@routes.get("/canceled/<jid>", scope="read", returns=CanceledAnswer, problems=_FOUND)
def get_canceled_job(jid: Name) -> Any:
    """Read a canceled job with its data and its history."""
    return shapes.canceled(_find(jid))


@routes.post("/restore", scope="operate", returns=RestoredAnswer, problems=("store-full",))
def restore_canceled_jobs(body: ChosenBody) -> Any:
    """Restore canceled jobs: into their queues with their age, or failed as they were.

    Each is judged by itself; parents come first. A job whose jid or unique key is taken, whose
    batch is closed, or which waits for a job that is itself canceled, is refused.
    """
    jids, foreign = _own(body.jids)
    errors: dict[str, QlessError] = {
        jid: JobNotFoundError(f"No canceled job has the jid {jid}") for jid in foreign
    }
    answer = client().canceled.restore_each(*jids)
    refused = [
        {"jid": jid, "code": code_of(error), "detail": str(error)}
        for jid, error in (errors | answer.refused).items()
    ]
    return {"restored": answer.jids, "refused": refused}


@routes.delete("/canceled/<jid>", scope="operate", problems=_FOUND)
def delete_canceled_job(jid: Name) -> None:
    """Delete the copy of a canceled job, which cannot be restored then."""
    _find(jid)
    client().canceled.delete(jid)


def _find(jid: str) -> CanceledJob:
    found = client().canceled.get(jid)
    if found is None or not may_see(found):
        raise Problem("job-not-found", f"no canceled job has the jid {jid}")
    return found


def _own(jids: list[str]) -> tuple[list[str], list[str]]:
    """Part jids into those that the caller may see, and all others."""
    chosen = list(dict.fromkeys(jids))
    if not caller().queues:
        return chosen, []
    found = {jid: client().canceled.get(jid) for jid in chosen}
    own = [jid for jid, one in found.items() if one is not None and may_see(one)]
    return own, [jid for jid in chosen if jid not in set(own)]
