"""What somebody on call should look at first: stuck, failing, slow, idle, growing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qless_py.dashboard import formats
from qless_py.dashboard.metric_rows import Row
from qless_py.dashboard.snapshot import Snapshot, number
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.protocol import reservers

STUCK: Final = 60.0
LOST: Final = 60.0
_ROWS: Final = 5
_NEW: Final = 3600.0
_MOST_SLOTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing to look at; `view` and `target` lead there. `kind` is bad, warn or info."""

    kind: str
    text: str
    view: str
    target: dict[str, str]


def signs(snapshot: Snapshot, rows: Sequence[Row], begun: Mapping[str, float | None]) -> list[Sign]:
    """Judge a snapshot and the last hour, the worst first.

    `begun` says for failure groups since when the oldest of their jobs has been failed.
    """
    found = [
        *_of_queues(snapshot), *_of_workers(snapshot), *_of_slots(snapshot), *_of_failures(rows),
        *_new_groups(snapshot, begun), *_growing(rows),
    ]  # fmt: skip
    order = ("bad", "warn", "info")
    return sorted(found, key=lambda sign: order.index(sign.kind))


def _of_queues(snapshot: Snapshot) -> Iterator[Sign]:
    served = _served(snapshot)
    for queue in snapshot.queues:
        name = queue["name"]
        target = {"name": name}
        age = snapshot.heads.get(name)
        if queue["paused"]:
            waiting = formats.number(number(queue, "waiting"))
            yield Sign("info", f"{name} is paused; waiting in it: {waiting}", "queue", target)
        elif age is not None and age >= STUCK:
            waits = f"its first job waits for {formats.duration(age)}"
            text = f"{name} is stuck: {waits}, {_idle(name, served)}"
            if number(queue, "running"):
                text = f"{name} is behind: {waits}, though jobs of it run"
            yield Sign("bad" if not number(queue, "running") else "warn", text, "queue", target)
        if number(queue, "stalled"):
            text = f"{name} has {formats.number(number(queue, 'stalled'))} stalled jobs"
            yield Sign("warn", text, "queue", {**target, "tab": "stalled"})


# What the workers that were seen lately take from, each list once, and whether any of those that
# take from it is not quiet. None where some do not say what they take from.
_Served = Mapping[tuple[str, ...], bool] | None


def _served(snapshot: Snapshot) -> _Served:
    found: dict[tuple[str, ...], bool] = {}
    for worker in snapshot.workers:
        if snapshot.at - worker["seen_at"] > LOST:
            continue
        entries = worker["info"].get("queues")
        if not isinstance(entries, list) or not all(isinstance(one, str) for one in entries):
            return None
        found[tuple(entries)] = found.get(tuple(entries), False) or (
            worker["info"].get("state") != "quiet"
        )
    return found or None


def _idle(queue: str, served: _Served) -> str:
    """Say why nothing of a queue runs, as far as the workers tell."""
    if served is None:
        return "nothing of it runs"
    takers = [
        is_awake
        for entries, is_awake in served.items()
        if queue == OPERATIONS_QUEUE or reservers.takes(entries, queue)
    ]
    if not takers:
        return "no worker takes it"
    return "nothing of it runs" if any(takers) else "the workers that take it are quiet"


def _of_workers(snapshot: Snapshot) -> Iterator[Sign]:
    lost = [one for one in snapshot.workers if snapshot.at - one["seen_at"] > LOST and one["jobs"]]
    for worker in lost:
        seen = formats.ago(worker["seen_at"], snapshot.at)
        text = f"{worker['name']} holds {worker['jobs']} jobs and was last seen {seen}"
        yield Sign("bad", text, "worker", {"name": worker["name"]})
    waiting = snapshot.totals.get("waiting", 0)
    if waiting and not any(snapshot.at - one["seen_at"] <= LOST for one in snapshot.workers):
        text = f"{formats.number(waiting)} jobs wait, and no worker was seen for a minute"
        yield Sign("bad", text, "workers", {})


def slots(snapshot: Snapshot) -> tuple[int, int]:
    """Give how many jobs can run at once on the workers that were seen lately, and how many do."""
    seen = [one for one in snapshot.workers if snapshot.at - one["seen_at"] <= LOST]
    known = [one for one in seen if one["info"].get("slots")]
    most = sum(_whole(one["info"]["slots"]) for one in known)
    return min(most, sum(_whole(one["info"].get("busy")) for one in known)), most


def _whole(value: object) -> int:
    """Read what a worker says of itself, which can be anything."""
    return value if isinstance(value, int) and 0 <= value <= _MOST_SLOTS else 0


def _of_slots(snapshot: Snapshot) -> Iterator[Sign]:
    busy, most = slots(snapshot)
    waiting = snapshot.totals.get("waiting", 0)
    if most and busy == most and waiting > most:
        text = f"all {formats.number(most)} slots of the workers are busy, and "
        text += f"{formats.number(waiting)} jobs wait: more workers would help"
        yield Sign("warn", text, "workers", {})
    elif most and not busy and not waiting:
        text = f"idle: nothing waits, and none of the {formats.number(most)} slots is busy"
        yield Sign("info", text, "workers", {})


def _new_groups(snapshot: Snapshot, begun: Mapping[str, float | None]) -> Iterator[Sign]:
    for group, since in begun.items():
        if since is not None and snapshot.at - since <= _NEW:
            text = f"new failure: {group}, first seen {formats.ago(since, snapshot.at)}"
            yield Sign("warn", text, "failure", {"group": group})


def _of_failures(rows: Sequence[Row]) -> Iterator[Sign]:
    last = rows[-_ROWS:]
    failed, ended = sum(row.failed for row in last), sum(row.completed for row in last)
    if failed and failed >= 0.01 * (failed + ended):
        share = 100 * failed / (failed + ended)
        text = f"{formats.number(failed)} jobs failed in {len(last)} minutes: {share:.0f} % of all"
        yield Sign("bad" if share >= 10 else "warn", text, "failures", {})  # noqa: PLR2004 - one in ten


def _growing(rows: Iterable[Row]) -> Iterator[Sign]:
    known = list(rows)
    put, ended = sum(row.put for row in known), sum(row.completed + row.failed for row in known)
    if known and put > 1.2 * ended and put - ended > 100:  # noqa: PLR2004 - more than a wobble
        text = f"more comes in than goes out: {formats.number(put - ended)} jobs in an hour"
        yield Sign("warn", text, "queues", {"sort": "waiting"})
