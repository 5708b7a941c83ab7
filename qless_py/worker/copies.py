"""Processes that a handler forks: they belong to the handler and never act for the worker."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from typing import Final

from qless_py.worker import signals


def set_free() -> None:
    """From now on, give what this process forks the usual answers to signals.

    A copy with our handlers would take orders out of our pipe, and a TERM, with which
    multiprocessing ends its processes, would do nothing.
    """
    freedom().is_on = True


def freedom() -> Freedom:
    """Prepare the same, to be switched on later at no cost."""
    made = Freedom()
    os.register_at_fork(before=made.hold, after_in_parent=made.back, after_in_child=made.free)
    return made


class Freedom:
    """Holds signals back during a fork: one that found a copy with our handlers would be lost."""

    def __init__(self) -> None:
        self.is_on = False
        self._thread = threading.local()

    def hold(self) -> None:
        """Before a fork."""
        if self.is_on:
            self._thread.before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.GROUP)

    def back(self) -> None:
        """After a fork, where it was done."""
        if self.is_on:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._thread.before)

    def free(self) -> None:
        """After a fork, in the copy."""
        if self.is_on:
            signals.restore()
            self.back()


class Original:
    """The process that was here before the handler ran."""

    def __init__(self) -> None:
        self._pid: Final = os.getpid()

    def end_copy(self, error: BaseException | None = None) -> None:
        """End this process if it is a copy that came out of a handler.

        It has no right to the job: its verdict would be taken for ours, and it would go on taking
        jobs. It ends with the code with which Python would have ended it.
        """
        if os.getpid() == self._pid:
            return
        code = 0
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            traceback.print_exception(error)
            code = 1
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code & 0xFF)
