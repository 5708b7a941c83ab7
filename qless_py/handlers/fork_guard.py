"""Processes that a handler forks: they get default signals and never act as the worker."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from typing import Final, NoReturn

_FLUSH_TIMEOUT: Final = 2.0  # seconds


class ForkGuard:
    """Exit any forked copy at the end of the block; only the original process continues.

    A copy has no right to the job: its result would be taken for the original's, and it would go
    on fetching jobs. It exits with the code that Python itself would have exited with.
    """

    __slots__ = ("_pid",)

    def __enter__(self) -> None:
        self._pid = os.getpid()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if os.getpid() != self._pid:
            _exit(error)


class ForkSignals:
    """Reset the signal handlers in processes that this one forks, while `is_on` is set.

    A copy that kept the worker's handlers would consume messages from the worker's control pipe,
    and a TERM, with which multiprocessing ends its processes, would have no effect. `blocked` are
    the signals held back during a fork: one that reached a copy before `restore` ran would be lost.
    """

    def __init__(self, blocked: Collection[signal.Signals], restore: Callable[[], None]) -> None:
        self.is_on = False
        self._blocked = blocked
        self._restore = restore
        self._thread = threading.local()
        os.register_at_fork(
            before=self._block, after_in_parent=self._unblock, after_in_child=self._reset
        )

    def _block(self) -> None:
        if self.is_on:
            self._thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._blocked)

    def _unblock(self) -> None:
        if self.is_on:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._thread.mask)

    def _reset(self) -> None:
        if self.is_on:
            self._restore()
            self._unblock()


def _exit(error: BaseException | None) -> NoReturn:
    # A lock that another thread held at the fork is never released in this process, so writing
    # to a stream may block forever. A thread with a timeout does it.
    report = threading.Thread(target=_report, args=(error,), daemon=True)
    with contextlib.suppress(RuntimeError):
        report.start()
        report.join(_FLUSH_TIMEOUT)
    os._exit(_exit_code(error) & 0xFF)


def _exit_code(error: BaseException | None) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return int(error is not None)


def _report(error: BaseException | None) -> None:
    """Print the error that ended the copy and flush what it printed before."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
