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

from qless_py.worker import signals

_TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_HANDLERS: Final = (
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGCHLD,
    signal.SIGPIPE,
)
# Without the conversion of its result to enums, which takes longer than the call.
_set_mask: Final[Any] = importlib.import_module("_signal").pthread_sigmask


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
        self._handlers = {number: signals.handler_of(number) for number in _HANDLERS}

    def restore(self) -> None:
        """Stop all timers, and undo what was changed since `remember`."""
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        os.umask(self._umask)
        if _set_mask(signal.SIG_BLOCK, ()) != self._mask:
            _set_mask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers.items():
            if signals.handler_of(number) is not handler and handler is not None:
                signal.signal(number, handler)  # type: ignore[arg-type]
        if self._folder is not None and _folder() != self._folder:
            with contextlib.suppress(OSError):  # It is gone.
                os.chdir(self._folder)


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - for each job
    except OSError:
        return None
