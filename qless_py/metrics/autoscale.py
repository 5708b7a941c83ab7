"""How many workers are needed, from backlog, age of the oldest job, and throughput.

A job occupies a slot for `run_time` seconds; `arrivals` of them come each second. By Little's law
`arrivals * run_time` slots are busy. To start a backlog of `n` jobs within `t` seconds takes
`n * run_time / t` more. Wanted are slots for both, and never fewer than to keep up with some to
spare. `t` is the wait that you accept, and shorter, down to a quarter, when the oldest job has
already waited longer than that.

The answer is computed from the store alone, so any number of processes give the same one. It goes
up at once, and down only when the smaller number would do with room to spare: it does not flap.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.errors import BadArgumentError, StoreError
from qless_py.metrics.exposition import scrapes_of
from qless_py.metrics.snapshot import LOST_AFTER, Snapshot, slots_of
from qless_py.protocol import reservers
from qless_py.protocol.stats import QueueTotals
from qless_py.protocol.workers import WorkerCounts

WINDOW: Final = 5  # Whole minutes over which throughput is measured, and the current one.
_SHORT: Final = 1  # The same, so that a rise is seen soon.
_ROOM: Final = 1.2  # Demand times this must fit before the number goes down.
_HASTE: Final = 4.0
_RUN_TIME: Final = 1.0  # Seconds, until a job has ended.
_MAX_WORKERS: Final = 100_000
_MAX_WAIT: Final = 7 * 86400.0
_PIPELINE: Final = 100
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Target:
    """The goal and the bounds of scaling. Raises `BadArgumentError` for values that make no sense.

    `max_wait` is how long a job may wait, in seconds. `slots` is how many jobs one worker runs at
    once; without it that of the workers that are there, or 1. `utilization` is the share of slots
    that may be busy when nothing waits.
    """

    max_wait: float = 60.0
    slots: int | None = None
    minimum: int = 0
    maximum: int = 100
    utilization: float = 0.8

    def __post_init__(self) -> None:
        _check("max_wait", self.max_wait, 1.0, _MAX_WAIT)
        _check("slots", 1 if self.slots is None else self.slots, 1, _MAX_WORKERS)
        _check("minimum", self.minimum, 0, _MAX_WORKERS)
        _check("maximum", self.maximum, 1, _MAX_WORKERS)
        _check("utilization", self.utilization, 0.1, 1.0)
        if self.minimum > self.maximum:
            raise BadArgumentError(
                f"minimum {self.minimum} is more than maximum {self.maximum}: swap them"
            )


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadArgumentError(f"{name} must be from {least:g} to {most:g}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Load:
    """One queue: ready jobs, age of the oldest, running jobs, arrivals per second, run time.

    `run_time` is None if it is not known. `limit` is how many of its jobs may run at once, if there
    is such a throttle. A paused queue gives workers nothing to do.
    """

    backlog: int
    oldest: float
    running: int
    arrivals: float
    run_time: float | None
    limit: int | None = None
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """How many workers are wanted, and the numbers that this follows from.

    `slots` is how many slots the load needs. Times are seconds, `arrivals` is per second.
    """

    desired: int
    current: int
    slots: float
    slots_per_worker: int
    backlog: int
    oldest: float
    running: int
    arrivals: float
    run_time: float

    @property
    def reason(self) -> str:
        """One line that explains the number."""
        return (
            f"{self.backlog} waiting, the oldest for {self.oldest:.0f} s; {self.arrivals:.2f} "
            f"arrivals per second, {self.run_time:.2f} s per run; {self.running} running: "
            f"{self.slots:.1f} slots needed, {self.slots_per_worker} per worker"
        )


def decide(loads: Sequence[Load], current: int, slots_per_worker: int, target: Target) -> Demand:
    """Return how many workers to have, when there are `current` ones."""
    needed = sum(_slots_needed(load, target) for load in loads)
    running = sum(load.running for load in loads)
    wanted = math.ceil(needed / slots_per_worker - _ROUNDING)
    if wanted < current:
        # With room to spare, or a small change of the load would bring the number back.
        roomy = math.ceil(needed * _ROOM / slots_per_worker - _ROUNDING)
        wanted = min(current, max(wanted, roomy))
    # Running jobs keep the slots that they occupy, so none is stopped to reach zero.
    wanted = max(wanted, math.ceil(running / slots_per_worker))
    active = [load for load in loads if not load.is_paused]
    arrivals = sum(load.arrivals for load in active)
    work = sum(load.arrivals * (load.run_time or _RUN_TIME) for load in active)
    return Demand(
        desired=min(max(wanted, target.minimum), target.maximum),
        current=current,
        slots=needed,
        slots_per_worker=slots_per_worker,
        backlog=sum(load.backlog for load in active),
        oldest=max((load.oldest for load in active), default=0.0),
        running=running,
        arrivals=arrivals,
        run_time=work / arrivals if arrivals else _mean_run_time(active),
    )


def _mean_run_time(loads: Iterable[Load]) -> float:
    known = [load.run_time for load in loads if load.run_time is not None]
    return sum(known) / len(known) if known else _RUN_TIME


def _slots_needed(load: Load, target: Target) -> float:
    if load.is_paused:
        return 0.0
    run_time = _RUN_TIME if load.run_time is None else load.run_time
    busy = load.arrivals * run_time
    haste = min(max(load.oldest / target.max_wait, 1.0), _HASTE)
    catch_up = busy + load.backlog * run_time * haste / target.max_wait
    needed = max(busy / target.utilization, catch_up)
    if load.backlog:
        # However short the jobs are, one worker is needed.
        needed = max(needed, min(load.backlog, 1))
    return needed if load.limit is None else min(needed, load.limit)


def demand(client: Client, queues: Sequence[str] = (), target: Target | None = None) -> Demand:
    """Return how many workers the queues need; without names or patterns, all queues.

    Raises `StoreError` if the store does not answer: a wrong number would stop workers.
    """
    target = target or Target()
    found = scrapes_of(client).snapshot()
    if not found.has_scripts:
        raise StoreError(f"the store cannot be read: {found.error}")
    entries = reservers.entries(list(queues)) if queues else ["*"]
    rows = [one for one in found.queues if reservers.takes(entries, one.name)]
    fleet = _fleet(found, entries, rows)
    limits = {one.id: one.concurrency for one in found.throttles}
    loads = [
        _load(one, series, limits.get(f"queue:{one.name}"), found.at)
        for one, series in zip(rows, _recent(client, rows, found.at), strict=True)
    ]
    sizes = sorted(fleet.values())
    slots = target.slots or (sizes[len(sizes) // 2] if sizes else 1)
    return decide(loads, len(fleet), max(slots, 1), target)


def _fleet(
    found: Snapshot, entries: Sequence[str], rows: Sequence[QueueTotals]
) -> dict[tuple[str, int], int]:
    """Return the live workers that serve one of the queues, with the slots of each.

    The children of one supervisor are one worker: that is what a container runs.
    """
    fleet: dict[tuple[str, int], int] = defaultdict(int)
    for one in found.processes:
        if found.at - one["seen_at"] <= LOST_AFTER and _serves(one, entries, rows):
            info = one["info"]
            parent = info.get("parent", info.get("pid"))
            key = (str(info.get("host", one["name"])), parent if isinstance(parent, int) else 0)
            fleet[key] += slots_of(info.get("slots"))
    return dict(fleet)


def _serves(one: WorkerCounts, entries: Sequence[str], rows: Sequence[QueueTotals]) -> bool:
    info = one["info"]
    if info.get("state") == "stopping":
        return False
    served = info.get("queues")
    if not isinstance(served, list) or not all(isinstance(name, str) for name in served):
        return False
    # Before a queue has had a job, its name in both lists is all there is to compare.
    return bool(set(served) & set(entries)) or any(
        reservers.takes(served, row.name) for row in rows
    )


def _recent(
    client: Client, rows: Sequence[QueueTotals], now: float
) -> Iterable[list[dict[str, Any]]]:
    """Read the minutes of the window of each queue."""
    begin = int((now // 60 - WINDOW) * 60_000)
    calls = [protocol.stats.series_rows(one.name, begin, int(now * 1000), "minute") for one in rows]
    for at in range(0, len(calls), _PIPELINE):
        for reply in client.run_many(calls[at : at + _PIPELINE]):
            if isinstance(reply, Exception):
                raise reply
            yield reply


def _load(
    one: QueueTotals, series: Sequence[Mapping[str, Any]], limit: int | None, now: float
) -> Load:
    ended, spent = 0, 0.0
    for row in series:
        number, mean, _ = row.get("run") or (0, 0.0, 0.0)
        ended, spent = ended + int(number), spent + number * mean / 1000
    lifetime = one.counts["completed"]
    run_time = spent / ended if ended else one.run.sum / lifetime if lifetime else None
    # A tick that is overdue puts a job as soon as a worker asks for one.
    backlog = one.states["waiting"] + one.states["stalled"] + (1 if one.overdue else 0)
    return Load(
        backlog=backlog,
        oldest=max(one.head_age or 0.0, one.overdue),
        running=one.states["running"],
        arrivals=arrival_rate(_arrived(series, now, WINDOW), _arrived(series, now, _SHORT)),
        run_time=run_time,
        limit=limit,
        is_paused=one.is_paused,
    )


def _arrived(series: Sequence[Mapping[str, Any]], now: float, minutes: int) -> tuple[int, float]:
    """Return the attempts that became ready in these whole minutes and since, and the seconds."""
    first = now // 60 - minutes
    number = sum(
        row.get("put", 0) + row.get("retried", 0) for row in series if row["minute"] >= first
    )
    return int(number), now - first * 60


def arrival_rate(long: tuple[int, float], short: tuple[int, float]) -> float:
    """Return the arrivals per second from their number and the seconds of two windows.

    A rise in the short window counts as far as it is no chance: by two standard deviations less, of
    arrivals that are independent of each other (a Poisson process, whose variance is its mean).
    """
    number, seconds = short
    return max(long[0] / long[1], (number - 2 * math.sqrt(number)) / seconds)
