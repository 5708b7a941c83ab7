"""Wait for the end of a job: woken by its event, and reading it again in case one was missed."""

from typing import Any

from qless_py.aio.events import AsyncSubscription
from qless_py.client.job_end import JobWaiter
from qless_py.client.session import AsyncSession
from qless_py.protocol import canceled, jobs
from qless_py.protocol.options import Seconds


async def wait(
    session: AsyncSession,
    jid: str,
    timeout: Seconds | None,  # noqa: ASYNC109 - ends in an error of our own
) -> Any:
    """Wait until the job has ended and return its result; see `Job.wait`."""
    end = JobWaiter(session.settings, jid, timeout)
    subscription = AsyncSubscription(session.redis, [session.settings.channel("log")])
    # Subscribed before the first read, so that no end falls between the two.
    await subscription.open()
    try:
        while True:
            record = await session.runner.run(jobs.read(jid))
            copy = None
            if record is None:
                copy = await session.runner.run(canceled.read(session.settings, jid))
            ended = end.check(record, copy)
            if ended is not None:
                return ended.result
            losses = subscription.losses
            message = await subscription.get(end.next_wait())
            while not end.concerns(message) and subscription.losses == losses:
                message = await subscription.get(end.next_wait())
    finally:
        await subscription.close()
