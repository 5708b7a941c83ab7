"""The workers of a snapshot: which live, which are lost, their slots, and the queues they serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.overview.snapshot import Snapshot
from qless_py.protocol import reservers
from qless_py.protocol.workers import WorkerCounts

LOST_AFTER: Final = 60.0  # Seconds since a worker's last heartbeat.
_MAX_SLOTS: Final = 1_000_000


def live_workers(snapshot: Snapshot) -> list[WorkerCounts]:
    """Return the workers that were seen within the last minute."""
    return [one for one in snapshot.workers if snapshot.at - one["seen_at"] <= LOST_AFTER]


def lost_workers(snapshot: Snapshot) -> list[WorkerCounts]:
    """Return the workers that were not seen for a minute and still hold jobs."""
    return [
        one
        for one in snapshot.workers
        if snapshot.at - one["seen_at"] > LOST_AFTER and one["jobs"] + one["stalled"]
    ]


def worker_slots(snapshot: Snapshot) -> tuple[int, int]:
    """Return how many slots of the live workers are busy, and how many there are."""
    known = [one for one in live_workers(snapshot) if one["info"].get("slots")]
    total = sum(slot_count(one["info"]["slots"]) for one in known)
    return min(total, sum(slot_count(one["info"].get("busy")) for one in known)), total


def slot_count(value: object) -> int:
    """Validate a number that a worker reports; it could be anything."""
    return value if isinstance(value, int) and 0 <= value <= _MAX_SLOTS else 0


# The queue lists of live workers, and for each whether any of its workers accepts jobs. None if a
# worker does not report its queues.
Consumers = Mapping[tuple[str, ...], bool] | None


def consumers(snapshot: Snapshot) -> Consumers:
    """Return which queue lists are served, None if that is not known of all workers."""
    found: dict[tuple[str, ...], bool] = {}
    for worker in live_workers(snapshot):
        entries = worker["info"].get("queues")
        if not isinstance(entries, list) or not all(isinstance(one, str) for one in entries):
            return None
        found[tuple(entries)] = found.get(tuple(entries), False) or (
            worker["info"].get("state") != "quiet"
        )
    return found or None


def why_idle(queue: str, served: Consumers) -> str:
    """Return why no job of a queue runs: it is `unserved`, `quiet` or `stuck`."""
    if served is None:
        return "stuck"
    accepting = [
        is_accepting
        for entries, is_accepting in served.items()
        if queue == OPERATIONS_QUEUE or reservers.takes(entries, queue)
    ]
    if not accepting:
        return "unserved"
    return "stuck" if any(accepting) else "quiet"
