"""What the checks report: a finding, its status, advice, and the command that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.protocol.queues import Counts
from qless_py.protocol.workers import WorkerCounts

SHOWN: Final = 5  # Findings of one check, at most.
LIVE: Final = 60.0  # Seconds since the last heartbeat of a live worker.
_PAGES: Final = 50
_STATUSES: Final = ("ok", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, its status (ok, warn, fail), what to do about it, and by which command."""

    name: str
    status: str
    detail: str
    advice: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Commands:
    """Makes commands for the store under examination."""

    store: Sequence[str] = ()  # The options that chose the store on the command line.
    server: Sequence[str] = ()  # The options of redis-cli that lead to its server.

    def qless(self, *words: str) -> str:
        """Return a command of qless-py."""
        return shlex.join(("qless-py", *words, *self.store))

    def redis(self, *words: str) -> str:
        """Return a command of redis-cli."""
        return shlex.join(("redis-cli", *self.server, *words))


@dataclass
class Examination:
    """The store under examination, and what several checks read, each read once."""

    client: Client
    commands: Commands
    handler: tuple[str, ...] = ("--import", "MODULE")  # Options of `work` that name handlers.
    hanging_after: float = 3600.0
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def now(self) -> float:
        """The time of the server, in seconds."""
        return float(self.meta["now"]) / 1000

    @cached_property
    def meta(self) -> dict[str, Any]:
        """The header of the namespace."""
        found = self.client.run(protocol.namespace.meta())
        return dict(found)

    @cached_property
    def queues(self) -> list[Counts]:
        """The counts of all queues."""
        return self.client.queues.counts

    @cached_property
    def workers(self) -> list[WorkerCounts]:
        """The workers, the last seen first; of very many, those seen last."""
        rows: list[WorkerCounts] = []
        for _ in range(_PAGES):
            total, page = self.client.run(protocol.workers.counts(len(rows), 250))
            rows += page
            if not page or len(rows) >= total:
                break
        return rows

    def is_live(self, worker: WorkerCounts) -> bool:
        """Return whether a worker was seen in the last minute."""
        return self.now - worker["seen_at"] <= LIVE


def first(findings: Iterable[Check], all_of_them: str) -> Iterator[Check]:
    """Yield the first findings, and how many more there are; `all_of_them` lists them all."""
    listed = list(findings)
    # The worst first; a sort keeps the order of equals.
    listed.sort(key=lambda one: -_STATUSES.index(one.status))
    yield from listed[:SHOWN]
    if len(listed) > SHOWN:
        status = listed[SHOWN].status
        detail = f"{len(listed) - SHOWN:,} more of this kind"
        yield Check(listed[0].name, status, detail, "list all of them", all_of_them)
