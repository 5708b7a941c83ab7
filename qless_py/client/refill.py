"""Answer the questions for ticks that pops bring along, never at the cost of the jobs they took.

A question waits until the next pop, or until there is no job in hand. Whatever goes wrong with an
answer is only said in the log: the server asks somebody else after ten seconds.
"""

import logging
from typing import Final, TypeVar

from qless_py import cron as schedule
from qless_py import protocol
from qless_py.client.session import AsyncSession, Session
from qless_py.protocol import Call
from qless_py.protocol.recurring import Question
from qless_py.protocol.settings import Settings

logger = logging.getLogger(__name__)

J = TypeVar("J")

_NOT_SENT: Final = "the next ticks of recurring jobs could not be sent"


def pop(session: Session, call: Call[list[J]]) -> list[J]:
    """Take jobs; answer what earlier pops were asked before, and this one if it has no jobs."""
    settings = session.settings
    if settings.questions:
        _send(session)
    jobs = session.run(call)
    if settings.questions and not jobs:
        _send(session)
    return jobs


def _send(session: Session) -> None:
    try:
        session.run_many(answers(session.settings))
    except Exception:  # Nothing about ticks may keep anybody from taking jobs.
        logger.warning(_NOT_SENT, exc_info=True)


async def apop(session: AsyncSession, call: Call[list[J]]) -> list[J]:
    """Do the same for asyncio."""
    settings = session.settings
    if settings.questions:
        await _asend(session)
    jobs = await session.run(call)
    if settings.questions and not jobs:
        await _asend(session)
    return jobs


async def _asend(session: AsyncSession) -> None:
    try:
        await session.run_many(answers(session.settings))
    except Exception:  # As above.
        logger.warning(_NOT_SENT, exc_info=True)


def answers(settings: Settings) -> list[Call[bool]]:
    """Work out the ticks that were asked for; what cannot be worked out is left out."""
    found: list[Call[bool]] = []
    while settings.questions:
        try:
            question = settings.questions.popleft()
        except IndexError:
            break  # Another thread was faster.
        try:
            found.append(answer(question))
        except Exception:  # As above.
            logger.warning("cannot work out the ticks of %s", question.jid, exc_info=True)
    return found


def answer(question: Question) -> Call[bool]:
    """Work out the ticks of one cron job: more of them, or all anew by newer zone data."""
    release = schedule.version()
    is_newer = release > question.zone_version
    after, count = question.horizon, max(schedule.AHEAD - question.ahead, 0)
    if is_newer:
        after, count = question.covered, schedule.AHEAD
    elif question.final:
        count = 0
    cron = schedule.Cron(question.cron, question.zone)
    plan = schedule.following(cron, after, count, question.start, question.end)
    return protocol.recurring.refill(
        question.jid,
        question.generation,
        after,
        plan.ticks,
        final=plan.final or (question.final and not is_newer),
        # Of all that is stored then, this is the oldest.
        zone_version=release if is_newer or plan.ticks else None,
    )
