"""The past of a job, read from its history: its attempts, and how long it waited and ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from qless_py.client.humanize import error_line
from qless_py.protocol.job_state import JobState

Kind = Literal["waited", "delayed", "depends", "ran", "failed"]

# How an attempt ended, by the entry of the history that ended it.
_OUTCOMES: Final[Mapping[str, str]] = {
    "done": "completed",
    "failed": "failed",
    "retried": "retried",
    "crashed": "crashed",
    "timed-out": "timed out",
    "released": "released",
    "snoozed": "snoozed",
    "backed-off": "backed off",
    "force-finished": "finished by hand",
}
_LOST: Final = "lost its lease"
_MOVED: Final = "put again"
_UNSUCCESSFUL: Final = frozenset({"failed", "retried", "crashed", "timed out", _LOST})
# Entries that transitions write; all others come from `job.log`.
_ENTRIES: Final = frozenset({*_OUTCOMES, "put", "popped", "handed-off", "edited", "restored"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job.

    `started_at` is None if the history does not reach back so far, `ended_at` while it runs.
    `error` is one line; `message` is the text of the failure, with its traceback, as far as it is
    kept.
    """

    started_at: float | None
    ended_at: float | None
    worker: str
    outcome: str
    group: str = ""
    error: str = ""
    message: str = ""

    @property
    def duration(self) -> float | None:
        """Seconds from its start to its end, as far as both are known."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(self.ended_at - self.started_at, 0.0)

    @property
    def is_unsuccessful(self) -> bool:
        """Whether it ended with an error, a crash or a lost lease."""
        return self.outcome in _UNSUCCESSFUL


@dataclass(frozen=True, slots=True)
class Phase:
    """A span in the life of a job, in which it waited, was delayed, ran, or stayed failed.

    `outcome` is that of the attempt, for a phase in which it ran.
    """

    kind: Kind
    start: float
    end: float
    outcome: str = ""

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        return max(self.end - self.start, 0.0)


@dataclass(frozen=True, slots=True)
class Past:
    """What the history of a job tells, oldest first."""

    attempts: list[Attempt]
    phases: list[Phase]
    log: list[dict[str, Any]]

    def total(self, kind: Kind) -> float:
        """Return how many seconds the job spent in phases of one kind."""
        return sum(phase.duration for phase in self.phases if phase.kind == kind)


def read(job: JobState, now: float) -> Past:
    """Return the attempts and phases of a job until now, and the lines of its log."""
    reader = _Reader(_messages(job))
    log = []
    for entry in job.history:
        if entry["what"] in _ENTRIES:
            reader.add(entry)
        else:
            log.append(entry)
    reader.finish(job, now)
    return Past(reader.attempts, reader.phases, log)


def _messages(job: JobState) -> dict[float, dict[str, Any]]:
    """Return the failures that are kept, by the instant at which the job failed."""
    kept = [*job.earlier_failures, *([job.failure] if job.failure else [])]
    return {one["when"]: one for one in kept if "when" in one}


@dataclass(slots=True)
class _Reader:
    """Goes through a history, oldest entry first."""

    messages: Mapping[float, Mapping[str, Any]]
    attempts: list[Attempt] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    # The attempt that runs now, since when the job is idle, how, and until when it is delayed.
    running: Attempt | None = None
    since: float | None = None
    idle: Kind = "waited"
    due: float | None = None

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take one entry of a transition."""
        what, when = str(entry["what"]), float(entry["when"])
        if what == "put":
            self._put(when)
        elif what == "popped":
            self._end_idle(when)
            self.running = Attempt(when, None, str(entry.get("worker", "")), "running")
        elif what == "handed-off" and self.running is not None:
            workers = f"{self.running.worker} → {entry.get('worker', '')}"
            self.running = replace(self.running, worker=workers)
        elif what in _OUTCOMES:
            self._end(what, when, entry)

    def _put(self, when: float) -> None:
        if self.running is not None:
            self._close(replace(self.running, ended_at=when, outcome=_MOVED))
        else:
            self._end_idle(when)
        self._wait(when)

    def _wait(self, since: float, due: float | None = None) -> None:
        self.since, self.idle, self.due = since, "waited", due

    def _end(self, what: str, when: float, entry: Mapping[str, Any]) -> None:
        """Take an entry that ends an attempt, or fails a job that does not run."""
        running = self.running or self._in_grace(what, entry)
        if running is None and what in {"failed", "force-finished"}:
            self._end_idle(when)
            self._explain_last(what, when)
        else:
            lost = what == "timed-out" and entry.get("reason") == "lost lease"
            started = running or Attempt(None, None, str(entry.get("worker", "")), "")
            outcome = _LOST if lost else _OUTCOMES[what]
            ended = replace(started, ended_at=when, outcome=outcome)
            self._close(self._with_error(ended, entry))
        self._wait(when, entry.get("due_at"))
        if what == "failed":
            self.idle = "failed"
        elif what in {"done", "force-finished"}:
            self.since = None

    def _in_grace(self, what: str, entry: Mapping[str, Any]) -> Attempt | None:
        """Reopen an attempt whose worker ended it after all, within its grace period."""
        last = self.attempts[-1] if self.attempts else None
        # Without a worker, a failed entry is that of the store, which gave the job up.
        is_of_store = what == "timed-out" or (what == "failed" and "worker" not in entry)
        if last is None or last.outcome != _LOST or is_of_store:
            return None
        self.attempts.pop()
        if self.phases and self.phases[-1].kind == "ran":
            self.phases.pop()
        return last

    def _explain_last(self, what: str, when: float) -> None:
        """Give the last attempt the failure that it led to, having lost its lease or crashed."""
        failure = self.messages.get(when)
        if what == "failed" and self.attempts and self.attempts[-1].is_unsuccessful and failure:
            last = self.attempts[-1]
            if not last.message:
                self.attempts[-1] = replace(
                    last,
                    group=str(failure.get("group", "")),
                    message=str(failure.get("message", "")),
                    error=last.error or error_line(str(failure.get("message", ""))),
                )

    def _with_error(self, attempt: Attempt, entry: Mapping[str, Any]) -> Attempt:
        failure = self.messages.get(attempt.ended_at or 0.0, {})
        message = str(failure.get("message", ""))
        return replace(
            attempt,
            group=str(entry.get("group") or failure.get("group") or ""),
            error=str(entry.get("error") or entry.get("cause") or error_line(message)),
            message=message,
        )

    def _close(self, attempt: Attempt) -> None:
        self.running = None
        self.attempts.append(attempt)
        if attempt.started_at is not None and attempt.ended_at is not None:
            span = (attempt.started_at, attempt.ended_at)
            self.phases.append(Phase("ran", *span, attempt.outcome))

    def _end_idle(self, until: float) -> None:
        """Add the phases since the job was put or last ran."""
        start, due = self.since, self.due
        self.since = None
        if start is None:
            return
        if self.idle == "waited" and due is not None and due > start:
            self.phases.append(Phase("delayed", start, min(due, until)))
            start = due
        if until > start:
            self.phases.append(Phase(self.idle, start, until))

    def finish(self, job: JobState, now: float) -> None:
        """Add what lasts until now."""
        if self.running is not None:
            attempt, self.running = self.running, None
            self.attempts.append(attempt)
            self.phases.append(Phase("ran", attempt.started_at or now, now, attempt.outcome))
        elif job.state in {"scheduled", "depends"} and self.since is not None:
            self.idle, self.due = "delayed" if job.state == "scheduled" else "depends", None
            self._end_idle(now)
        elif job.state != "failed":
            self._end_idle(now)
