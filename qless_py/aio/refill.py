"""Pop jobs, and compute the ticks of cron jobs that earlier pops asked for.

A request for ticks waits until the next pop, or until a pop has returned no job, so it never delays
a job. Whatever goes wrong with an answer is only logged: the server asks another client after ten
seconds.
"""

import logging
from typing import TypeVar

from qless_py.client.session import AsyncSession
from qless_py.protocol import Call
from qless_py.protocol.recurring import answers

logger = logging.getLogger(__name__)

J = TypeVar("J")


async def pop(session: AsyncSession, call: Call[list[J]]) -> list[J]:
    """Send a pop; answer the requests of earlier pops first, and its own if it has no jobs."""
    settings = session.settings
    if settings.tick_requests:
        await _send_ticks(session)
    jobs = await session.runner.run(call)
    if settings.tick_requests and not jobs:
        await _send_ticks(session)
    return jobs


async def _send_ticks(session: AsyncSession) -> None:
    try:
        await session.runner.run_many(answers(session.settings))
    except Exception:  # Nothing about ticks may keep a worker from taking jobs.
        logger.warning("the next ticks of recurring jobs could not be sent", exc_info=True)
