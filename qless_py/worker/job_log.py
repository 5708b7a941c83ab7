"""Lines about jobs: their starts and ends, failures, retries, crashes, lost leases."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from qless_py.client.humanize import error_line
from qless_py.client.job import Job
from qless_py.handlers import ending
from qless_py.handlers.logs import Event, fields_of, keep
from qless_py.protocol import Call, instrumentation
from qless_py.protocol.workers import DeathReply
from qless_py.worker.status_board import LeasedJob

logger = logging.getLogger("qless_py.jobs")

_ENDED: Final = frozenset(
    ("completed", "failed", "canceled", "snoozed", "released", "discarded", "handed-off")
)
_NUMBERS: Final[Mapping[str, int]] = {"info": logging.INFO, "debug": logging.DEBUG, "off": 0}


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
        _write(self._level, Event("job started", **self._fields(job), wait=job.waited))

    def ended(self, job: Job, call: Call[Any] | None, seconds: float) -> None:
        """Log what became of a job; `call` reports it, None if the handler has reported it."""
        keep()
        end = ending.of(job, call)
        if end.outcome == "failed":
            self._log_failure(job, end, seconds)
        elif end.outcome == "retried":
            self._log_retry(job, end, seconds)
        elif self._level and logger.isEnabledFor(self._level):
            outcome = job.state if end.by_handler else end.outcome
            more: dict[str, Any] = {"delay": end.delay} if end.outcome == "snoozed" else {}
            self._log_end(self._level, _text_of(end), job, seconds, outcome=outcome, **more)

    def _log_retry(self, job: Job, end: ending.Ending, seconds: float) -> None:
        self._log_end(
            logging.WARNING,
            "job retried",
            job,
            seconds,
            outcome="retried",
            delay=end.delay,
            reason=_reason(end.message) or "asked by its handler",
        )

    def _log_failure(self, job: Job, end: ending.Ending, seconds: float) -> None:
        if end.by_handler:
            self._log_end(logging.ERROR, _text_of(end), job, seconds, outcome="failed")
        elif logger.isEnabledFor(logging.ERROR):
            fields = {"outcome": "failed", "group": end.group}
            details = end.message.rstrip()
            self._log_end(logging.ERROR, "job failed", job, seconds, **fields, details=details)

    def _log_end(
        self, level: int, text: str, job: Job, seconds: float, *, details: str = "", **more: Any
    ) -> None:
        if logger.isEnabledFor(level):
            fields = {**self._fields(job), "wait": job.waited, "run": seconds, **more}
            _write(level, Event(text, details=details, **fields))

    def _fields(self, job: Job) -> dict[str, Any]:
        fields = fields_of(job)
        if self._worker:
            fields["worker"] = self._worker
        if instrumentation.current is not None:
            fields |= instrumentation.current.ids(job)
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


def _text_of(end: ending.Ending) -> str:
    if end.by_handler:
        return f"job {end.outcome if end.outcome in _ENDED else 'ended'} by its handler"
    return f"job {end.outcome}" if end.outcome in _ENDED else f"job ended by {end.outcome}"


def _write(level: int, event: Event) -> None:
    # Without a search for the line of code, which takes as long as all the rest.
    logger.handle(logging.LogRecord(logger.name, level, "", 0, event, (), None))


def _reason(message: str) -> str:
    """Return the line of a traceback that says what went wrong, shortened."""
    return error_line(message)[:300]
