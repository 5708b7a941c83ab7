"""When a child is replaced between two jobs: by the number of its jobs, its memory, its age."""

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

_UNLIMITED: Final = 1 << 30


class Recycling:
    """The limits of one child, whose age counts from now."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._started_at = time.monotonic()
        self._is_due = False

    def remaining(self, fetched: int) -> int:
        """Return how many more jobs the child may fetch after having fetched `fetched`."""
        most = self._options.max_jobs
        return _UNLIMITED if most is None else max(0, most - fetched)

    def is_due(self, fetched: int) -> bool:
        """Return whether to replace the child after it has fetched `fetched` jobs."""
        if not self._is_due:
            reason = self._reason(fetched)
            if reason:
                logger.info("child is replaced, reached its limit %s", reason)
                self._is_due = True
        return self._is_due

    def _reason(self, fetched: int) -> str:
        options, age = self._options, time.monotonic() - self._started_at
        if options.max_jobs is not None and fetched >= options.max_jobs:
            return f"jobs={fetched} max_jobs={options.max_jobs}"
        if options.max_age is not None and age >= options.max_age:
            return f"age={age:.0f} max_age={options.max_age:g}"
        if options.max_memory is not None:
            used = memory_usage(os.getpid())
            if used > options.max_memory:
                return f"memory={used} max_memory={options.max_memory}"
        return ""


def memory_usage(pid: int) -> int:
    """Return the bytes of memory that a process has in use, or 0 where that is unknown."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_bytes().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        if pid != os.getpid():
            return 0
        # Its peak, which is the best that other systems report.
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
