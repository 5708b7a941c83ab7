"""Route jobs to handlers by the names of their klasses."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Sequence
from typing import Any, Self

from qless_py.errors import BadArgumentError, HandlerNotFoundError
from qless_py.handlers import resolve
from qless_py.handlers.resolve import Handler
from qless_py.protocol import arguments


class Dispatch:
    """Routes from klasses, by exact name or regular expression, to handlers.

    dispatch = Dispatch().route("type1", TestHandler).route(re.compile("^regexp-"), "app.Handler")

    Exact names come before expressions; these are tried in the order in which they were added,
    and may match anywhere in the klass. A handler is a class, a function, the dotted name of one,
    or another performer, such as a `Command`. The routes decide what may run, so a worker with a
    dispatch needs no imports.
    """

    def __init__(self) -> None:
        self._exact: dict[str, Any] = {}
        self._patterns: list[tuple[re.Pattern[str], Any]] = []

    def route(self, klass: str | re.Pattern[str], to: Any) -> Self:
        """Add a route; it replaces an earlier one for the same exact name."""
        if not (isinstance(to, str) or callable(to) or hasattr(to, "find")):
            raise BadArgumentError(
                f"route to {to!r}: not a class, function, dotted name or performer"
            )
        if isinstance(klass, re.Pattern):
            self._patterns.append((klass, to))
        else:
            self._exact[arguments.line("klass", klass)] = to
        return self

    def check(self, queues: Sequence[str] = ()) -> None:
        """Import the handlers of all routes; raise what is wrong with the first that fails.

        A class may have a method for each queue, so without the names of all queues it only has to
        exist.
        """
        routes = [*self._exact.items(), *((one.pattern, to) for one, to in self._patterns)]
        for klass, to in routes:
            try:
                _check(to, queues)
            except HandlerNotFoundError as error:
                raise HandlerNotFoundError(f"route {klass}: {error}") from None

    def find(self, job: Any) -> Handler:
        """Return the handler of a job; raise `HandlerNotFoundError` if no route matches."""
        to = self._exact.get(job.klass_name) or next(
            (to for pattern, to in self._patterns if pattern.search(job.klass_name)), None
        )
        if to is None:
            raise HandlerNotFoundError(f"no route matches {job.klass_name}")
        target = resolve.load(to) if isinstance(to, str) else to
        if hasattr(target, "find"):
            found: Handler = target.find(job)
            return found
        return resolve.find(target, job.queue_name)


def _check(to: Any, queues: Sequence[str]) -> None:
    target = resolve.load(to) if isinstance(to, str) else to
    check = getattr(target, "check", None)
    if hasattr(target, "find"):
        if callable(check):
            check(queues)
    elif not inspect.isclass(target):
        resolve.find(target, "")
    elif queues and not any(one.startswith("!") or "*" in one for one in queues):
        _check_class(target, queues)


def _check_class(target: Any, queues: Sequence[str]) -> None:
    """Raise if a class has a method for the jobs of none of the queues."""
    for queue in queues[:-1]:
        with contextlib.suppress(HandlerNotFoundError):
            resolve.find(target, queue)
            return
    resolve.find(target, queues[-1])
