"""One look at the whole namespace, shared by all viewers of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from qless_py.client import queue_calls, workers
from qless_py.client.client import Client
from qless_py.client.queue_calls import LARGEST_PAGE, Counts
from qless_py.client.session import answered
from qless_py.client.workers import WorkerCounts
from qless_py.protocol import Call, reads

_PART: Final = 100


def number(queue: Counts, state: str) -> int:
    """Give how many jobs a queue has in a state."""
    return cast("dict[str, int]", queue).get(state, 0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The numbers of one instant; `at` is in seconds."""

    at: float
    queues: Sequence[Counts]
    failures: dict[str, int]
    workers: Sequence[WorkerCounts]
    heads: dict[str, float | None] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> dict[str, tuple[int, float]]:
        """What waits in each queue: how many jobs, and for how many seconds the first of them."""
        return {
            queue["name"]: (number(queue, "waiting"), self.heads.get(queue["name"]) or 0.0)
            for queue in self.queues
        }

    def as_json(self) -> dict[str, Any]:
        """Give what live pages need: the sums, and the counts of each queue."""
        return {
            "at": self.at,
            "totals": self.totals,
            "failed": sum(self.failures.values()),
            "workers": len(self.workers),
            "queues": {queue["name"]: dict(queue) for queue in self.queues},
            "heads": self.heads,
        }


class Snapshots:
    """Takes a look at most every `refresh` seconds, however many ask; one thread looks at a time.

    Who asks meanwhile gets the last one. Nothing is written to the store.
    """

    def __init__(self, client: Client, refresh: float) -> None:
        self._client = client
        self._refresh = refresh
        self._lock = threading.Lock()
        self._last: Snapshot | None = None
        self._taken = 0.0

    def get(self) -> Snapshot:
        """Give a snapshot that is at most `refresh` seconds old, or being renewed."""
        last = self._last
        if last is not None and time.monotonic() - self._taken < self._refresh:
            return last
        if not self._lock.acquire(blocking=last is None):
            return last if last is not None else self.get()
        try:
            if self._last is None or time.monotonic() - self._taken >= self._refresh:
                self._last = self._take()
                self._taken = time.monotonic()
            return self._last
        finally:
            self._lock.release()

    def _take(self) -> Snapshot:
        """Read it all in three round trips: first pages, all others, heads of queues."""
        readers: tuple[Callable[[int], Call[Any]], ...] = (
            queue_calls.all_counts, _groups, workers.counts_call,
        )  # fmt: skip
        lists: list[list[Any]] = []
        rest: list[tuple[list[Any], Call[Any]]] = []
        firsts = answered(self._client.run_many([read(0) for read in readers]))
        for read, (total, rows) in zip(readers, firsts, strict=True):
            lists.append(rows)
            more = range(len(rows), total, len(rows)) if rows else ()
            rest += [(rows, read(at)) for at in more]
        others = answered(self._client.run_many([call for _, call in rest]))
        for (rows, _), (_, page) in zip(rest, others, strict=True):
            rows.extend(page)
        queues, groups, known = lists
        states = ("waiting", "running", "scheduled", "stalled", "depends", "throttled", "recurring")
        totals = {state: sum(number(queue, state) for queue in queues) for state in states}
        failures = {one.group: one.number for one in groups}
        now = self._client.settings.clock()
        return Snapshot(now, queues, failures, known, self._heads(queues), totals)

    def _heads(self, queues: Sequence[Counts]) -> dict[str, float | None]:
        """Read for how many seconds the first job of each queue has been ready."""
        names = [queue["name"] for queue in queues]
        parts = [names[first : first + _PART] for first in range(0, len(names), _PART)]
        answers = answered(self._client.run_many([reads.heads(part) for part in parts]))
        ages = zip(names, (age for answer in answers for age in answer), strict=True)
        return {name: None if age < 0 else age / 1000 for name, age in ages}


def _groups(offset: int) -> Call[tuple[int, list[reads.FailureGroup]]]:
    return reads.groups(offset, LARGEST_PAGE)
