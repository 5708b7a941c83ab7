"""What somebody on call should look at first: stuck, failing, slow, idle, growing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from qless_py.dashboard import formats
from qless_py.dashboard.history import Row
from qless_py.dashboard.snapshot import Snapshot, number

STUCK: Final = 60.0
LOST: Final = 60.0
_ROWS: Final = 5


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing to look at; `view` and `target` lead there. `kind` is bad, warn or info."""

    kind: str
    text: str
    view: str
    target: dict[str, str]


def signs(snapshot: Snapshot, rows: Sequence[Row]) -> list[Sign]:
    """Judge a snapshot and the last minutes, the worst first."""
    found = [*_of_queues(snapshot), *_of_workers(snapshot), *_of_failures(rows), *_growing(rows)]
    order = ("bad", "warn", "info")
    return sorted(found, key=lambda sign: order.index(sign.kind))


def _of_queues(snapshot: Snapshot) -> Iterator[Sign]:
    for queue in snapshot.queues:
        name = queue["name"]
        target = {"name": name}
        age = snapshot.heads.get(name)
        if queue["paused"]:
            waiting = formats.number(number(queue, "waiting"))
            yield Sign("info", f"{name} is paused; waiting in it: {waiting}", "queue", target)
        elif age is not None and age >= STUCK:
            running = "nothing of it runs" if not number(queue, "running") else "it is behind"
            text = f"{name} is stuck: its first job waits for {formats.duration(age)}, {running}"
            yield Sign("bad" if not number(queue, "running") else "warn", text, "queue", target)
        if number(queue, "stalled"):
            text = f"{name} has {formats.number(number(queue, 'stalled'))} stalled jobs"
            yield Sign("warn", text, "queue", {**target, "tab": "stalled"})


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
