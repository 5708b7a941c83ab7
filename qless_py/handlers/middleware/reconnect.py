"""Middleware that opens the connections of an application in each process, and after a loss."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from qless_py.handlers import exceptions
from qless_py.handlers.job import HandledJob


class Reconnect:
    """Middleware that calls hooks before the first job of each process, and after lost connections.

    A connection that was opened before a fork must not be used in the child. Each hook closes and
    reopens its connections; all are called again before the next job after one raised one of
    `errors`. With several threads the hooks are called by one thread at a time, possibly while jobs
    run in others.
    """

    def __init__(
        self,
        *hooks: Callable[[], object],
        errors: tuple[type[BaseException], ...] = (ConnectionError,),
    ) -> None:
        self._hooks = hooks
        self._errors = errors
        self._lock = threading.Lock()
        self._connected = 0  # The process in which the hooks were called last.

    @contextlib.contextmanager
    def __call__(self, _job: HandledJob) -> Iterator[None]:
        """Connect if necessary before one run."""
        with self._lock:
            if self._connected != os.getpid():
                for hook in self._hooks:
                    hook()
                self._connected = os.getpid()
        try:
            yield
        except Exception as error:
            if any(exceptions.is_a(one, self._errors) for one in exceptions.members(error)):
                self._connected = 0
            raise
