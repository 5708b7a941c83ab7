"""An eye on the memory of the process: which jobs make it grow, and when it is too much."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from qless_py.protocol import arguments as options
from qless_py.protocol.job_calls import JobVerbs

logger = logging.getLogger(__name__)

_STATM = Path("/proc/self/statm")


class MemoryWatch:
    """Middleware that says which job made the process larger by `growth` bytes or more.

    Above `limit` bytes, `over` is called with the job and the size after each run, by default to
    log a warning. To have such a process replaced, tell the worker its largest size instead.
    """

    def __init__(
        self,
        growth: int = 64 * 2**20,
        limit: int | None = None,
        over: Callable[[JobVerbs, int], object] | None = None,
    ) -> None:
        self._growth = options.whole("growth", growth, 1, 2**52)
        self._limit = None if limit is None else options.whole("limit", limit, 1, 2**52)
        self._over = over or _warn

    @contextlib.contextmanager
    def __call__(self, job: JobVerbs) -> Iterator[None]:
        """Watch one run."""
        before = resident()
        try:
            yield
        finally:
            after = resident()
            if after - before >= self._growth:
                logger.warning("%s made the process grow to %d bytes", job, after)
            if self._limit is not None and after > self._limit:
                self._over(job, after)


def resident() -> int:
    """Give the bytes of memory that this process has; the most it ever had, where /proc is not."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return pages * os.sysconf("SC_PAGE_SIZE")


def _warn(job: JobVerbs, size: int) -> None:
    logger.warning("after %s the process has %d bytes, more than it should", job, size)
