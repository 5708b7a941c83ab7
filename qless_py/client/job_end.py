"""The wait for a job's end, without I/O: how long to wait still, and what a read of it means."""

import json
import time
from dataclasses import dataclass
from typing import Any, Final

from qless_py.client.events import Message
from qless_py.errors import (
    JobCanceledError,
    JobFailedError,
    ResultNotKeptError,
    WaitTimeoutError,
)
from qless_py.protocol import JobRecord, Record, arguments
from qless_py.protocol.canceled import CanceledJob
from qless_py.protocol.job_state import JobState
from qless_py.protocol.options import Seconds
from qless_py.protocol.settings import Settings

READ_EVERY: Final = 2.0


@dataclass(frozen=True, slots=True)
class Completed:
    """A job that completed and was deleted at once; it has left no result."""

    result: None = None


class JobWaiter:
    """The end of one job, waited for until a deadline."""

    def __init__(self, settings: Settings, jid: str, timeout: Seconds | None) -> None:
        self._settings = settings
        self._jid = jid
        self._mark = jid.encode()
        span = None if timeout is None else arguments.span("timeout", timeout) / 1000
        self._deadline = None if span is None else time.monotonic() + span
        self._read_at = 0.0
        self._completion: dict[str, Any] | None = None

    def concerns(self, message: Message | None) -> bool:
        """Return whether to read the job: an event names it, or it is time to read it anyway."""
        if message is not None and self._mark in message[1]:
            self._note_completion(message[1])
            return True
        return self.next_wait() <= 0

    def _note_completion(self, text: bytes) -> None:
        """Remember the event of the completion: the job may be deleted together with it."""
        event = json.loads(text)
        if event.get("jid") == self._jid:
            self._completion = event if event.get("event") == "completed" else None

    def next_wait(self) -> float:
        """Return the seconds to wait for a message."""
        now = time.monotonic()
        ends = [self._read_at] + ([] if self._deadline is None else [self._deadline])
        return max(0.0, min(ends) - now)

    def check(
        self, record: Record | None, canceled: CanceledJob | None = None
    ) -> JobState | Completed | None:
        """Return the job when it is complete, `None` while it has not ended.

        `canceled` is what is kept of a job that is gone.
        Raises `JobFailedError` or `JobCanceledError` for another end, `ResultNotKeptError` if the
        job completed and was deleted with its result, and `WaitTimeoutError` after the deadline.
        """
        if not isinstance(record, JobRecord):
            return self._deleted(canceled)
        job = JobState(self._settings, record)
        if job.state == "complete":
            return job
        if job.state == "failed":
            failure = job.failure
            raise JobFailedError(self._jid, failure.get("group", ""), failure.get("message", ""))
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            raise WaitTimeoutError(f"job {self._jid} is still {job.state}")
        self._read_at = now + READ_EVERY
        return None

    def _deleted(self, canceled: CanceledJob | None) -> Completed:
        if self._completion is None and canceled is not None:
            raise JobCanceledError(
                how_canceled(canceled), canceled.canceled_by, canceled.cancel_reason
            )
        if self._completion is None:
            raise JobCanceledError(
                f"job {self._jid} is gone: it was canceled, or it completed and was not kept"
            )
        if self._completion.get("result"):
            raise ResultNotKeptError(
                f"job {self._jid} completed, and its result was deleted at once: keep completed "
                "jobs with the options jobs-history and jobs-history-count"
            )
        return Completed()


def how_canceled(job: CanceledJob) -> str:
    """Return by whom and why a job was canceled, in a sentence."""
    by = f" by {job.canceled_by}" if job.canceled_by else ""
    reason = f": {job.cancel_reason}" if job.cancel_reason else ""
    return f"job {job.jid} was canceled{by}{reason}"
