"""One look at the whole namespace, shared by all viewers of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from qless_py.client import Client
from qless_py.protocol import reads
from qless_py.queue_calls import Counts
from qless_py.workers import WorkerCounts

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
        queues = self._client.queues.counts
        failures = self._client.jobs.failed()
        workers = self._client.workers.counts
        states = ("waiting", "running", "scheduled", "stalled", "depends", "throttled", "recurring")
        totals = {state: sum(number(queue, state) for queue in queues) for state in states}
        return Snapshot(
            self._client.settings.clock(), queues, failures, workers, self._heads(queues), totals
        )

    def _heads(self, queues: Sequence[Counts]) -> dict[str, float | None]:
        """Read for how many seconds the first job of each queue has been ready."""
        names = [queue["name"] for queue in queues]
        parts = [names[first : first + _PART] for first in range(0, len(names), _PART)]
        found: dict[str, float | None] = {}
        answers = self._client.run_many([reads.heads(part) for part in parts])
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, Exception):
                raise answer
            ages = zip(part, answer, strict=True)
            found.update({name: None if age < 0 else age / 1000 for name, age in ages})
        return found
