"""The job whose handler runs in the current thread or asyncio task."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final

from qless_py.handlers.job import HandledJob

_CURRENT: Final[ContextVar[HandledJob | None]] = ContextVar("qless_py_job", default=None)


def current_job() -> HandledJob | None:
    """Return the job whose handler runs here, or None."""
    return _CURRENT.get()


class running:  # noqa: N801 - used like a function: with running(job)
    """Make this job the current one within a `with` block."""

    __slots__ = ("_job", "_token")

    def __init__(self, job: HandledJob) -> None:
        self._job = job

    def __enter__(self) -> None:
        self._token: Token[HandledJob | None] = _CURRENT.set(self._job)

    def __exit__(self, *_error: object) -> None:
        _CURRENT.reset(self._token)
