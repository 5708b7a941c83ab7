"""The job that is being performed here and now: in this thread, in this task of asyncio."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

from qless_py.attributes import JobAttributes

_CURRENT: Final[ContextVar[JobAttributes | None]] = ContextVar("qless_py_job", default=None)


def job() -> JobAttributes | None:
    """Give the job whose handler runs here, or None."""
    return _CURRENT.get()


@contextlib.contextmanager
def is_now(one: JobAttributes) -> Iterator[None]:
    """Make this the job that is being performed."""
    token = _CURRENT.set(one)
    try:
        yield
    finally:
        _CURRENT.reset(token)
