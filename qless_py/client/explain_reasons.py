"""The reasons for which a job is not running, each with what there is to know and in words.

Instants are seconds since 1970, `None` where there is none.
"""

from dataclasses import dataclass
from typing import Final

from qless_py.client.humanize import instant, plural

_MESSAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is in the way of a job, or what became of it."""

    def words(self, now: float) -> str:
        """Say it, as of that instant."""
        raise NotImplementedError

    def holds_back(self, now: float) -> bool:
        """Tell whether the job could not be taken at that instant for this reason."""
        del now
        return True


@dataclass(frozen=True, slots=True)
class Paused(Reason):
    """Its queue is paused."""

    queue: str
    since: float | None
    until: float | None
    reason: str | None
    by: str | None

    def words(self, now: float) -> str:
        """Say since when, until when, by whom and why."""
        said = f"queue {self.queue} is paused"
        said += f" since {instant(self.since, now)}" if self.since is not None else ""
        said += f" until {instant(self.until, now)}" if self.until is not None else ""
        said += f" by {self.by}" if self.by else ""
        return f"{said}: {self.reason}" if self.reason else said


@dataclass(frozen=True, slots=True)
class Scheduled(Reason):
    """Its time has not come, or nobody has looked since it came."""

    at: float | None

    def words(self, now: float) -> str:
        """Say when."""
        if not self.holds_back(now):
            return f"its time came at {instant(self.at, now)}"
        return f"it is scheduled at {instant(self.at, now)}"

    def holds_back(self, now: float) -> bool:
        """Tell whether its time is still to come."""
        return self.at is not None and self.at > now


@dataclass(frozen=True, slots=True)
class Parent:
    """A job that another waits for; the state is `gone` when it is not there any more."""

    jid: str
    state: str


@dataclass(frozen=True, slots=True)
class DependsOn(Reason):
    """It waits for other jobs: `number` of them, of which at most 100 are named."""

    parents: tuple[Parent, ...]
    number: int
    not_before: float | None

    def words(self, now: float) -> str:
        """Say for whom, and in which states they are."""
        named = ", ".join(f"{one.jid} ({one.state})" for one in self.parents[:10])
        more = f" and {self.number - 10:,} more" if self.number > 10 else ""  # noqa: PLR2004
        said = f"it waits for {plural(self.number, 'job')}: {named}{more}"
        if self.not_before is not None and self.not_before > now:
            said += f"; then until {instant(self.not_before, now)}"
        return said


@dataclass(frozen=True, slots=True)
class Throttled(Reason):
    """A throttle holds it back.

    `why`: `concurrency` (all slots are taken, by `holders`, of which ten are named), `rate` (too
    few tokens), `blocked`, `reserved` (kept for another job), `cost` (the job costs more than there
    can ever be). `next_at`: when time alone may change that.
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
        """Say which, why, and when that may end."""
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
    """Other jobs are before it: `ahead` of them of the same user (of none: without one).

    `users` of the queue have ready jobs and share it; `gate` is the throttle that the job and those
    before it are parked on.
    """

    queue: str
    ahead: int
    user: str | None
    gate: str | None
    users: int

    def words(self, now: float) -> str:
        """Say how many."""
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
        """Tell whether any job of its own user is before it."""
        del now
        return self.ahead > 0


@dataclass(frozen=True, slots=True)
class NoWorker(Reason):
    """Nobody has asked for jobs of the queue for a minute, and no live worker says it takes it."""

    queue: str

    def words(self, now: float) -> str:
        """Say so."""
        del now
        return f"no live worker takes queue {self.queue}"


@dataclass(frozen=True, slots=True)
class Busy(Reason):
    """Nobody has asked for jobs of the queue for a minute: those who take it have other work."""

    queue: str
    workers: int

    def words(self, now: float) -> str:
        """Say how many there are."""
        del now
        alive = (
            "1 worker that takes" if self.workers == 1 else f"{self.workers:,} workers that take"
        )
        return f"{alive} queue {self.queue} asked for no job in the last minute"


@dataclass(frozen=True, slots=True)
class Expired(Reason):
    """It was to run by then, and fails when its turn comes."""

    at: float | None

    def words(self, now: float) -> str:
        """Say when that was."""
        by = instant(self.at, now)
        return f"it was to start by {by}: when its turn comes it fails as expired"


@dataclass(frozen=True, slots=True)
class Running(Reason):
    """A worker has it, under a lease."""

    worker: str
    since: float | None
    expires_at: float | None
    is_lapsed: bool
    is_in_grace: bool
    worker_seen_at: float | None

    def words(self, now: float) -> str:
        """Say who has it since when, and how its lease stands."""
        said = f"worker {self.worker} has it since {instant(self.since, now)}"
        if self.is_in_grace:
            said += f"; its lease lapsed, and after a grace until {instant(self.expires_at, now)}"
            return f"{said} it is given to another worker"
        if self.is_lapsed:
            return f"{said}; its lease lapsed at {instant(self.expires_at, now)}"
        return f"{said}; its lease ends at {instant(self.expires_at, now)}"


@dataclass(frozen=True, slots=True)
class Failed(Reason):
    """It has failed."""

    group: str
    message: str
    at: float | None
    worker: str

    def words(self, now: float) -> str:
        """Say when, in which group, and why: by the first line, or the last one of a traceback."""
        lines = self.message.strip().splitlines() or [""]
        why = lines[-1 if lines[0].startswith("Traceback") else 0].strip()[:_MESSAGE]
        said = f"it failed at {instant(self.at, now)} as {self.group}"
        return f"{said}: {why}" if why else said


@dataclass(frozen=True, slots=True)
class Complete(Reason):
    """It is complete."""

    at: float | None

    def words(self, now: float) -> str:
        """Say since when."""
        return f"it completed at {instant(self.at, now)}"


@dataclass(frozen=True, slots=True)
class Recurring(Reason):
    """It makes jobs and never runs itself.

    `is_dry`: no client has worked out the next ticks of its cron expression yet.
    """

    next_at: float | None
    is_paused: bool
    is_over: bool
    is_dry: bool

    def words(self, now: float) -> str:
        """Say when the next job comes."""
        if self.is_over:
            return "it has come to its end and makes no more jobs"
        if self.is_paused:
            return "it is paused"
        if self.is_dry or self.next_at is None:
            return "no client has worked out its next ticks yet; any that pops does"
        return f"its next job comes at {instant(self.next_at, now)}"
