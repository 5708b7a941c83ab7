"""Alerts: a few lines, each a cause with everything that it affects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.client import humanize
from qless_py.client.humanize import plural
from qless_py.overview.series import MetricRow
from qless_py.overview.snapshot import Snapshot, count
from qless_py.overview.workers import (
    consumers,
    live_workers,
    lost_workers,
    why_idle,
    worker_slots,
)
from qless_py.protocol import Call

STUCK_AFTER: Final = 60.0  # Seconds.
_STUCK_WINDOW: Final = 300.0  # Seconds in which no job of a stuck queue ended.
_MAX_IDLE: Final = 50  # Queues whose recent jobs are counted, those that wait longest first.
_NAMED: Final = 3  # Names that a row shows.
# The share of failures is judged over so many minutes, and only from so many failures on.
_FAILURE_ROWS: Final = 15
_FAILURE_LEVELS: Final = (("bad", 20, 0.2), ("warn", 5, 0.02))
_NEW_FOR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One cause with the number of queues and jobs that it affects.

    `kind` is `bad` if jobs do not run or fail in numbers, so that someone has to act now; `warn` if
    that is about to happen; `info` for what somebody chose, such as a pause. `name` says what is
    wrong, `detail` where and how long. `view` and `target` are the page that shows it, behind the
    words `action`; `change` is an action that ends it: its endpoint and its words.
    """

    kind: str
    name: str
    detail: str = ""
    view: str = ""
    target: dict[str, str] = field(default_factory=dict)
    action: str = "Show"
    change: tuple[str, str] | None = None

    @property
    def text(self) -> str:
        """Name and detail as one line."""
        return f"{self.name}: {self.detail}" if self.detail else self.name


def ended_calls(snapshot: Snapshot, now: float) -> dict[str, Call[int]]:
    """Return calls that count the jobs that ended in the last five minutes, for `find_alerts`.

    Whether a queue is stuck depends on them if its jobs have waited for a minute and none of them
    runs. There is a call for each such queue, for the 50 that have waited longest.
    """
    start, end = round(1000 * (now - _STUCK_WINDOW)), round(1000 * now)
    return {
        name: protocol.stats.series_rows(name, start, end, "minute").map(_count_ended)
        for name in _idle_queues(snapshot)
    }


