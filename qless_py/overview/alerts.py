"""Alerts: a few lines, each a cause with everything that it affects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from qless_py.client import humanize
from qless_py.client.humanize import plural
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.overview.series import MetricRow
from qless_py.overview.snapshot import Snapshot, count
from qless_py.protocol import reservers

STUCK_AFTER: Final = 60.0  # Seconds.
LOST_AFTER: Final = 60.0  # Seconds since a worker's last heartbeat.
STUCK_WINDOW: Final = 300.0  # Seconds in which no job of a stuck queue ended.
_MAX_LATE: Final = 50  # Queues whose recent jobs are counted, those that wait longest first.
_NAMED: Final = 3  # Names that a row shows.
# The share of failures is judged over so many minutes, and only from so many failures on.
_FAILURE_ROWS: Final = 15
_FAILURE_LEVELS: Final = (("bad", 20, 0.2), ("warn", 5, 0.02))
_NEW_FOR: Final = 3600.0
_MAX_SLOTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Alert:
    """A problem or a notice. `kind` is bad, warn or info; `view` and `target` are its link."""

    kind: str
    text: str
    view: str
    target: dict[str, str] = field(default_factory=dict)


def late_queues(snapshot: Snapshot) -> list[str]:
    """Return the queues whose jobs have waited for a minute, the longest first, at most 50."""
    ages = {name: age for name, age in snapshot.heads.items() if age and age >= STUCK_AFTER}
    return sorted(ages, key=lambda name: -ages[name])[:_MAX_LATE]


def find_alerts(
    snapshot: Snapshot,
    rows: Sequence[MetricRow],
    failing_since: Mapping[str, float | None],
    ended: Mapping[str, int],
) -> list[Alert]:
    """Return the alerts of a snapshot and of the metrics of the last hour.

    The worst come first, and of these causes before their effects; what a cause explains has no row
    of its own. `failing_since` maps failure groups to the instant at which the first of their jobs
    failed, `ended` the late queues to the jobs that completed or failed in the last five minutes.
    """
    no_workers = list(_no_workers(snapshot))
    found = [*_unreadable(snapshot), *no_workers, *_lost_workers(snapshot)]
    if not no_workers:
        waiting = list(_waiting_alerts(snapshot, ended)) + list(_slot_alerts(snapshot))
        found += waiting or _growth(rows)
    found += [
        *_failure_rate(rows), *_new_groups(snapshot, failing_since), *_stalled(snapshot),
        *_paused(snapshot), *_idle(snapshot),
    ]  # fmt: skip
    order = ("bad", "warn", "info")
    return sorted(found, key=lambda alert: order.index(alert.kind))


def _names(names: Sequence[str]) -> str:
    """Return names as text, the first few of many."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED:,} more"


def _queue_target(names: Sequence[str], **more: str) -> tuple[str, dict[str, str]]:
    """Return the link of a row about queues: the page of the only one, or the list."""
    if len(names) == 1:
        return "queue", {"name": names[0], **more}
    return "queues", {"sort": more.get("tab", "waiting")}


def _no_workers(snapshot: Snapshot) -> Iterator[Alert]:
    waiting = snapshot.totals.get("waiting", 0)
    if not waiting or any(snapshot.at - one["seen_at"] <= LOST_AFTER for one in snapshot.workers):
        return
    queues = [one["name"] for one in snapshot.queues if count(one, "waiting")]
    text = f"no workers in the last minute: {plural(waiting, 'job')} waiting in {_names(queues)}"
    oldest = max((age for age in snapshot.heads.values() if age), default=0.0)
    kind = "bad" if oldest >= STUCK_AFTER else "warn"
    yield Alert(kind, f"{text}{_oldest(oldest)}", "workers")


def _oldest(age: float) -> str:
    return f", the oldest for {humanize.duration(age)}" if age >= STUCK_AFTER else ""


def _lost_workers(snapshot: Snapshot) -> Iterator[Alert]:
    lost = [
        one
        for one in snapshot.workers
        if snapshot.at - one["seen_at"] > LOST_AFTER and one["jobs"] + one["stalled"]
    ]
    if not lost:
        return
    jobs = plural(sum(one["jobs"] + one["stalled"] for one in lost), "job")
    if len(lost) == 1:
        seen = humanize.ago(lost[0]["seen_at"], snapshot.at)
        name = lost[0]["name"]
        yield Alert("bad", f"{name} is lost: holds {jobs}, seen {seen}", "worker", {"name": name})
        return
    names = _names([one["name"] for one in lost])
    yield Alert(
        "bad", f"{plural(len(lost), 'worker')} are lost, holding {jobs}: {names}", "workers"
    )


