"""Which handler performs which jobs, said in one place instead of by the jobs."""

from __future__ import annotations

import re
from typing import Any, Self

from qless_py.errors import BadArgumentError, HandlerNotFoundError
from qless_py.handlers import resolve
from qless_py.handlers.resolve import Handler
from qless_py.protocol import arguments as options


class Dispatch:
    """Routes from what jobs name, exactly or by a regular expression, to what performs them.

    dispatch = Dispatch().route("type1", TestHandler).route(re.compile("^regexp-"), "app.Handler")

    A job's klass is looked up among the exact names first, then among the expressions in the
    order in which they were given, each searched for anywhere in the klass. A handler is a class,
    a function, the dotted name of one, or what performs jobs itself, a `Command` for example.
    Whoever writes the routes says what may run, so a worker with a dispatch asks for no imports.
    """

    def __init__(self) -> None:
        self._exact: dict[str, Any] = {}
        self._patterns: list[tuple[re.Pattern[str], Any]] = []

    def route(self, klass: str | re.Pattern[str], to: Any) -> Self:
        """Add a route; a second one of the same name replaces the first."""
        if not (isinstance(to, str) or callable(to) or hasattr(to, "find")):
            raise BadArgumentError(f"{to!r} cannot perform a job")
        if isinstance(klass, re.Pattern):
            self._patterns.append((klass, to))
        else:
            self._exact[options.line("klass", klass)] = to
        return self

    def find(self, job: Any) -> Handler:
        """Give what performs the job; `HandlerNotFoundError` if no route fits."""
        to = self._exact.get(job.klass_name) or next(
            (to for pattern, to in self._patterns if pattern.search(job.klass_name)), None
        )
        if to is None:
            raise HandlerNotFoundError(f"no route leads to a handler for {job.klass_name}")
        target = resolve.load(to) if isinstance(to, str) else to
        if hasattr(target, "find"):
            found: Handler = target.find(job)
            return found
        return resolve.find(target, job.queue_name)
