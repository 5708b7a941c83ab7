"""From a job to its verdict: find the handler, if it is allowed, run it, judge what came of it."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py import protocol, verbs
from qless_py.errors import HandlerNotFoundError, ImmediateStop, LostLeaseError, QlessError
from qless_py.job import Job
from qless_py.protocol import Call

logger = logging.getLogger(__name__)

_LONGEST_GROUP: Final = 255
_LONGEST_MESSAGE: Final = 60_000
_AROUND: Final = frozenset({"qless_py.worker.child", "qless_py.worker.perform", "qless_py.job"})


class HandlerNotAllowedError(QlessError):
    """The job names a handler outside the modules that this worker may run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to tell the store about a job; nothing when its handler has already told it."""

    job: Job
    call: Call[Any] | None


def run(job: Job, imports: Sequence[str]) -> Any:
    """Call the job's handler and give what it returns; raises whatever it raises."""
    if not _is_below(job.klass_name, imports):
        raise HandlerNotAllowedError(_not_allowed(job.klass_name, imports))
    target = job.klass
    # A name may reach through an allowed module into one that it imported: myapp.jobs.os.system.
    home = getattr(target, "__module__", None) or ""
    if not inspect.ismodule(target) and not _is_below(f"{home}.", imports):
        where = f"{job.klass_name} (of {home or 'no module'})"
        raise HandlerNotAllowedError(_not_allowed(where, imports))
    result = job.perform()
    if inspect.iscoroutine(result):
        result.close()
        raise HandlerNotFoundError(
            f"{job.klass_name} is async, and handlers are not: let it call asyncio.run"
        )
    return result


def returned(job: Job, result: Any) -> Verdict:
    """Judge a handler that came to its end: without a verdict of its own the job is complete."""
    if job.state != "running":
        return Verdict(job, None)
    try:
        return Verdict(job, verbs.complete(job, None, None, None, None, result))
    except Exception as error:  # noqa: BLE001 - a result that cannot be written is the job's fault
        return raised(job, error)


def raised(job: Job, error: BaseException) -> Verdict:
    """Judge a handler that raised: the job fails, unless it has a verdict or is handed back."""
    if job.state != "running":
        logger.warning("%s raised after its verdict", job.klass_name, exc_info=error)
        return Verdict(job, None)
    if isinstance(error, ImmediateStop):
        logger.info("handing %s back", job.jid)
        return Verdict(job, verbs.release(job))
    if isinstance(error, LostLeaseError):
        logger.warning("%s ended because its lease was lost: %s", job.jid, error)
    else:
        logger.info("%s failed: %r", job.jid, error)
    return failed(job, error, _told(error))


def refused(job: Job, error: Exception) -> Verdict:
    """Judge a job whose verdict the store did not take, a result too large for example.

    Left alone it would run again and again, each time its lease lapses.
    """
    return failed(job, error, f"the store refused what came of the job: {error}")


def failed(job: Job, error: BaseException, message: str) -> Verdict:
    """Fail a job in the group of its klass and the exception."""
    group = _last(f"{job.klass_name}:{type(error).__name__}", _LONGEST_GROUP)
    # Without data that the handler changed: it may be the very thing that cannot be stored.
    call = protocol.jobs.fail(job.jid, job.lease, group, _last(message, _LONGEST_MESSAGE))
    return Verdict(job, call)


def _told(error: BaseException) -> str:
    """Give the traceback from the handler on, without the frames of the worker around it."""
    if isinstance(error, (HandlerNotAllowedError, HandlerNotFoundError)):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in _AROUND:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _is_below(name: str, imports: Sequence[str]) -> bool:
    return any(name.startswith(f"{one}.") for one in imports)


def _not_allowed(what: str, imports: Sequence[str]) -> str:
    allowed = ", ".join(imports) or "none"
    return f"{what} is not below a module that this worker may run (--import: {allowed})"


def _last(text: str, size: int) -> str:
    """Give the end of a text, where an exception says what it is, in so many bytes."""
    encoded = text.encode("utf-8", "backslashreplace")
    return encoded[-size:].decode("utf-8", "ignore").replace("\x00", "\\0")
