"""What a manager counts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from qless_py.client.client import Client
from qless_py.manager.events import ManagerStats


class Numbers:
    """Counters since the start. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: Counter[str] = Counter()

    def add(self, what: str) -> None:
        """Count one more."""
        with self._lock:
            self._done[what] += 1

    def snapshot(self, client: Client, topics: Sequence[str]) -> ManagerStats:
        """Give the counters, and the sizes of the topics' queues as they are now."""
        with self._lock:
            done = dict(self._done)
        sizes: Counter[str] = Counter()
        for topic in topics:
            counts = client.queues[topic].counts
            sizes["waiting"] += counts["waiting"] + counts["stalled"] + counts["throttled"]
            sizes["scheduled"] += counts["scheduled"] + counts["depends"]
            sizes["running"] += counts["running"]
        dead = sum(
            number
            for group, number in client.jobs.failed().items()
            if any(_is_of(group, topic) for topic in topics)
        )
        return ManagerStats(**done, **sizes, dead=dead)


def _is_of(group: str, topic: str) -> bool:
    return group == f"failed-retries-{topic}" or group.startswith(f"{topic}:")
