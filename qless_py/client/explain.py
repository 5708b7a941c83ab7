"""Why a job is not running now, as data and in words.

    print(client.explain(jid))

    3f2a… waits in queue mail:
    - queue mail is paused since 2026-11-21 08:00:00 UTC (5 min ago) by ada: maintenance
    - 1,204 jobs of user alice are before it

Each kind of reason is a class. Times are Unix seconds, `None` where there is none.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from qless_py.client.humanize import ago, error_line, instant, plural
from qless_py.protocol import Call, jobs, reservers
from qless_py.protocol.job_state import OVERDUE_AFTER, EndedBy

_MESSAGE: Final = 200
_NAMED: Final = 10

R = TypeVar("R", bound="Reason")

_STATES: Final[Mapping[str, str]] = {
    "waiting": "waits in queue {queue}",
    "stalled": "was taken from its worker and waits at the front of {queue}",
    "throttled": "is held back in queue {queue}",
    "scheduled": "is scheduled in queue {queue}",
    "depends": "waits for other jobs before queue {queue}",
    "running": "is running, from queue {queue}",
    "failed": "has failed, in queue {queue}",
    "complete": "is complete",
    "recur": "is a recurring job of queue {queue}",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that holds a job back, or what happened to it."""

    def words(self, now: float) -> str:
        """Describe the reason as of a time."""
        raise NotImplementedError

    def holds_back(self, now: float) -> bool:
        """Return whether this reason prevents a pop from taking the job at a time."""
        del now
        return True


@dataclass(frozen=True, slots=True)
class Paused(Reason):
    """The job's queue is paused."""

    queue: str
    since: float | None
    until: float | None
    reason: str | None
    by: str | None

    def words(self, now: float) -> str:
        """Describe since when, until when, by whom and why."""
        said = f"queue {self.queue} is paused"
        said += f" since {instant(self.since, now)}" if self.since is not None else ""
        said += f" until {instant(self.until, now)}" if self.until is not None else ""
        said += f" by {self.by}" if self.by else ""
        return f"{said}: {self.reason}" if self.reason else said


@dataclass(frozen=True, slots=True)
class Scheduled(Reason):
    """The job is not due yet, or has come due since the last pop."""

    at: float | None

    def words(self, now: float) -> str:
        """Describe when."""
        if not self.holds_back(now):
            return f"its time came at {instant(self.at, now)}"
        return f"it is scheduled at {instant(self.at, now)}"

    def holds_back(self, now: float) -> bool:
        """Return whether the job is not due yet."""
        return self.at is not None and self.at > now


@dataclass(frozen=True, slots=True)
class Parent:
    """A job that another waits for; its state is `gone` if it does not exist any more."""

    jid: str
    state: str


@dataclass(frozen=True, slots=True)
class DependsOn(Reason):
    """The job waits for `number` other jobs, of which at most 100 are named."""

    parents: tuple[Parent, ...]
    number: int
    not_before: float | None

    def words(self, now: float) -> str:
        """Describe which jobs, and their states."""
        ended = [one for one in self.parents if one.state in {"complete", "gone"}]
        said = []
        if left := self.number - len(ended):
            live = [one for one in self.parents if one not in ended]
            said.append(f"it waits for {plural(left, 'job')}: {_named(live, left)}")
        if ended:
            said.append(f"the next pop releases it from {_named(ended, len(ended))}")
        if self.not_before is not None and self.not_before > now:
            said.append(f"then until {instant(self.not_before, now)}")
        return "; ".join(said)


def _named(parents: Sequence[Parent], number: int) -> str:
    named = ", ".join(f"{one.jid} ({one.state})" for one in parents[:_NAMED])
    return f"{named} and {number - _NAMED:,} more" if number > _NAMED else named


