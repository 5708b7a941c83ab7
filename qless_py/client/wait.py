"""Wait for the end of a job: woken by its event, and looking again in case one was missed."""

import contextlib
import time
from datetime import timedelta
from typing import Any

from qless_py.client.session import Session
from qless_py.client.subscription import Message, Subscription
from qless_py.errors import JobCanceledError, JobFailedError, WaitTimeoutError
from qless_py.protocol import JobRecord, Record, reads
from qless_py.protocol import arguments as checks
from qless_py.protocol.job_fields import JobAttributes
from qless_py.protocol.settings import Settings

LOOK_AGAIN = 2.0


class Watch:
    """How long to wait still, and what a look at the job means; no I/O."""

    def __init__(self, settings: Settings, jid: str, timeout: float | timedelta | None) -> None:
        self._settings = settings
        self._jid = jid
        self._mark = jid.encode()
        span = None if timeout is None else checks.span("timeout", timeout) / 1000
        self._deadline = None if span is None else time.monotonic() + span
        self._look_at = 0.0

    def concerns(self, message: Message | None) -> bool:
        """Tell whether to look at the job: its event came, or it is time to look anyway."""
        if message is not None and self._mark in message[1]:
            return True
        return self.next_wait() <= 0

    def next_wait(self) -> float:
        """Give the seconds to wait for a message."""
        now = time.monotonic()
        ends = [self._look_at] + ([] if self._deadline is None else [self._deadline])
        return max(0.0, min(ends) - now)

    def outcome(self, record: Record | None) -> JobAttributes | None:
        """Give the job when complete, `None` while it goes on; raise what else became of it."""
        if not isinstance(record, JobRecord):
            raise JobCanceledError(f"job {self._jid} is gone: canceled or expired")
        job = JobAttributes(self._settings, record)
        if job.state == "complete":
            return job
        if job.state == "failed":
            failure = job.failure
            raise JobFailedError(self._jid, failure.get("group", ""), failure.get("message", ""))
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            raise WaitTimeoutError(f"job {self._jid} is still {job.state}")
        self._look_at = now + LOOK_AGAIN
        return None


def wait(session: Session, job: JobAttributes, timeout: float | timedelta | None) -> Any:
    """Wait for the job's end and give its result; see `Job.wait`."""
    watch = Watch(session.settings, job.jid, timeout)
    channel = session.settings.channel("log")
    with contextlib.closing(Subscription(session.redis, [channel])) as subscription:
        while True:
            ended = watch.outcome(session.run(reads.job(job.jid)))
            if ended is not None:
                return ended.result
            losses = subscription.losses
            heard = subscription.get(watch.next_wait())
            while not watch.concerns(heard) and subscription.losses == losses:
                heard = subscription.get(watch.next_wait())
