"""Signals to the processes that a handler forks: they belong to the handler, not to the worker."""

from __future__ import annotations

import os
import signal
import threading

from qless_py.worker import signals


def set_free() -> None:
    """From now on, give what this process forks the usual answers to signals.

    A copy with our handlers would take orders out of our pipe, and a TERM, with which
    multiprocessing ends its processes, would do nothing.
    """
    prepared().is_on = True


def prepared() -> Freedom:
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
