"""Lines about jobs: their starts and ends, failures, retries, crashes, lost leases."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from qless_py.client.humanize import error_line
from qless_py.client.job import Job
from qless_py.handlers.logs import Event, fields_of, keep
from qless_py.protocol import Call
from qless_py.protocol.call import unpack
from qless_py.protocol.workers import DeathReply
from qless_py.worker.status_board import LeasedJob

logger = logging.getLogger("qless_py.jobs")

_NUMBERS: Final[Mapping[str, int]] = {"info": logging.INFO, "debug": logging.DEBUG, "off": 0}
# Of the calls that end a run: the event, and the outcome.
_OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "complete": ("job completed", "completed"),
    "snooze": ("job snoozed", "snoozed"),
    "release": ("job released", "released"),
    "discard": ("job discarded", "discarded"),
}
# Of jobs that their handlers have ended: the states that say how.
_STATES: Final[Mapping[str, str]] = {
    "complete": "completed",
    "failed": "failed",
    "canceled": "canceled",
}
_EXHAUSTED: Final = "it has no retries left"


class JobLog:
    """Logs the start and the end of each job of a worker.

    Starts, and ends that need no attention, are logged at `level`: info, debug or off. A retried
    job is a warning, one that failed for good an error with its traceback.
    """

    def __init__(self, worker: str = "", level: str = "info") -> None:
        self._worker = worker
        self._level = _NUMBERS[level]

    def started(self, job: Job) -> None:
        """Log that the handler of a job is entered, and how long the job has waited."""
        if not self._level or not logger.isEnabledFor(self._level):
            return
        _write(self._level, Event("job started", **self._fields(job), wait=_waited(job)))

    def ended(self, job: Job, call: Call[Any] | None, seconds: float) -> None:
        """Log what became of a job; `call` reports it, None if the handler has reported it."""
        keep()
        if call is None:
            text, outcome = f"job {_STATES.get(job.state, 'ended')} by its handler", job.state
            if outcome == "failed":
                self._log_end(logging.ERROR, text, job, seconds, outcome=outcome)
                return
        elif call.script == "fail":
            self._log_failure(job, str(call.args[2]), str(call.args[3]), seconds)
            return
        elif call.script == "retry":
            self._log_retry(job, call, seconds)
            return
        else:
            text, outcome = _OUTCOMES.get(call.script, (f"job ended by {call.script}", call.script))
        if not self._level or not logger.isEnabledFor(self._level):
            return
        more: dict[str, Any] = (
            {"delay": int(call.args[2]) / 1000} if outcome == "snoozed" and call else {}
        )
        self._log_end(self._level, text, job, seconds, outcome=outcome, **more)

    def _log_retry(self, job: Job, call: Call[Any], seconds: float) -> None:
        delay, options = int(call.args[2]) / 1000, call.args[3]
        given = (unpack(options) or {}) if isinstance(options, bytes) and options else {}
        group, message = str(given.get("group", "")), str(given.get("message", ""))
        if job.retries_left < 1 and not given.get("apart"):
            self._log_failure(job, group or "failed-retries", message or _EXHAUSTED, seconds)
            return
        self._log_end(
            logging.WARNING,
            "job retried",
            job,
            seconds,
            outcome="retried",
            delay=delay,
            reason=_reason(message) or "asked by its handler",
        )

    def _log_failure(self, job: Job, group: str, message: str, seconds: float) -> None:
        if not logger.isEnabledFor(logging.ERROR):
            return
        fields = {"outcome": "failed", "group": group}
        self._log_end(logging.ERROR, "job failed", job, seconds, **fields, details=message.rstrip())

    def _log_end(
        self, level: int, text: str, job: Job, seconds: float, *, details: str = "", **more: Any
    ) -> None:
        if logger.isEnabledFor(level):
            fields = {**self._fields(job), "wait": _waited(job), "run": seconds, **more}
            _write(level, Event(text, details=details, **fields))

    def _fields(self, job: Job) -> dict[str, Any]:
        fields = fields_of(job)
        if self._worker:
            fields["worker"] = self._worker
        return fields


def held_fields(leased: LeasedJob, worker: str) -> dict[str, str]:
    """Return what the supervisor knows of a job that a child holds."""
    return {"jid": leased.jid, "queue": leased.queue, "klass": leased.klass, "worker": worker}


def log_crash(leased: LeasedJob, worker: str, cause: str, seconds: float) -> None:
    """Log that the process of a job has died."""
    event = Event("job crashed", **held_fields(leased, worker), cause=cause, run=seconds)
    logger.warning(event)


def logging_failures(
    call: Call[DeathReply], known: Mapping[str, LeasedJob], worker: str, cause: str
) -> Call[DeathReply]:
    """Return the report of a death that logs, once it is answered, which jobs failed for good."""

    def log(reply: DeathReply) -> DeathReply:
        for jid in reply.failed:
            leased = known.get(jid)
            fields = {"jid": jid, "worker": worker}
            if leased is not None:
                fields = held_fields(leased, worker)
            logger.error(
                Event("job failed after crashes", **fields, outcome="failed", last_cause=cause)
            )
        return reply

    return call.map(log)


def logging_state(call: Call[str], job: Job, worker: str, cause: str) -> Call[str]:
    """Return the report of a job's crash that logs, once it is answered, if the job has failed."""

    def log(state: str) -> str:
        if state == "failed":
            fields = {**fields_of(job), "worker": worker, "outcome": "failed", "last_cause": cause}
            logger.error(Event("job failed after crashes", **fields))
        return state

    return call.map(log)


def _write(level: int, event: Event) -> None:
    # Without a search for the line of code, which takes as long as all the rest.
    logger.handle(logging.LogRecord(logger.name, level, "", 0, event, (), None))


def _waited(job: Job) -> float:
    """Return the seconds from when the job could run, as far as its record says, to its pop."""
    order = job.fields.get("order")
    if isinstance(order, str):
        order = order.encode("utf-8", "surrogateescape")
    if not isinstance(order, bytes) or job.popped_at is None:
        return 0.0
    # It begins with the instant at which the job became ready, in milliseconds.
    return max(0.0, job.popped_at - int.from_bytes(order[:6], "big") / 1000)


def _reason(message: str) -> str:
    """Return the line of a traceback that says what went wrong, shortened."""
    return error_line(message)[:300]
