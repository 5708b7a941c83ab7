"""The counters of a manager."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from qless_py.client.client import Client
from qless_py.manager.events import ManagerStats


class Metrics:
    """Counters since the start. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Increase a counter by one."""
        with self._lock:
            self._counts[name] += 1

    def snapshot(self, client: Client, topics: Sequence[str]) -> ManagerStats:
        """Return the counters, and the present sizes of the topics' queues."""
        with self._lock:
            counts = dict(self._counts)
        sizes: Counter[str] = Counter()
        for topic in topics:
            queue = client.queues[topic].counts
            sizes["waiting"] += queue["waiting"] + queue["stalled"] + queue["throttled"]
            sizes["scheduled"] += queue["scheduled"] + queue["depends"]
            sizes["running"] += queue["running"]
        dead = sum(
            number
            for group, number in client.jobs.failed().items()
            if any(_belongs_to(group, topic) for topic in topics)
        )
        return ManagerStats(**counts, **sizes, dead=dead)


def _belongs_to(group: str, topic: str) -> bool:
    return group == f"failed-retries-{topic}" or group.startswith(f"{topic}:")