# Why the jobs of queues wait, and how bad that is, causes first.
_REASONS: Final = (
    ("unserved", "bad", "no worker for {}"),
    ("quiet", "bad", "workers are quiet for {}"),
    ("stuck", "bad", "stuck, no job ended in 5 minutes and none running: {}"),
    ("behind", "warn", "behind: {}"),
)


def _waiting_alerts(snapshot: Snapshot, ended: Mapping[str, int]) -> Iterator[Alert]:
    consumers = _consumers(snapshot)
    paused = {one["name"] for one in snapshot.queues if one["paused"]}
    counts = {one["name"]: one for one in snapshot.queues}
    reasons: dict[str, list[str]] = {}
    late = sorted(snapshot.heads.items(), key=lambda pair: -(pair[1] or 0.0))
    for name, age in late:
        if age is None or age < STUCK_AFTER or name in paused or name not in counts:
            continue
        is_moving = count(counts[name], "running") or ended.get(name)
        reason = "behind" if is_moving else _why_idle(name, consumers)
        reasons.setdefault(reason, []).append(name)
    for reason, kind, text in _REASONS:
        if names := reasons.get(reason):
            waiting = sum(count(counts[name], "waiting") for name in names)
            oldest = _oldest(snapshot.heads[names[0]] or 0.0)
            view, target = _queue_target(names)
            jobs = f"{plural(waiting, 'job')} waiting{oldest}"
            yield Alert(kind, f"{text.format(_names(names))}: {jobs}", view, target)


def _stalled(snapshot: Snapshot) -> Iterator[Alert]:
    names = [one["name"] for one in snapshot.queues if count(one, "stalled")]
    if names:
        number = sum(count(one, "stalled") for one in snapshot.queues)
        view, target = _queue_target(names, tab="stalled")
        yield Alert("warn", f"{plural(number, 'stalled job')} in {_names(names)}", view, target)


def _paused(snapshot: Snapshot) -> Iterator[Alert]:
    paused = [one for one in snapshot.queues if one["paused"]]
    if paused:
        names = [one["name"] for one in paused]
        jobs = plural(sum(count(one, "waiting") for one in paused), "job")
        view, target = _queue_target(names)
        yield Alert("info", f"paused: {_names(names)}: {jobs} waiting", view, target)


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
        return "stuck"
    accepting = [
        is_accepting
        for entries, is_accepting in consumers.items()
        if queue == OPERATIONS_QUEUE or reservers.takes(entries, queue)
    ]
    if not accepting:
        return "unserved"
    return "stuck" if any(accepting) else "quiet"


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
        yield Alert("warn", text + "add workers", "workers")


def _unreadable(snapshot: Snapshot) -> Iterator[Alert]:
    if snapshot.quarantined:
        text = f"{plural(snapshot.quarantined, 'unreadable key')} set aside: see qless-py fsck"
        yield Alert("warn", text, "overview")


def _idle(snapshot: Snapshot) -> Iterator[Alert]:
    busy, total = worker_slots(snapshot)
    if total and not busy and not snapshot.totals.get("waiting", 0):
        text = f"idle: no jobs waiting, 0 of {plural(total, 'worker slot')} busy"
        yield Alert("info", text, "workers")


def _new_groups(snapshot: Snapshot, failing_since: Mapping[str, float | None]) -> Iterator[Alert]:
    new = {
        group: since
        for group, since in failing_since.items()
        if since is not None and snapshot.at - since <= _NEW_FOR
    }
    if len(new) == 1:
        ((group, since),) = new.items()
        text = f"new failure: {group}, its oldest job failed {humanize.ago(since, snapshot.at)}"
        yield Alert("warn", text, "failure", {"group": group})
    elif new:
        groups = sorted(new, key=lambda group: -new[group])
        text = f"{len(new)} new failures in the last hour: {_names(groups)}"
        yield Alert("warn", text, "failures")


def _failure_rate(rows: Sequence[MetricRow]) -> Iterator[Alert]:
    recent = rows[-_FAILURE_ROWS:]
    failed, completed = sum(row.failed for row in recent), sum(row.completed for row in recent)
    for kind, least, share in _FAILURE_LEVELS:
        if failed >= least and failed >= share * (failed + completed):
            percent = 100 * failed / (failed + completed)
            text = f"{plural(failed, 'job')} failed in {len(recent)} minutes: {percent:.0f}% of all"
            yield Alert(kind, text, "jobs", {"q": f"failed:<{len(recent)}m"})
            return


def _growth(rows: Sequence[MetricRow]) -> Iterator[Alert]:
    put = sum(row.put for row in rows)
    finished = sum(row.completed + row.failed for row in rows)
    if put > 1.2 * finished and put - finished > 100:  # noqa: PLR2004 - more than fluctuation
        text = f"backlog growing: {plural(put - finished, 'more job')} put than finished in an hour"
        yield Alert("warn", text, "queues", {"sort": "waiting"})
