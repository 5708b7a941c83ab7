"""When a process of this worker last held jobs back: by a pause, or by blocking a throttle.

A worker pops short jobs in batches, and does not ask the server again before each of them starts.
So that none starts once a handler has called `job.back_off()`, the calls that hold jobs back leave
a mark in memory that a worker shares with all processes forked from it: reading it costs no system
call.
"""

from __future__ import annotations

import mmap
import time
from typing import Final

SCRIPTS: Final = frozenset({"back_off", "throttle_block", "pause"})
_mark: Final = memoryview(mmap.mmap(-1, 8)).cast("Q")


def note() -> None:
    """Leave a mark: one of `SCRIPTS`, which hold jobs back, was sent."""
    _mark[0] = time.monotonic_ns()


def mark() -> int:
    """Return the present mark; another one later means that jobs were held back in between."""
    return _mark[0]
