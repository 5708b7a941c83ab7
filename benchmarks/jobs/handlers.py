"""The jobs that are measured."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from qless_py import Job


def nothing(_job: Job) -> None:
    """Do nothing."""


def rest(job: Job) -> None:
    """Sleep for the seconds that the data names."""
    time.sleep(job["seconds"])


def stamp(job: Job) -> float:
    """Tell how long ago the job was put, in seconds; both processes read the same clock."""
    return time.time() - float(job["sent"])


def die_once(job: Job) -> float:
    """Die of SIGKILL the first time; the second time tell how long ago that was, in seconds."""
    note = Path(job["folder"]) / job.jid
    if not note.exists():
        note.write_text(repr(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)
    return time.time() - float(note.read_text())