def _count_ended(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(row.get("completed", 0) + row.get("failed", 0) for row in rows)


def _idle_queues(snapshot: Snapshot) -> list[str]:
    ages = {
        one["name"]: age
        for one in snapshot.queues
        if (age := snapshot.heads.get(one["name"])) is not None
        and age >= STUCK_AFTER
        and not count(one, "running")
    }
    return sorted(ages, key=lambda name: -ages[name])[:_MAX_IDLE]


def find_alerts(
    snapshot: Snapshot,
    rows: Sequence[MetricRow],
    failing_since: Mapping[str, float | None],
    ended: Mapping[str, int],
) -> list[Alert]:
    """Return the alerts of a snapshot and of the metrics of the last hour.

    The worst come first, and of these causes before their effects; what a cause explains has no row
    of its own. `failing_since` maps failure groups to the instant at which they were first
    seen; `ended` are the answers to `ended_calls`.
    """
    no_workers = list(_no_workers(snapshot))
    found = [*_unreadable(snapshot), *no_workers, *_lost_workers(snapshot)]
    if not no_workers:
        waiting = list(_waiting_alerts(snapshot, ended)) + list(_slot_alerts(snapshot))
        found += waiting or _growth(rows)
    found += [
        *_failure_rate(rows), *_new_groups(snapshot, failing_since), *_stalled(snapshot),
        *_paused(snapshot),
    ]  # fmt: skip
    order = ("bad", "warn", "info")
    return sorted(found, key=lambda alert: order.index(alert.kind))


def _names(names: Sequence[str]) -> str:
    """Return names as text, the first few of many."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED:,} more"


def _queues(names: Sequence[str]) -> str:
    """Return the name of the only queue, or how many queues there are."""
    return names[0] if len(names) == 1 else plural(len(names), "queue")


def _detail(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _several(names: Sequence[str]) -> str:
    """Return the names that the name of an alert leaves out."""
    return "" if len(names) == 1 else _names(names)


def _queue_target(names: Sequence[str], **more: str) -> tuple[str, dict[str, str], str]:
    """Return the link of a row about queues: the page of the only one, or the list."""
    if len(names) == 1:
        return "queue", {"name": names[0], **more}, "Show queue"
    return "queues", {"sort": more.get("tab", "waiting")}, "Show queues"


def _no_workers(snapshot: Snapshot) -> Iterator[Alert]:
    waiting = snapshot.totals.get("waiting", 0)
    if not waiting or live_workers(snapshot):
        return
    queues = [one["name"] for one in snapshot.queues if count(one, "waiting")]
    oldest = max((age for age in snapshot.heads.values() if age), default=0.0)
    kind = "bad" if oldest >= STUCK_AFTER else "warn"
    detail = _detail("none seen in the last minute", _several(queues), _oldest(oldest))
    name = f"No workers for {_queues(queues)}, {plural(waiting, 'job')}"
    yield Alert(kind, name, detail, "workers", action="Show workers")


def _oldest(age: float) -> str:
    return f"oldest waiting {humanize.duration(age)}" if age >= STUCK_AFTER else ""


def _lost_workers(snapshot: Snapshot) -> Iterator[Alert]:
    lost = lost_workers(snapshot)
    if not lost:
        return
    jobs = plural(sum(one["jobs"] + one["stalled"] for one in lost), "job")
    name = lost[0]["name"]
    if len(lost) == 1:
        seen = f"last seen {humanize.ago(lost[0]['seen_at'], snapshot.at)}"
        target = {"name": name}
        yield Alert("bad", f"{name} is lost, holding {jobs}", seen, "worker", target, "Show worker")
        return
    title = f"{plural(len(lost), 'worker')} are lost, holding {jobs}"
    detail = _names([one["name"] for one in lost])
    yield Alert("bad", title, detail, "workers", action="Show workers")


_STUCK: Final = "no job ended in 5 minutes and none is running"
# Why the jobs of queues wait, causes first: the reason, its kind, the name of the alert about one
# queue and about several, and its detail.
_REASONS: Final = (
    ("unserved", "bad", "No worker serves {}", "No worker serves {}", ""),
    ("quiet", "bad", "The workers of {} are quiet", "The workers of {} are quiet", ""),
    (
        "stuck",
        "bad",
        "{} is stuck",
        "{} are stuck",
        _STUCK,
    ),
    ("behind", "warn", "{} is behind", "{} are behind", ""),
)


def _waiting_alerts(snapshot: Snapshot, ended: Mapping[str, int]) -> Iterator[Alert]:
    served = consumers(snapshot)
    paused = {one["name"] for one in snapshot.queues if one["paused"]}
    counts = {one["name"]: one for one in snapshot.queues}
    reasons: dict[str, list[str]] = {}
    late = sorted(snapshot.heads.items(), key=lambda pair: -(pair[1] or 0.0))
    for name, age in late:
        if age is None or age < STUCK_AFTER or name in paused or name not in counts:
            continue
        is_moving = count(counts[name], "running") or ended.get(name)
        reason = "behind" if is_moving else why_idle(name, served)
        reasons.setdefault(reason, []).append(name)
    for reason, kind, of_one, of_several, detail in _REASONS:
        if names := reasons.get(reason):
            waiting = sum(count(counts[name], "waiting") for name in names)
            oldest = _oldest(snapshot.heads[names[0]] or 0.0)
            form = of_one if len(names) == 1 else of_several
            title = f"{form.format(_queues(names))}, {plural(waiting, 'job')}"
            yield Alert(
                kind, title, _detail(detail, _several(names), oldest), *_queue_target(names)
            )


def _stalled(snapshot: Snapshot) -> Iterator[Alert]:
    names = [one["name"] for one in snapshot.queues if count(one, "stalled")]
    if names:
        number = sum(count(one, "stalled") for one in snapshot.queues)
        title = f"{plural(number, 'stalled job')} in {_queues(names)}"
        detail = _detail("their workers did not renew their leases", _several(names))
        yield Alert("warn", title, detail, *_queue_target(names, tab="stalled"))


def _paused(snapshot: Snapshot) -> Iterator[Alert]:
    paused = [one for one in snapshot.queues if one["paused"]]
    if not paused:
        return
    names = [one["name"] for one in paused]
    jobs = plural(sum(count(one, "waiting") for one in paused), "job")
    title = f"{_queues(names)} {'is' if len(names) == 1 else 'are'} paused, {jobs}"
    change = ("unpause_queue", "Resume") if len(names) == 1 else None
    detail = _pause_words(paused[0].get("pause")) if change else _names(names)
    yield Alert("info", title, detail, *_queue_target(names), change=change)


def _pause_words(pause: Mapping[str, Any] | None) -> str:
    """Return who paused a queue, and why, as far as that is known."""
    pause = pause or {}
    by = f"by {pause['by']}" if pause.get("by") else ""
    return ": ".join(part for part in (by, str(pause.get("reason") or "")) if part)


def _slot_alerts(snapshot: Snapshot) -> Iterator[Alert]:
    busy, total = worker_slots(snapshot)
    waiting = snapshot.totals.get("waiting", 0)
    if total and busy == total and waiting > total:
        title = f"All {plural(total, 'worker slot')} are busy, {plural(waiting, 'job')} waiting"
        yield Alert("warn", title, "add workers or slots", "workers", action="Show workers")


def _unreadable(snapshot: Snapshot) -> Iterator[Alert]:
    if number := snapshot.quarantined:
        was = "was" if number == 1 else "were"
        yield Alert(
            "warn", f"{plural(number, 'unreadable key')} {was} set aside", "see qless-py fsck"
        )


def _new_groups(snapshot: Snapshot, failing_since: Mapping[str, float | None]) -> Iterator[Alert]:
    new = {
        group: since
        for group, since in failing_since.items()
        if since is not None and snapshot.at - since <= _NEW_FOR
    }
    if len(new) == 1:
        ((group, since),) = new.items()
        detail = f"first seen {humanize.ago(since, snapshot.at)}"
        target = {"group": group}
        yield Alert("warn", f"New failure {group}", detail, "failure", target, "Show failure")
    elif new:
        groups = sorted(new, key=lambda group: -new[group])
        title = f"{len(new)} new failures in the last hour"
        yield Alert("warn", title, _names(groups), "failures", action="Show failures")


def failure_share(rows: Sequence[MetricRow]) -> tuple[int, int]:
    """Return how many jobs failed in the last 15 minutes, and how many failed or completed."""
    recent = rows[-_FAILURE_ROWS:]
    failed = sum(row.failed for row in recent)
    return failed, failed + sum(row.completed for row in recent)


def failure_kind(failed: int, ended: int) -> str:
    """Return whether so many failures are `bad`, a `warn`ing, or neither ("")."""
    return next(
        (kind for kind, least, share in _FAILURE_LEVELS
         if failed >= least and failed >= share * ended), "",
    )  # fmt: skip


def _failure_rate(rows: Sequence[MetricRow]) -> Iterator[Alert]:
    failed, ended = failure_share(rows)
    if kind := failure_kind(failed, ended):
        title = f"{plural(failed, 'job')} failed in {_FAILURE_ROWS} minutes"
        detail = f"{humanize.percent(failed / ended)} of the {plural(ended, 'job')} that ended"
        target = {"q": f"failed:<{_FAILURE_ROWS}m"}
        yield Alert(kind, title, detail, "jobs", target, "Show jobs")


def _growth(rows: Sequence[MetricRow]) -> Iterator[Alert]:
    put = sum(row.put for row in rows)
    finished = sum(row.completed + row.failed for row in rows)
    if put > 1.2 * finished and put - finished > 100:  # noqa: PLR2004 - more than fluctuation
        title = f"The backlog grew by {plural(put - finished, 'job')} in an hour"
        detail = f"{humanize.number(put)} put, {humanize.number(finished)} ended"
        yield Alert("warn", title, detail, "queues", {"sort": "waiting"}, "Show queues")
