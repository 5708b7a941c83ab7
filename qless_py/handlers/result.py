"""Turn what a handler returned or raised into the transition of its job.

| the handler | the job |
|---|---|
| returned | completes with the value as its result |
| raised `Retry`, `Snooze` or `Discard`, or a policy did | runs again later, or is deleted |
| raised `HandOff` | stays running: another worker completes it under the same lease |
| raised `GracefulStop` or `ImmediateStop` | is released: another worker runs it, at no cost |
| raised anything else | fails in the group `<klass>:<exception>` |
| raised a group of exceptions | as `outcomes.deciding` says |
| made a transition itself, by `job.complete()` for example | stays as it is |
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from qless_py.errors import BadArgumentError, HandlerNotFoundError, LostLeaseError, ProcessStop
from qless_py.handlers import exceptions
from qless_py.handlers.job import HandledJob
from qless_py.handlers.outcomes import Discard, HandOff, Outcome, Retry, Snooze, deciding
from qless_py.protocol import Call, jobs

logger = logging.getLogger(__name__)

_MAX_GROUP: Final = 255
_MAX_MESSAGE: Final = 60_000
# Modules, with those below them, whose frames stand between the worker's loop and the handler.
_AROUND_HANDLERS: Final = (
    *("qless_py.handlers.", "qless_py.worker.", "qless_py.manager.", "qless_py.testing."),
    *("qless_py.client.job.", "qless_py.task.", "qless_py.frameworks."),
    *("asyncio.", "concurrent.futures.", "contextlib.", "threading."),
    "sentry_sdk.",  # It wraps what threads run.
)


@dataclass(slots=True)  # A frozen one takes three times as long to create.
class Transition:
    """What became of a job: the call that reports it, or None if its handler has reported it."""

    job: HandledJob
    call: Call[Any] | None

    @classmethod
    def returned(cls, job: HandledJob, value: Any) -> Transition:
        """Complete a job whose handler returned, unless the handler made a transition itself."""
        if job.state != "running":
            return cls(job, None)
        try:
            return cls(job, jobs.complete_finally(job, value))
        except BadArgumentError as error:  # It cannot be encoded: the message says which part.
            return cls.failed(job, error, exceptions.text(error))
        except BaseException as error:  # noqa: BLE001 - code of the result, such as an __iter__
            return cls.raised(job, error)

    @classmethod
    def raised(cls, job: HandledJob, error: BaseException) -> Transition:
        """Fail a job whose handler raised, or apply the `Outcome` or the stop that it raised.

        Whatever the exception is, the job gets a transition.
        """
        try:
            return cls._raised(job, error)
        except BaseException as wrong:  # noqa: BLE001 - code of the exception, or of a log handler
            message = f"{exceptions.line(error)} (handling it raised {exceptions.line(wrong)})"
            return cls.failed(job, error, message)

    @classmethod
    def _raised(cls, job: HandledJob, error: BaseException) -> Transition:
        decided = deciding(error)
        if job.state != "running":
            if not exceptions.is_a(decided, ProcessStop):
                logger.warning(
                    "handler raised after it had ended its job jid=%s klass=%s state=%s",
                    *(job.jid, job.klass_name, job.state),
                    exc_info=exceptions.loggable(error),
                )
            return cls(job, None)
        if exceptions.is_a(decided, ProcessStop):
            return cls(job, jobs.release(job))
        if isinstance(decided, Outcome):
            try:
                return cls(job, _call(job, decided))
            except Exception as invalid:  # noqa: BLE001 - an invalid delay fails the job
                return cls.failed(job, invalid, describe(invalid))
        if exceptions.is_a(decided, LostLeaseError):
            logger.warning(
                "stopped after losing the lease jid=%s: %s", job.jid, exceptions.text(decided)
            )
        return cls.failed(job, decided, describe(error))

    @classmethod
    def refused(cls, job: HandledJob, error: Exception) -> Transition:
        """Fail a job whose transition the store refused, because of a result too large for example.

        Otherwise the job would run again each time its lease expires.
        """
        return cls.failed(
            job, error, f"the store refused the result of the job: {exceptions.text(error)}"
        )

    @classmethod
    def failed(cls, job: HandledJob, error: BaseException, message: str) -> Transition:
        """Fail a job in the group of its klass and the exception."""
        # Data that the handler changed is not sent: it may be what cannot be stored.
        group, message = _group(job, error), _truncate(message, _MAX_MESSAGE)
        return cls(job, jobs.fail_encoded(job.jid, job.lease, group, message))


def _call(job: HandledJob, outcome: Outcome) -> Call[Any]:
    match outcome:
        case Retry():
            return _retry(job, outcome)
        case Snooze():
            return jobs.snooze(job, outcome.delay)
        case HandOff():
            return jobs.hand_off(job, outcome.worker, outcome.seconds)
        case Discard():
            return jobs.discard(job)
    raise TypeError(f"{outcome!r} is no Retry, Snooze, HandOff or Discard")


def _retry(job: HandledJob, outcome: Retry) -> Call[Any]:
    cause = outcome.__cause__
    group, message, error = None, None, None
    if cause is not None:
        group, message = _group(job, deciding(cause)), _truncate(describe(cause), _MAX_MESSAGE)
        error = exceptions.line(deciding(cause)).encode("utf-8", "backslashreplace").decode()
    budget: dict[str, Any] = {"tries": outcome.tries, "apart": outcome.has_own_budget}
    return jobs.retry(job, outcome.delay, group, message, error=error, **budget)


def describe(error: BaseException) -> str:
    """Return the traceback from the handler's first frame on, or only the message.

    An exception that says everything in its message has an attribute `omit_traceback`.
    """
    if exceptions.is_a(error, HandlerNotFoundError) or exceptions.has_flag(error, "omit_traceback"):
        return exceptions.text(error)
    return exceptions.describe(error, _from_handler(error.__traceback__))


def _from_handler(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None:
        module = f"{trace.tb_frame.f_globals.get('__name__')}."
        if not module.startswith(_AROUND_HANDLERS):
            return trace
        trace = trace.tb_next
    return None


def _group(job: HandledJob, error: BaseException) -> str:
    return _truncate(f"{job.klass_name}:{exceptions.name(error)}", _MAX_GROUP)


def _truncate(text: str, size: int) -> str:
    """Return the last bytes of a text: a traceback ends with the exception."""
    encoded = text.encode("utf-8", "backslashreplace")
    return encoded[-size:].decode("utf-8", "ignore").replace("\x00", "\\0")
