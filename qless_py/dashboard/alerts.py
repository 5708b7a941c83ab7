"""The alerts of the overview: what is stuck, failing, slow, idle or growing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qless_py.client import humanize
from qless_py.client.humanize import plural
from qless_py.dashboard.live import Snapshot, count
from qless_py.dashboard.timeseries import MetricRow
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.protocol import reservers

STUCK_AFTER: Final = 60.0  # Seconds.
LOST_AFTER: Final = 60.0  # Seconds since a worker's last heartbeat.
_RECENT_ROWS: Final = 5
_NEW_FOR: Final = 3600.0
_MAX_SLOTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Alert:
    """A problem or a notice. `kind` is bad, warn or info; `view` and `target` are its link."""

    kind: str
    text: str
    view: str
    target: dict[str, str]


def find_alerts(
    snapshot: Snapshot, rows: Sequence[MetricRow], failing_since: Mapping[str, float | None]
) -> list[Alert]:
    """Return the alerts of a snapshot and of the metrics of the last hour, the worst first.

    `failing_since` maps failure groups to the instant their oldest job failed.
    """
    found = [
        *_queue_alerts(snapshot), *_worker_alerts(snapshot), *_slot_alerts(snapshot),
        *_failure_alerts(rows), *_new_groups(snapshot, failing_since), *_growth(rows),
    ]  # fmt: skip
    order = ("bad", "warn", "info")
    return sorted(found, key=lambda alert: order.index(alert.kind))


def _queue_alerts(snapshot: Snapshot) -> Iterator[Alert]:
    consumers = _consumers(snapshot)
    for queue in snapshot.queues:
        name = queue["name"]
        target = {"name": name}
        age = snapshot.heads.get(name)
        if queue["paused"]:
            text = f"{name} is paused: {plural(count(queue, 'waiting'), 'job')} waiting"
            yield Alert("info", text, "queue", target)
        elif age is not None and age >= STUCK_AFTER:
            oldest = f"oldest job waiting {humanize.duration(age)}"
            if count(queue, "running"):
                text = f"{name} is behind: {oldest}, {count(queue, 'running')} running"
                yield Alert("warn", text, "queue", target)
            else:
                text = f"{name} is stuck: {oldest}, {_why_idle(name, consumers)}"
                yield Alert("bad", text, "queue", target)
        if stalled := count(queue, "stalled"):
            text = f"{name} has {plural(stalled, 'stalled job')}"
            yield Alert("warn", text, "queue", {**target, "tab": "stalled"})


# The queue lists of live workers, and for each whether any of its workers accepts jobs. None if a
# worker does not report its queues.
_Consumers = Mapping[tuple[str, ...], bool] | None


def _consumers(snapshot: Snapshot) -> _Consumers:
    found: dict[tuple[str, ...], bool] = {}
    for worker in snapshot.workers:
        if snapshot.at - worker["seen_at"] > LOST_AFTER:
            continue
        entries = worker["info"].get("queues")
        if not isinstance(entries, list) or not all(isinstance(one, str) for one in entries):
            return None
        found[tuple(entries)] = found.get(tuple(entries), False) or (
            worker["info"].get("state") != "quiet"
        )
    return found or None


def _why_idle(queue: str, consumers: _Consumers) -> str:
    if consumers is None:
        return "none running"
    accepting = [
        is_accepting
        for entries, is_accepting in consumers.items()
        if queue == OPERATIONS_QUEUE or reservers.takes(entries, queue)
    ]
    if not accepting:
        return "no worker for this queue"
    return "none running" if any(accepting) else "its workers are quiet"


def _worker_alerts(snapshot: Snapshot) -> Iterator[Alert]:
    for worker in snapshot.workers:
        if snapshot.at - worker["seen_at"] > LOST_AFTER and worker["jobs"]:
            seen = humanize.ago(worker["seen_at"], snapshot.at)
            text = f"{worker['name']} is lost: holds {plural(worker['jobs'], 'job')}, seen {seen}"
            yield Alert("bad", text, "worker", {"name": worker["name"]})
    waiting = snapshot.totals.get("waiting", 0)
    if waiting and not any(snapshot.at - one["seen_at"] <= LOST_AFTER for one in snapshot.workers):
        text = f"no workers in the last minute: {plural(waiting, 'job')} waiting"
        yield Alert("bad", text, "workers", {})


def worker_slots(snapshot: Snapshot) -> tuple[int, int]:
    """Return how many slots of the live workers are busy, and how many there are."""
    live = [one for one in snapshot.workers if snapshot.at - one["seen_at"] <= LOST_AFTER]
    known = [one for one in live if one["info"].get("slots")]
    total = sum(_slot_count(one["info"]["slots"]) for one in known)
    return min(total, sum(_slot_count(one["info"].get("busy")) for one in known)), total


def _slot_count(value: object) -> int:
    """Validate a number that a worker reports; it could be anything."""
    return value if isinstance(value, int) and 0 <= value <= _MAX_SLOTS else 0


def _slot_alerts(snapshot: Snapshot) -> Iterator[Alert]:
    busy, total = worker_slots(snapshot)
    waiting = snapshot.totals.get("waiting", 0)
    if total and busy == total and waiting > total:
        text = f"all {plural(total, 'worker slot')} busy, {plural(waiting, 'job')} waiting: "
        yield Alert("warn", text + "add workers", "workers", {})
    elif total and not busy and not waiting:
        text = f"idle: no jobs waiting, 0 of {plural(total, 'worker slot')} busy"
        yield Alert("info", text, "workers", {})


def _new_groups(snapshot: Snapshot, failing_since: Mapping[str, float | None]) -> Iterator[Alert]:
    for group, since in failing_since.items():
        if since is not None and snapshot.at - since <= _NEW_FOR:
            text = f"new failure: {group}, first seen {humanize.ago(since, snapshot.at)}"
            yield Alert("warn", text, "failure", {"group": group})


def _failure_alerts(rows: Sequence[MetricRow]) -> Iterator[Alert]:
    recent = rows[-_RECENT_ROWS:]
    failed, completed = sum(row.failed for row in recent), sum(row.completed for row in recent)
    if failed and failed >= 0.01 * (failed + completed):
        share = 100 * failed / (failed + completed)
        text = f"{plural(failed, 'job')} failed in {len(recent)} minutes: {share:.0f}% of all"
        yield Alert("bad" if share >= 10 else "warn", text, "failures", {})  # noqa: PLR2004 - one in ten


def _growth(rows: Sequence[MetricRow]) -> Iterator[Alert]:
    put = sum(row.put for row in rows)
    finished = sum(row.completed + row.failed for row in rows)
    if put > 1.2 * finished and put - finished > 100:  # noqa: PLR2004 - more than fluctuation
        text = f"backlog growing: {plural(put - finished, 'more job')} put than finished in an hour"
        yield Alert("warn", text, "queues", {"sort": "waiting"})
