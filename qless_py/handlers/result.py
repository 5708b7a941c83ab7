"""What the store is told about a job once its handler has returned or raised."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from typing import Any, Final

from qless_py import protocol
from qless_py.errors import HandlerNotFoundError, LostLeaseError, ProcessStop, QlessError
from qless_py.handlers.outcomes import Discard, Outcome, Retry, Snooze
from qless_py.protocol import Call
from qless_py.protocol import job_calls as verbs
from qless_py.protocol.job_calls import JobVerbs

logger = logging.getLogger(__name__)

_LONGEST_GROUP: Final = 255
_LONGEST_MESSAGE: Final = 60_000
# Modules whose frames stand between the worker and the handler; of a name all that is below it.
_AROUND: Final = (
    *("qless_py.handlers.executor.", "qless_py.handlers.middleware.", "qless_py.handlers.retry."),
    *("qless_py.worker.", "qless_py.manager.", "qless_py.testing."),
    *("qless_py.client.job.", "qless_py.task."),
    *("asyncio.", "concurrent.futures.", "contextlib.", "threading."),
)


class HandlerNotAllowedError(QlessError):
    """The job names a handler outside the modules that this worker may run."""

    tells_all = True  # A traceback would tell of the worker only.


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to tell the store about a job; nothing when its handler has already told it."""

    job: JobVerbs
    call: Call[Any] | None


def returned(job: JobVerbs, result: Any) -> Verdict:
    """Judge a handler that came to its end: without a verdict of its own the job is complete."""
    if job.state != "running":
        return Verdict(job, None)
    try:
        return Verdict(job, verbs.finish(job, result))
    except Exception as error:  # noqa: BLE001 - a result that cannot be written is the job's fault
        return raised(job, error)


def raised(job: JobVerbs, error: BaseException) -> Verdict:
    """Judge a handler that raised: the job fails, unless it has a verdict or is handed back."""
    if job.state != "running":
        if not isinstance(error, ProcessStop):
            logger.warning("%s raised after its verdict", job.klass_name, exc_info=error)
        return Verdict(job, None)
    if isinstance(error, ProcessStop):
        logger.info("handing %s back", job.jid)
        return Verdict(job, verbs.release(job))
    if isinstance(error, Outcome):
        return _chosen(job, error)
    if isinstance(error, LostLeaseError):
        logger.warning("%s ended because its lease was lost: %s", job.jid, error)
    else:
        logger.info("%s failed: %r", job.jid, error)
    return failed(job, error, _told(error))


def refused(job: JobVerbs, error: Exception) -> Verdict:
    """Judge a job whose verdict the store did not take, a result too large for example.

    Left alone it would run again and again, each time its lease lapses.
    """
    return failed(job, error, f"the store refused what came of the job: {error}")


def failed(job: JobVerbs, error: BaseException, message: str) -> Verdict:
    """Fail a job in the group of its klass and the exception."""
    # Without data that the handler changed: it may be the very thing that cannot be stored.
    call = protocol.jobs.fail(job.jid, job.lease, _group(job, error), _message(message))
    return Verdict(job, call)


def _chosen(job: JobVerbs, outcome: Outcome) -> Verdict:
    try:
        return Verdict(job, _call(job, outcome))
    except Exception as error:  # noqa: BLE001 - a delay that is none is the job's fault
        return failed(job, error, _told(error))


def _call(job: JobVerbs, outcome: Outcome) -> Call[Any]:
    match outcome:
        case Retry():
            return _retry(job, outcome)
        case Snooze():
            logger.info("%s is snoozed for %s s", job.jid, outcome.delay)
            return verbs.snooze(job, outcome.delay)
        case Discard():
            logger.info("%s is discarded: %s", job.jid, outcome.reason)
            return verbs.discard(job)
    raise TypeError(f"{outcome!r} does not say what becomes of the job")


def _retry(job: JobVerbs, outcome: Retry) -> Call[Any]:
    cause = outcome.__cause__
    logger.info("%s is run again in %s s: %r", job.jid, outcome.delay, cause or outcome)
    group, message = None, None
    if cause is not None:
        group, message = _group(job, cause), _message(_told(cause))
    counted: dict[str, Any] = {"tries": outcome.tries, "apart": outcome.apart}
    return verbs.retry(job, outcome.delay, group, message, **counted)


def _told(error: BaseException) -> str:
    """Give the traceback from the handler on, without the frames of the worker around it."""
    if isinstance(error, HandlerNotFoundError) or getattr(error, "tells_all", False):
        return str(error)
    trace = error.__traceback__
    while trace is not None and f"{trace.tb_frame.f_globals.get('__name__')}.".startswith(_AROUND):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _group(job: JobVerbs, error: BaseException) -> str:
    return _last(f"{job.klass_name}:{type(error).__name__}", _LONGEST_GROUP)


def _message(text: str) -> str:
    return _last(text, _LONGEST_MESSAGE)


def _last(text: str, size: int) -> str:
    """Give the end of a text, where an exception says what it is, in so many bytes."""
    encoded = text.encode("utf-8", "backslashreplace")
    return encoded[-size:].decode("utf-8", "ignore").replace("\x00", "\\0")
