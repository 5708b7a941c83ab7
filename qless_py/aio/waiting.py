"""The asyncio twin of `qless_py.client.wait`."""

from datetime import timedelta
from typing import Any

from qless_py.aio.subscription import AsyncSubscription
from qless_py.client.session import AsyncSession
from qless_py.client.wait import Watch
from qless_py.protocol import reads
from qless_py.protocol.job_fields import JobAttributes


async def wait(
    session: AsyncSession,
    job: JobAttributes,
    timeout: float | timedelta | None,  # noqa: ASYNC109 - ends in an error of our own
) -> Any:
    """Wait for the job's end and give its result; see `Job.wait`."""
    watch = Watch(session.settings, job.jid, timeout)
    subscription = AsyncSubscription(session.redis, [session.settings.channel("log")])
    await subscription.open()
    try:
        while True:
            ended = watch.outcome(await session.run(reads.job(job.jid)))
            if ended is not None:
                return ended.result
            losses = subscription.losses
            heard = await subscription.get(watch.next_wait())
            while not watch.concerns(heard) and subscription.losses == losses:
                heard = await subscription.get(watch.next_wait())
    finally:
        await subscription.close()
