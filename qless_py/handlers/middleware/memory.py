"""Middleware that reports jobs by which the memory of the process grows."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from qless_py.handlers.job import HandledJob
from qless_py.protocol import arguments

logger = logging.getLogger(__name__)

_STATM = Path("/proc/self/statm")


class MemoryWatch:
    """Middleware that logs a warning when a job makes the process grow by `growth` bytes or more.

    After each run that ends above `limit` bytes, `over` is called with the job and the size; by
    default it logs a warning. To replace such a process, use the worker's `--max-memory` instead.
    """

    def __init__(
        self,
        growth: int = 64 * 2**20,
        limit: int | None = None,
        over: Callable[[HandledJob, int], object] | None = None,
    ) -> None:
        self._growth = arguments.whole("growth", growth, 1, 2**52)
        self._limit = None if limit is None else arguments.whole("limit", limit, 1, 2**52)
        self._over = over or _warn

    @contextlib.contextmanager
    def __call__(self, job: HandledJob) -> Iterator[None]:
        """Compare the memory before and after one run."""
        before = resident()
        try:
            yield
        finally:
            after = resident()
            if after - before >= self._growth:
                logger.warning(
                    "process grew by %d to %d bytes jid=%s klass=%s",
                    *(after - before, after, job.jid, job.klass_name),
                )
            if self._limit is not None and after > self._limit:
                self._over(job, after)


def resident() -> int:
    """Return the resident memory of this process in bytes; without /proc, its maximum so far."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return pages * os.sysconf("SC_PAGE_SIZE")


def _warn(job: HandledJob, size: int) -> None:
    logger.warning(
        "process has %d bytes, above its limit jid=%s klass=%s", size, job.jid, job.klass_name
    )
