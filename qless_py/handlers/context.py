"""The job that is being performed here and now: in this thread, in this task of asyncio."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final

from qless_py.protocol.job_fields import JobAttributes

_CURRENT: Final[ContextVar[JobAttributes | None]] = ContextVar("qless_py_job", default=None)


def job() -> JobAttributes | None:
    """Give the job whose handler runs here, or None."""
    return _CURRENT.get()


class is_now:  # noqa: N801 - read as a claim: with current.is_now(job)
    """Makes this the job that is being performed, for a `with` block."""

    __slots__ = ("_job", "_token")

    def __init__(self, job: JobAttributes) -> None:
        self._job = job

    def __enter__(self) -> None:
        self._token: Token[JobAttributes | None] = _CURRENT.set(self._job)

    def __exit__(self, *_error: object) -> None:
        _CURRENT.reset(self._token)
