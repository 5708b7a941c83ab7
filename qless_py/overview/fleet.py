"""The workers of a snapshot by host and supervisor: their states, slots and memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py.overview.workers import LOST_AFTER, slot_count
from qless_py.protocol.workers import WorkerCounts

_FAR: Final = 1e11  # Seconds: an instant that no clock shows.
_MAX_LINE: Final = 200
_MOST_BYTES: Final = 2**60
STATES: Final = ("active", "quiet", "stopping", "lost")


@dataclass(frozen=True, slots=True)
class Child:
    """One worker: a process that runs jobs. What it reports of itself may be anything."""

    counts: WorkerCounts
    state: str

    @property
    def name(self) -> str:
        """Its name in the store."""
        return self.counts["name"]

    @property
    def info(self) -> dict[str, Any]:
        """What it reports of itself."""
        return self.counts.get("info") or {}

    @property
    def seen_at(self) -> float:
        """When it was last heard of, in Unix seconds."""
        return self.counts["seen_at"]

    @property
    def held(self) -> int:
        """How many jobs it holds, with or without a valid lease."""
        return self.counts["jobs"] + self.counts["stalled"]

    @property
    def stalled(self) -> int:
        """How many of its jobs have no valid lease."""
        return self.counts["stalled"]

    @property
    def host(self) -> str:
        """Its host, "" if it reports none."""
        return _line(self.info.get("host"))

    @property
    def supervisor(self) -> str:
        """The name that addresses all workers of the same supervisor, or "" if it is unknown."""
        name = f"{self.host}-{_line(self.info.get('parent'))}"
        return name if self.host and self.name.startswith(f"{name}-") else ""

    @property
    def slots(self) -> int:
        """How many jobs it can run at once; none once it is lost."""
        return 0 if self.state == "lost" else slot_count(self.info.get("slots"))

    @property
    def busy(self) -> int:
        """How many of its slots run a job."""
        return min(self.slots, slot_count(self.info.get("busy")))

    @property
    def rss(self) -> int | None:
        """Its memory in bytes, if it reports it."""
        return _number(self.info.get("rss"))

    @property
    def started_at(self) -> float | None:
        """When it started, in Unix seconds, if it reports that."""
        value = self.info.get("started_at")
        return float(value) if isinstance(value, int | float) and 0 <= value < _FAR else None


@dataclass(frozen=True, slots=True)
class Fleet:
    """Several workers: all of them, those of a host, or those of a supervisor."""

    name: str
    children: Sequence[Child]

    @property
    def states(self) -> dict[str, int]:
        """How many workers are in each state that occurs."""
        found = Counter(one.state for one in self.children)
        return {state: found[state] for state in STATES if found[state]}

    @property
    def slots(self) -> int:
        """How many jobs they can run at once."""
        return sum(one.slots for one in self.children)

    @property
    def busy(self) -> int:
        """How many of their slots run a job."""
        return sum(one.busy for one in self.children)

    @property
    def held(self) -> int:
        """How many jobs they hold."""
        return sum(one.held for one in self.children)

    @property
    def rss(self) -> int | None:
        """The memory of those that report it."""
        known = [one.rss for one in self.children if one.rss is not None]
        return sum(known) if known else None

    @property
    def seen_at(self) -> float:
        """The latest time at which one of them was heard of."""
        return max(one.seen_at for one in self.children)

    @property
    def started_at(self) -> float | None:
        """When the oldest of them started."""
        return min((one.started_at for one in self.children if one.started_at), default=None)

    def reported(self, field: str) -> list[str]:
        """Return the different values of a field, such as the versions."""
        found: dict[str, None] = {}
        for one in self.children:
            value = one.info.get(field)
            for part in value if isinstance(value, list) else [value]:
                if part is not None:
                    found[_line(part)] = None
        return list(found)

    def hosts(self) -> list[Fleet]:
        """Return the fleets of its hosts by name; workers that report no host come last."""
        return self._parts([one.host for one in self.children])

    def supervisors(self) -> list[Fleet]:
        """Return the fleets of its supervisors by name; workers without one come last."""
        return self._parts([one.supervisor for one in self.children])

    def _parts(self, names: Sequence[str]) -> list[Fleet]:
        parts: dict[str, list[Child]] = {}
        for name, child in zip(names, self.children, strict=True):
            parts.setdefault(name, []).append(child)
        return [Fleet(name, parts[name]) for name in sorted(parts, key=_unnamed_last)]


def read_fleet(workers: Iterable[WorkerCounts], now: float) -> Fleet:
    """Return all workers in the order in which they are shown: by host, supervisor and name."""
    found = [Child(one, state_of(one, now)) for one in workers]
    found.sort(key=lambda one: (_unnamed_last(one.host), _unnamed_last(one.supervisor), one.name))
    return Fleet("", found)


def state_of(worker: WorkerCounts, now: float) -> str:
    """Return whether a worker takes jobs, is quiet, stops, or has sent no heartbeat."""
    if now - worker["seen_at"] > LOST_AFTER:
        return "lost"
    state = (worker.get("info") or {}).get("state")
    return state if state in {"quiet", "stopping"} else "active"


def _line(value: object) -> str:
    return str(value)[:_MAX_LINE] if isinstance(value, str | int) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < _MOST_BYTES else None


def _unnamed_last(name: str) -> tuple[bool, str]:
    return not name, name
