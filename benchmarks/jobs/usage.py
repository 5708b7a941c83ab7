"""CPU time: of a tree of processes, and of everything else on the machine meanwhile. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from typing import Final

import psutil

_PR_SET_CHILD_SUBREAPER: Final = 36
_END_TIMEOUT: Final = 10.0


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process, so that their CPU time is not lost."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) failed")


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the user and system time of processes and of the children that they reaped."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def end(process: subprocess.Popen[bytes], *, gently: bool) -> None:
    """End a process and its descendants: with SIGTERM and time to react if `gently`, or at once."""
    processes = tree(process.pid) if process.poll() is None else []
    if gently:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_TIMEOUT)
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
    _reap(processes[1:])


def _reap(adopted: Sequence[psutil.Process]) -> None:
    """Wait for the descendants of an ended process that became children of this one."""
    for one in adopted:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(one.pid, 0)


class Watch:
    """Measures how much of the machine everything else uses, from now on.

    Everything else is what keeps a processor from being idle, interrupts and the host's other
    guests included, without this process and its descendants, the servers among them.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = self._foreign_seconds()

    def share(self) -> float:
        """Return the share of the machine's CPU time, from 0 to 1."""
        spent = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return max(0.0, (self._foreign_seconds() - self._before) / spent)

    @staticmethod
    def _foreign_seconds() -> float:
        """Return the CPU seconds of everything else; only differences have a meaning."""
        idle = psutil.cpu_times()
        elapsed = time.monotonic() * (os.cpu_count() or 1)
        return elapsed - idle.idle - idle.iowait - cpu_seconds(tree(os.getpid()))
