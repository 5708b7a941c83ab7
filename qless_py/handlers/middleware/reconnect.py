"""Connections of the application: made anew in each process, and after they were lost."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from qless_py.protocol.job_calls import JobVerbs


class Reconnect:
    """Middleware that calls hooks before the first job of each process, and after lost connections.

    A connection that was opened before a fork must not be used in the child. Each of `hooks`
    closes and opens what it cares for; all of them are called again before the job that follows
    one which raised one of `errors`. With several threads, a hook is called by one at a time, and
    may be called while jobs of the others run.
    """

    def __init__(
        self,
        *hooks: Callable[[], object],
        errors: tuple[type[BaseException], ...] = (ConnectionError,),
    ) -> None:
        self._hooks = hooks
        self._errors = errors
        self._lock = threading.Lock()
        self._connected = 0  # The process for which the hooks were called.

    @contextlib.contextmanager
    def __call__(self, _job: JobVerbs) -> Iterator[None]:
        """Have connections for one run."""
        with self._lock:
            if self._connected != os.getpid():
                for hook in self._hooks:
                    hook()
                self._connected = os.getpid()
        try:
            yield
        except self._errors:
            self._connected = 0
            raise
