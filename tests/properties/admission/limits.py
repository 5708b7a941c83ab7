"""A model of throttles in plain Python: which jobs may run, and from when on."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

EASE = 1e-6
"""What rounding may cost, to the one side or the other."""

Settings = dict[str, Any]


@dataclass(slots=True)
class Throttle:
    """The limits of one throttle, its bucket, and what was taken since the limits were set."""

    settings: Settings = field(default_factory=dict)
    tokens: float = 0
    at: int = 0
    blocked_until: int = 0
    taken: list[tuple[int, float]] = field(default_factory=list)

    @property
    def burst(self) -> float:
        return float(self.settings.get("burst", max(self.settings["rate"], 1)))

    @property
    def speed(self) -> float:
        """Tokens in a millisecond."""
        return float(self.settings["rate"]) / float(self.settings.get("per", 1000))

    def full_at(self, now: int) -> float:
        return min(self.burst, self.tokens + (now - self.at) * self.speed)

    def change(self, settings: Settings, now: int) -> None:
        """Set new limits; an existing bucket keeps its tokens, up to the new size."""
        kept = self.full_at(now) if "rate" in self.settings else math.inf
        self.settings, self.taken = settings, []
        if "rate" in settings:
            self.tokens, self.at = min(kept, self.burst), now

    def take(self, cost: float, now: int) -> None:
        """Take tokens if there is a bucket, and check that no interval granted too many."""
        if "rate" not in self.settings:
            return
        self.tokens, self.at = self.full_at(now) - cost, now
        self.taken.append((now, cost))
        total = 0.0
        for at, one in reversed(self.taken):
            total += one
            allowed = self.burst + (now - at) * self.speed
            assert total <= allowed + EASE, f"{total} taken in {now - at} ms, allowed are {allowed}"

    def ready_at(self, cost: float, now: int) -> float:
        """Return when that many tokens are available without a block, if no other job takes any."""
        start = float(max(now, self.blocked_until))
        if "rate" not in self.settings:
            return start
        if cost > self.burst + EASE:
            return math.inf
        lacking = cost - self.full_at(now)
        return max(start, now + lacking / self.speed)


@dataclass(slots=True)
class Waiting:
    """A job that waits for admission, or has it; `costs` names every throttle that it meets."""

    jid: str
    queue: str
    costs: dict[str, float]


class Limits:
    """All throttles of a namespace, and who holds them now."""

    def __init__(self) -> None:
        self.throttles: dict[str, Throttle] = {}
        self.holders: dict[str, set[str]] = {}

    def of(self, name: str) -> Throttle:
        return self.throttles.setdefault(name, Throttle())

    def seat(self, running: Iterable[tuple[Waiting, set[str]]]) -> None:
        """Return who runs, and what each was force-released from."""
        self.holders = {}
        for job, excused in running:
            for name in job.costs:
                if name not in excused:
                    self.holders.setdefault(name, set()).add(job.jid)

    def free(self, name: str) -> float:
        limit = self.of(name).settings.get("concurrency", math.inf)
        return float(limit - len(self.holders.get(name, ())))

    def refusal(self, job: Waiting, now: int, reserved: dict[str, Settings]) -> str | None:
        """Return which throttle keeps a job from running; `reserved` slots belong to other jobs."""
        for name, cost in job.costs.items():
            kept = reserved.get(name, {})
            mine = not kept or kept["jid"] == job.jid
            slots, tokens = (0, 0.0) if mine else (1, float(kept.get("cost", 1)))
            if self.free(name) - slots < 1:
                return f"{name} (concurrency)"
            if self.of(name).ready_at(cost + tokens, now) > now:
                return f"{name} (rate or block)"
        return None

    def admit(self, job: Waiting, now: int) -> None:
        """Record that a job runs; fails if a limit forbids it."""
        for name, cost in job.costs.items():
            throttle = self.of(name)
            assert self.free(name) >= 1, f"{job.jid} makes {name} run more than its concurrency"
            assert throttle.blocked_until <= now, f"{job.jid} runs while {name} is blocked"
            if "rate" in throttle.settings:
                tokens = throttle.full_at(now)
                assert tokens + EASE >= cost, f"{job.jid} needs {cost} of {name}, {tokens} there"
            throttle.take(cost, now)
            self.holders.setdefault(name, set()).add(job.jid)

    def opens_at(self, job: Waiting, now: int) -> float:
        """Return when a job that only tokens and blocks delay may run."""
        if any(self.free(name) < 1 for name in job.costs):
            return math.inf
        times = [self.of(name).ready_at(cost, now) for name, cost in job.costs.items()]
        return max(times, default=now)