@dataclass(frozen=True, slots=True)
class Throttled(Reason):
    """A throttle holds the job back.

    `why`: `concurrency` (all slots are taken by `holders`, of which ten are named), `rate` (too few
    tokens), `blocked`, `reserved` (for another job), or `cost` (the job costs more tokens than the
    throttle can hold). `next_at`: when time alone may change that.
    """

    throttle: str
    why: str
    next_at: float | None
    cost: float
    concurrency: int | None
    rate: float | None
    per: float | None
    burst: float | None
    tokens: float | None
    blocked_until: float | None
    reserved_for: str | None
    holding: int
    holders: tuple[str, ...]

    def words(self, now: float) -> str:
        """Describe which throttle, why, and when that may end."""
        kind, colon, name = self.throttle.partition(":")
        own = colon and kind in {"queue", "user"}
        whose = f"{kind} {name}" if own else f"throttle {self.throttle}"
        return f"{whose} {self._why(now)}"

    def _why(self, now: float) -> str:
        if self.why == "concurrency":
            most = plural(self.concurrency or 0, "job")
            held = f": {', '.join(self.holders)}" if self.holders else ""
            return f"lets {most} run at once, and {self.holding:,} run{held}"
        if self.why == "rate":
            then = f"; enough at {instant(self.next_at, now)}" if self.next_at is not None else ""
            return (
                f"gives {self.rate:g} every {self.per:g} s and has {self.tokens:.3g} of the "
                f"{self.cost:g} that the job costs{then}"
            )
        if self.why == "blocked":
            return f"is blocked until {instant(self.blocked_until, now)}"
        if self.why == "reserved":
            return f"keeps its room for {self.reserved_for}, which was passed over too often"
        return f"never holds the {self.cost:g} that the job costs, but {self.burst or 0:g} at most"


@dataclass(frozen=True, slots=True)
class Behind(Reason):
    """Other jobs come first: `ahead` of them belong to the same user, or to none if it has none.

    `users` have ready jobs in the queue and share it. `gate` is the throttle that the job and those
    before it are parked on.
    """

    queue: str
    ahead: int
    user: str | None
    gate: str | None
    users: int

    def words(self, now: float) -> str:
        """Describe how many."""
        del now
        of_user = "" if self.user is None else f" of user {self.user}"
        parked = "" if self.gate is None else f" parked on throttle {self.gate}"
        if self.ahead:
            verb = "is" if self.ahead == 1 else "are"
            said = f"{plural(self.ahead, 'job')}{of_user}{parked} {verb} before it"
        else:
            said = f"it is the first{' job' * bool(of_user)}{of_user}{parked}"
        others = self.users - (self.gate is None)
        if others <= 0:
            return said
        share = "shares" if others == 1 else "share"
        return f"{said}; {plural(others, 'other user')} {share} the queue"

    def holds_back(self, now: float) -> bool:
        """Return whether a job of the same user comes first."""
        del now
        return self.ahead > 0


@dataclass(frozen=True, slots=True)
class NoWorker(Reason):
    """Nobody popped from the queue for a minute, and no live worker takes jobs of it.

    `quiet` workers that are registered for it are paused.
    """

    queue: str
    quiet: int = 0

    def words(self, now: float) -> str:
        """Describe which queue."""
        del now
        said = f"no live worker takes queue {self.queue}"
        if not self.quiet:
            return said
        return f"{said}; registered for it: {plural(self.quiet, 'quiet worker')}"


@dataclass(frozen=True, slots=True)
class Unregistered(Reason):
    """Clients popped from the queue within a minute, and no live worker is registered for it.

    They may be a loop of your own, or somebody who popped once. `asked_at` is the last pop that is
    recorded, if any.
    """

    queue: str
    asked_at: float | None

    def words(self, now: float) -> str:
        """Describe the last pop."""
        said = f"no registered worker takes queue {self.queue}"
        if self.asked_at is None:
            return f"{said}; a client popped jobs from it recently"
        return f"{said}; a client popped {ago(self.asked_at, now)}"

    def holds_back(self, now: float) -> bool:
        """Return False: the next pop can take the job."""
        del now
        return False


@dataclass(frozen=True, slots=True)
class Busy(Reason):
    """No pop asked for jobs of the queue for a minute: the workers of the queue are busy."""

    queue: str
    workers: int

    def words(self, now: float) -> str:
        """Describe how many workers there are."""
        del now
        alive = (
            "1 worker that takes" if self.workers == 1 else f"{self.workers:,} workers that take"
        )
        return f"{alive} queue {self.queue} asked for no job in the last minute"


@dataclass(frozen=True, slots=True)
class Expired(Reason):
    """The job has expired, and fails when its turn comes."""

    at: float | None

    def words(self, now: float) -> str:
        """Describe when it expired."""
        by = instant(self.at, now)
        return f"it was to start by {by}: when its turn comes it fails as expired"


@dataclass(frozen=True, slots=True)
class Running(Reason):
    """A worker runs the job under a lease."""

    worker: str
    since: float | None
    expires_at: float | None
    is_lapsed: bool
    is_in_grace: bool
    worker_seen_at: float | None

    def words(self, now: float) -> str:
        """Describe which worker runs it since when, and the state of its lease."""
        said = f"worker {self.worker} has it since {instant(self.since, now)}"
        if self.is_in_grace:
            said += f"; its lease lapsed, and after a grace until {instant(self.expires_at, now)}"
            return f"{said} it is given to another worker"
        if self.is_lapsed:
            return f"{said}; its lease lapsed at {instant(self.expires_at, now)}"
        return f"{said}; its lease ends at {instant(self.expires_at, now)}"


