"""When a child has done its time: by jobs, by memory, by age. It is replaced between two jobs."""

from __future__ import annotations

import logging
import os
import resource
import sys
import time
from pathlib import Path
from typing import Final

from qless_py.worker.options import WorkerOptions

logger = logging.getLogger(__name__)

_MANY: Final = 1 << 30


class Recycling:
    """The limits of one child's life, counted from now."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._born = time.monotonic()
        self._is_spent = False

    def left(self, begun: int) -> int:
        """Give how many jobs the child may still take, after having taken so many."""
        most = self._options.max_jobs
        return _MANY if most is None else max(0, most - begun)

    def is_spent(self, begun: int) -> bool:
        """Whether the child should take no more jobs, after having taken so many."""
        if not self._is_spent:
            reason = self._reason(begun)
            if reason:
                logger.info("this child is replaced: %s", reason)
                self._is_spent = True
        return self._is_spent

    def _reason(self, begun: int) -> str:
        options, now = self._options, time.monotonic()
        if options.max_jobs is not None and begun >= options.max_jobs:
            return f"it has taken {begun} jobs"
        if options.max_age is not None and now - self._born >= options.max_age:
            return f"it is {now - self._born:.0f} s old"
        if options.max_memory is not None:
            used = memory(os.getpid())
            if used > options.max_memory:
                return f"it takes {used} bytes of memory"
        return ""


def memory(pid: int) -> int:
    """Give the bytes of memory that a process has in use; 0 if that cannot be known."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_bytes().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        if pid != os.getpid():
            return 0
        # What it had at most: the best that other systems tell.
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
