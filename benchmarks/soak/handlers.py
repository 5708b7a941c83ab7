"""Handlers of the several kinds of jobs."""

from __future__ import annotations

import time

from qless_py import Job, Retry


class ExpectedError(Exception):
    """Raised by the jobs that fail."""


def no_op(_job: Job) -> None:
    """Do nothing."""


def use_memory(job: Job) -> int:
    """Use memory, write to the job's log, and return a result."""
    job.log("started")
    return len(bytearray(job["bytes"]).decode())


def sleep(job: Job) -> None:
    """Sleep for `data["seconds"]`."""
    time.sleep(job["seconds"])


def fail(_job: Job) -> None:
    """Fail."""
    raise ExpectedError("this job always fails")


def retry_once(job: Job) -> None:
    """Ask for a retry on the first run."""
    if job.retries_left == job.original_retries:
        raise Retry(0)