@dataclass(frozen=True, slots=True)
class Failed(Reason):
    """The job has failed."""

    group: str
    message: str
    at: float | None
    worker: str

    def words(self, now: float) -> str:
        """Describe when, in which group, and why."""
        why = error_line(self.message)[:_MESSAGE]
        said = f"it failed at {instant(self.at, now)} as {self.group}"
        return f"{said}: {why}" if why else said


@dataclass(frozen=True, slots=True)
class LastAttempt(Reason):
    """The last run of the job ended, and the job is to run again.

    `what` is how: `retried`, `timed-out` (its worker lost it) or `crashed` (its worker died).
    """

    what: str
    at: float | None
    worker: str
    group: str
    error: str

    def words(self, now: float) -> str:
        """Describe when and why the run ended."""
        ends = {"retried": "failed and is retried", "timed-out": "lost its lease"}
        said = f"its last run {ends.get(self.what, 'crashed')} at {instant(self.at, now)}"
        said += f" on worker {self.worker}" if self.worker else ""
        said += f" as {self.group}" if self.group else ""
        return f"{said}: {self.error}" if self.error else said

    def holds_back(self, now: float) -> bool:
        """Return False: the reason why the job waits is another."""
        del now
        return False


@dataclass(frozen=True, slots=True)
class Complete(Reason):
    """The job is complete."""

    at: float | None

    def words(self, now: float) -> str:
        """Describe since when."""
        return f"it completed at {instant(self.at, now)}"


@dataclass(frozen=True, slots=True)
class Recurring(Reason):
    """A recurring job, which puts jobs and never runs itself.

    `is_dry`: no client has computed the next ticks of its cron expression yet. `ended_by` says why
    it is over: "limit", "end" or "expression".
    """

    next_at: float | None
    is_paused: bool
    is_over: bool
    is_dry: bool
    ended_by: EndedBy | None = None

    def words(self, now: float) -> str:
        """Describe when the next job is put."""
        if self.is_over:
            return f"it has ended and puts no more jobs: {_ENDS[self.ended_by]}"
        if self.is_paused:
            return "it is paused"
        if self.is_dry or self.next_at is None:
            return "no client has worked out its next ticks yet; any that pops does"
        if now - self.next_at > OVERDUE_AFTER:
            return f"its next job has been overdue since {instant(self.next_at, now)}: nothing pops"
        return f"its next job comes at {instant(self.next_at, now)}"


