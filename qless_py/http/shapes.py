"""Jobs as the sender of a request may see them: without data in lists, without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from qless_py.client import redaction, serialize
from qless_py.client.job import Job
from qless_py.client.recurring import RecurringJob
from qless_py.http.context import client, may_see, redactor
from qless_py.protocol import JobRecord
from qless_py.protocol.canceled import CanceledJob

_HIDDEN_IN: Final = ("data", "result", "progress", "failure", "history", "context")
DATA_LIMIT: Final = 65_536
"""The most bytes of data that a list shows of a job."""


def job(one: Job | RecurringJob, *, history: bool = False) -> dict[str, Any]:
    """Return a job with its data."""
    return _redacted(serialize.job(one, history=history))


def canceled(one: CanceledJob) -> dict[str, Any]:
    """Return a canceled job with its data."""
    return _redacted(serialize.canceled(one))


def summaries(jobs: Iterable[Job], *, is_full: bool = False) -> list[dict[str, Any]]:
    """Return the jobs of a list that the caller may see.

    They have no data, unless wanted, and then only if it is short: a page holds many jobs.
    """
    return [_listed(one, is_full=is_full) for one in jobs if may_see(one)]


def records(found: Iterable[JobRecord]) -> list[dict[str, Any]]:
    """Return the jobs of these records as `summaries` does."""
    return summaries(Job(client(), record) for record in found)


def _listed(one: Job, *, is_full: bool) -> dict[str, Any]:
    if is_full and one.data_size <= DATA_LIMIT:
        return job(one)
    shape = serialize.summary(one)
    failure = shape["failure"]
    if failure:
        message = str(failure.get("message", "")).strip().partition("\n")[0]
        shape["failure"] = {**failure, "message": message[:1000]}
    return _redacted(shape)


def value(given: Any) -> Any:
    """Return a value of a job, without secrets that the caller may not see."""
    hides = redactor()
    return given if hides is None else redaction.redacted(given, hides)


def _redacted(shape: dict[str, Any]) -> dict[str, Any]:
    if redactor() is None:
        return shape
    hidden = {name: value(one) if name in _HIDDEN_IN else one for name, one in shape.items()}
    # Short hidden values could be guessed from it.
    return {**hidden, "data_digest": None} if "data_digest" in hidden else hidden
