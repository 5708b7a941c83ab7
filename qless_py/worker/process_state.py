"""What one job leaves behind in its process and the next one must not inherit.

Restored are the things that Python code outside of the handler depends on, or that end a later job
without its fault: interval timers and alarms, handlers and the mask of signals, the current
directory, the umask. What a module does while it is imported stays, as do environment variables,
locale, open files, threads and the state of modules: for jobs that change those, there is
`--isolation job`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
from typing import Any, Final

from qless_py.worker.signals import Handlers

_TIMERS: Final = (
    int(signal.ITIMER_REAL),
    int(signal.ITIMER_VIRTUAL),
    int(signal.ITIMER_PROF),
)
_HANDLERS: Final = (
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGCHLD,
    signal.SIGPIPE,
)
# Without the conversion of their results to enums, which takes longer than the calls.
_signal: Final[Any] = importlib.import_module("_signal")
_set_mask, _set_timer = _signal.pthread_sigmask, _signal.setitimer


class ProcessState:
    """The state of a process at one moment, to which `restore` returns it."""

    def __init__(self) -> None:
        self.remember()

    def remember(self) -> None:
        """Make the present state the one that is restored."""
        self._folder = _folder()
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._mask = _set_mask(signal.SIG_BLOCK, ())
        self._handlers = Handlers.present(_HANDLERS)

    def restore(self) -> None:
        """Stop all timers, and undo what was changed since `remember`."""
        for timer in _TIMERS:
            _set_timer(timer, 0)
        os.umask(self._umask)
        if _set_mask(signal.SIG_BLOCK, ()) != self._mask:
            _set_mask(signal.SIG_SETMASK, self._mask)
        self._handlers.restore()
        if self._folder is not None and _folder() != self._folder:
            with contextlib.suppress(OSError):  # It is gone.
                os.chdir(self._folder)


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - for each job
    except OSError:
        return None