_ENDS: Final[Mapping[EndedBy | None, str]] = {
    None: "nothing is left to put",
    "limit": "its limit is reached",
    "end": "no tick is left before its end",
    "expression": "its cron expression has no further tick",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a job waits for, in the order in which it must be resolved; `str()` describes it.

    A job that runs, has ended or recurs has one reason, which holds the details of that. `at` is
    when the store was asked, in Unix seconds.
    """

    jid: str
    state: str
    queue: str
    at: float
    reasons: tuple[Reason, ...]

    @property
    def words(self) -> list[str]:
        """Each reason in words."""
        return [reason.words(self.at) for reason in self.reasons]

    @property
    def is_ready(self) -> bool:
        """Whether the next pop of its queue can take the job."""
        ready = self.state in {"waiting", "stalled", "throttled", "scheduled"}
        return ready and not any(reason.holds_back(self.at) for reason in self.reasons)

    def of(self, kind: type[R]) -> list[R]:
        """Return the reasons of one kind."""
        return [reason for reason in self.reasons if isinstance(reason, kind)]

    def __str__(self) -> str:
        head = _STATES.get(self.state, "is {state}").format(queue=self.queue, state=self.state)
        lines = [f"{self.jid} {head}:", *(f"- {words}" for words in self.words)]
        if self.is_ready:
            lines.append("- the next pop of the queue can take it")
        return "\n".join(lines)


def read(jid: str) -> Call[Explanation]:
    """Read why a job is not running; the reply is `JobNotFoundError` if there is no such job."""
    return jobs.explain(jid).map(_explanation)


def _explanation(reply: Mapping[str, Any]) -> Explanation:
    queue = str(reply.get("queue", ""))
    rows = [(str(row["kind"]), _Row(row)) for row in reply.get("reasons") or ()]
    found = (_READERS[kind](row, queue) for kind, row in rows if kind in _READERS)
    reasons = tuple(one for one in found if one is not None)
    return Explanation(
        str(reply["jid"]), str(reply["state"]), queue, float(reply["now"]) / 1000, reasons
    )


class _Row:
    """One reason as the store returns it."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def at(self, name: str = "at") -> float | None:
        value = self._row.get(name)
        return None if value is None else float(value) / 1000

    def number(self, name: str) -> float | None:
        value = self._row.get(name)
        return None if value is None else float(value)

    def count(self, name: str) -> int:
        return int(self._row.get(name) or 0)

    def text(self, name: str) -> str | None:
        value = self._row.get(name)
        return None if value is None else str(value)

    def flag(self, name: str) -> bool:
        return bool(self._row.get(name, False))

    def list(self, name: str) -> list[Any]:
        return list(self._row.get(name) or ())


def _paused(row: _Row, queue: str) -> Reason:
    return Paused(queue, row.at("since"), row.at("until"), row.text("reason"), row.text("by"))


def _depends(row: _Row, _: str) -> Reason:
    parents = tuple(Parent(str(jid), str(state)) for jid, state in row.list("on"))
    return DependsOn(parents, row.count("number"), row.at())


def _throttled(row: _Row, _: str) -> Reason:
    slots, per = row.number("concurrency"), row.at("per")
    return Throttled(
        throttle=row.text("throttle") or "",
        why=row.text("why") or "",
        next_at=row.at("next_at"),
        cost=row.number("cost") or 0.0,
        concurrency=None if slots is None else int(slots),
        rate=row.number("rate"),
        per=per,
        burst=row.number("burst"),
        tokens=row.number("tokens"),
        blocked_until=row.at("blocked_until"),
        reserved_for=row.text("reserved_for"),
        holding=row.count("holding"),
        holders=tuple(str(jid) for jid in row.list("holders")),
    )


def _unasked(row: _Row, queue: str) -> Reason | None:
    states = [_state(info) for info in row.list("infos") if _takes(info, queue)]
    quiet = states.count("quiet")
    workers = len(states) - quiet
    asked_at = row.at("asked_at")
    is_served = asked_at is not None or row.flag("running")
    if workers:
        return None if is_served else Busy(queue, workers)
    return Unregistered(queue, asked_at) if is_served else NoWorker(queue, quiet)


def _takes(info: Any, queue: str) -> bool:
    """Return whether a worker is registered for a queue; the store does not check its entries."""
    try:
        entries = json.loads(info)["queues"]
        return reservers.takes(entries, queue)
    except (TypeError, ValueError, KeyError, AttributeError):
        return False


def _state(info: Any) -> Any:
    """Return the state that a worker with valid entries reports."""
    return json.loads(info).get("state")


def _running(row: _Row, _: str) -> Reason:
    return Running(
        worker=row.text("worker") or "",
        since=row.at(),
        expires_at=row.at("expires_at"),
        is_lapsed=row.flag("lapsed"),
        is_in_grace=row.flag("grace"),
        worker_seen_at=row.at("seen_at"),
    )


def _failed(row: _Row, _: str) -> Reason:
    return Failed(
        row.text("group") or "", row.text("message") or "", row.at(), row.text("worker") or ""
    )


def _attempt(row: _Row, _: str) -> Reason:
    return LastAttempt(
        what=row.text("what") or "",
        at=row.at(),
        worker=row.text("worker") or "",
        group=row.text("group") or "",
        error=row.text("error") or "",
    )


def _recurring(row: _Row, _: str) -> Reason:
    is_over = row.flag("over")
    ended_by: EndedBy | None = None
    if is_over:
        limit = row.number("limit")
        ended_by = "end" if row.at("end") is not None else "expression"
        ended_by = "limit" if limit is not None and row.count("made") >= limit else ended_by
    return Recurring(row.at("next_at"), row.flag("paused"), is_over, row.flag("dry"), ended_by)


def _behind(row: _Row, queue: str) -> Reason:
    return Behind(queue, row.count("ahead"), row.text("user"), row.text("gate"), row.count("users"))


_READERS: Final[Mapping[str, Callable[[_Row, str], Reason | None]]] = {
    "paused": _paused,
    "scheduled": lambda row, _: Scheduled(row.at()),
    "depends": _depends,
    "throttled": _throttled,
    "behind": _behind,
    "unasked": _unasked,
    "expired": lambda row, _: Expired(row.at()),
    "running": _running,
    "failed": _failed,
    "attempt": _attempt,
    "complete": lambda row, _: Complete(row.at()),
    "recurring": _recurring,
}
