"""Look at jobs."""

from __future__ import annotations

from typing import Any

from qless_py.client import serialize
from qless_py.http.context import find_job
from qless_py.http.fields import Answer, Name
from qless_py.http.route import Routes

routes = Routes("jobs", "Look at jobs and change them.")


class JobAnswer(Answer):
    """A job. Times are Unix seconds, spans are seconds; what a job does not have is null."""

    jid: str
    klass: str
    queue: str | None
    state: str
    data: Any
    history: list[dict[str, Any]]


@routes.get("/jobs/<jid>", scope="read", returns=JobAnswer, problems=("job-not-found",))
def get_job(jid: Name) -> Any:
    """Read a job with its history."""
    return serialize.job(find_job(jid), history=True)
