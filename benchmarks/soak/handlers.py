"""Jobs of several kinds, as they come in the life of a worker."""

from __future__ import annotations

import time

from qless_py import Job, Retry


class RefusedError(Exception):
    """What some jobs end with."""


def nothing(_job: Job) -> None:
    """Do nothing."""


def much(job: Job) -> int:
    """Use memory, and log and return something."""
    job.log("has begun")
    return len(bytearray(job["bytes"]).decode())


def waits(job: Job) -> None:
    """Sleep."""
    time.sleep(job["seconds"])


def fails(_job: Job) -> None:
    """Fail."""
    raise RefusedError("as it always does")


def again(job: Job) -> None:
    """Be run a second time."""
    if job.retries_left == job.original_retries:
        raise Retry(0)
