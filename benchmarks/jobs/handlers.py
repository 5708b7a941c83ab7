"""Handlers of the measured jobs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from qless_py import Job


def no_op(_job: Job) -> None:
    """Do nothing."""


async def no_op_async(_job: Job) -> None:
    """Do nothing, as a task of the event loop."""


def sleep(job: Job) -> None:
    """Sleep for `data["seconds"]`."""
    time.sleep(job["seconds"])


def time_since_put(job: Job) -> float:
    """Return the seconds since the put; both processes read the same clock."""
    return time.time() - float(job["sent"])


def kill_once(job: Job) -> float:
    """Kill the own process on the first run; return the seconds since then on the second."""
    file = Path(job["folder"]) / job.jid
    if not file.exists():
        file.write_text(repr(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)
    return time.time() - float(file.read_text())


def hang_once(job: Job) -> float:
    """Sleep until killed on the first run; return the time on the second."""
    file = Path(job["folder"]) / job.jid
    if not file.exists():
        file.touch()
        time.sleep(600)
    return time.time()
