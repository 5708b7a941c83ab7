"""The job whose handler runs in the current thread or asyncio task."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final

from qless_py.handlers.job import HandledJob
from qless_py.protocol import instrumentation

_CURRENT: Final[ContextVar[HandledJob | None]] = ContextVar("qless_py_job", default=None)


def current_job() -> HandledJob | None:
    """Return the job whose handler runs here, or None."""
    return _CURRENT.get()


class running:  # noqa: N801 - used like a function: with running(job)
    """Make this job the current one within a `with` block."""

    __slots__ = ("_job", "_span", "_token")

    def __init__(self, job: HandledJob) -> None:
        self._job = job

    def __enter__(self) -> None:
        self._token: Token[HandledJob | None] = _CURRENT.set(self._job)
        self._span: object = None
        if instrumentation.current is not None:
            self._span = instrumentation.current.enter(self._job)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._span is not None and instrumentation.current is not None:
            instrumentation.current.leave(self._span, self._job, error)
        _CURRENT.reset(self._token)
