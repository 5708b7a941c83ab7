"""Middleware that adds fields to the log lines of a job."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qless_py.handlers import logs
from qless_py.handlers.job import HandledJob


class LogContext:
    """Middleware that adds fields to every line logged during a job.

    Keyword fields are constant; `of` is called with the job and returns more. The formatters of
    `qless_py.logs` show them besides jid, queue and klass, which every line has.
    """

    def __init__(
        self, of: Callable[[HandledJob], Mapping[str, Any]] | None = None, **fields: Any
    ) -> None:
        self._of = of
        self._fields = fields

    @contextlib.contextmanager
    def __call__(self, job: HandledJob) -> Iterator[None]:
        """Add the fields for one run."""
        more = self._of(job) if self._of is not None else {}
        with logs.context(**{**self._fields, **more}):
            yield
