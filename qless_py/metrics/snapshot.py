"""One reading of everything that the metrics of the store show."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.errors import BadArgumentError, QlessError
from qless_py.protocol import Call
from qless_py.protocol.stats import KlassTotals, QueueTotals
from qless_py.protocol.throttles import ThrottleState
from qless_py.protocol.workers import WorkerCounts

LOST_AFTER: Final = 60.0  # Seconds since a worker's last heartbeat.
MAX_LABELS: Final = 1000
_QUEUE_PAGE: Final = 50
_MAX_QUEUES: Final = 2000
_MAX_THROTTLES: Final = 1000
_WORKER_PAGE: Final = 250
_MAX_WORKERS: Final = 10_000
_GROUPS: Final = 1000
_MAX_SLOTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How many queues and throttles get labels of their own; the others are summed as `_other`.

    The ones known first are labeled, so that a series does not come and go.
    """

    queues: int = 200
    throttles: int = 50

    def __post_init__(self) -> None:
        for name, value in (("queues", self.queues), ("throttles", self.throttles)):
            if not 0 <= value <= MAX_LABELS:
                raise BadArgumentError(f"{name} must be from 0 to {MAX_LABELS}, not {value}")


@dataclass(frozen=True, slots=True)
class Workers:
    """Worker processes by state, and the slots of those that are not lost."""

    states: dict[str, int]
    slots: int
    busy: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read, or why nothing was.

    Each page of 100 queues is one atomic reading. The numbers of all queues, throttles and workers
    were read one right after the other.
    """

    is_up: bool
    has_scripts: bool
    latency: float = 0.0
    took: float = 0.0
    error: str = ""
    queues: list[QueueTotals] = field(default_factory=list)
    queues_known: int = 0
    throttles: list[ThrottleState] = field(default_factory=list)
    throttles_known: int = 0
    workers: Workers = Workers({}, 0, 0)
    processes: list[WorkerCounts] = field(default_factory=list)
    klasses: dict[str, KlassTotals] = field(default_factory=dict)
    complete: int = 0
    failed: int = 0
    at: float = 0.0


def down(error: object) -> Snapshot:
    """Return the snapshot of a store that does not answer."""
    return Snapshot(is_up=False, has_scripts=False, error=" ".join(str(error).split()))


def read(client: Client) -> Snapshot:
    """Read the store in a few round trips; raises nothing if it is unavailable or rejects calls."""
    begun = time.perf_counter()
    try:
        client.redis.ping()
    except (RedisError, OSError, QlessError) as error:
        return down(error)
    latency = time.perf_counter() - begun
    try:
        return _read(client, latency, begun)
    except (ResponseError, QlessError) as error:
        text = " ".join(str(error).split())
        return Snapshot(is_up=True, has_scripts=False, latency=latency, error=text)
    except (RedisError, OSError) as error:
        return down(error)


def _read(client: Client, latency: float, begun: float) -> Snapshot:
    first: list[Call[Any]] = [
        _queues(0),
        _workers(0),
        protocol.throttles.read_page(),
        protocol.jobs.in_state("complete", "", 0, 0),
        protocol.jobs.groups(0, _GROUPS),
        protocol.stats.klasses(),
    ]
    queues, workers, throttles, complete, groups, klasses = _answered(client, first)
    known, rows = queues
    total, processes = workers
    rest = [_queues(at) for at in range(_QUEUE_PAGE, min(known, _MAX_QUEUES), _QUEUE_PAGE)]
    pages = len(rest)
    rest += [_workers(at) for at in range(_WORKER_PAGE, min(total, _MAX_WORKERS), _WORKER_PAGE)]
    for number, (_, more) in enumerate(_answered(client, rest)):
        (rows if number < pages else processes).extend(more)
    now = client.settings.clock()
    return Snapshot(
        is_up=True,
        has_scripts=True,
        latency=latency,
        took=time.perf_counter() - begun,
        queues=rows,
        queues_known=known,
        throttles=_all_throttles(client, throttles),
        throttles_known=throttles.total,
        workers=count_workers(processes, now),
        processes=processes,
        complete=complete.total,
        klasses=klasses,
        failed=sum(one.number for one in groups[1]),
        at=now,
    )


def _all_throttles(client: Client, page: Any) -> list[ThrottleState]:
    found = list(page.throttles)
    while page.cursor is not None and len(found) < _MAX_THROTTLES:
        page = client.run(protocol.throttles.read_page(page.cursor))
        found += page.throttles
    return found


def _queues(offset: int) -> Call[Any]:
    return protocol.stats.queue_totals(offset, _QUEUE_PAGE)


def _workers(offset: int) -> Call[Any]:
    return protocol.workers.counts(offset, _WORKER_PAGE)


def _answered(client: Client, calls: list[Call[Any]]) -> list[Any]:
    replies = client.run_many(calls) if calls else []
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def count_workers(processes: Iterable[WorkerCounts], now: float) -> Workers:
    """Count workers by state, and the slots of those that were seen within a minute."""
    states = dict.fromkeys(("running", "quiet", "stopping", "lost"), 0)
    slots = busy = 0
    for one in processes:
        info = one["info"]
        if now - one["seen_at"] > LOST_AFTER:
            states["lost"] += 1
            continue
        state = info.get("state")
        states[state if state in ("quiet", "stopping") else "running"] += 1
        own = slots_of(info.get("slots"))
        slots += own
        busy += min(own, slots_of(info.get("busy")))
    return Workers(states, slots, busy)


def slots_of(value: object) -> int:
    """Validate a number that a worker reports; it could be anything."""
    return value if isinstance(value, int) and 0 <= value <= _MAX_SLOTS else 0
