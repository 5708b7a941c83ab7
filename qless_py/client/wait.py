# Generated from qless_py/aio/wait.py by bin/generate-sync: edit that file.
"""Wait for the end of a job: woken by its event, and reading it again in case one was missed."""

from typing import Any

from qless_py.client.events import Subscription
from qless_py.client.job_end import JobWaiter
from qless_py.client.session import Session
from qless_py.protocol import canceled, jobs
from qless_py.protocol.options import Seconds


def wait(
    session: Session,
    jid: str,
    timeout: Seconds | None,
) -> Any:
    """Wait until the job has ended and return its result; see `Job.wait`."""
    end = JobWaiter(session.settings, jid, timeout)
    subscription = Subscription(session.redis, [session.settings.channel("log")])
    # Subscribed before the first read, so that no end falls between the two.
    subscription.open()
    try:
        while True:
            record = session.runner.run(jobs.read(jid))
            copy = None
            if record is None:
                copy = session.runner.run(canceled.read(session.settings, jid))
            ended = end.check(record, copy)
            if ended is not None:
                return ended.result
            losses = subscription.losses
            message = subscription.get(end.next_wait())
            while not end.concerns(message) and subscription.losses == losses:
                message = subscription.get(end.next_wait())
    finally:
        subscription.close()
