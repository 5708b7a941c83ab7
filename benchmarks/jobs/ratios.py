"""The ratios and bounds that matter, with their targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.jobs import backlogs, stored
from benchmarks.jobs import subjects as names
from benchmarks.jobs.figures import Figure, Place
from benchmarks.jobs.peers import HUEY, RQ_FORKING, bullmq
from benchmarks.scripts import job_costs

_KEPT: Final = bullmq(50, keeps=True)
_DROPPED: Final = bullmq(50, keeps=False)
_RATE: Final = "no-op jobs"


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, or its ratio to `base`, and the least or most that it may be."""

    label: str
    figure: Place
    bound: Literal["min", "max"]
    limit: float
    base: Place | None = None
    unit: str = ""


def _at_least(label: str, limit: float, figure: Place, base: Place | None = None) -> Target:
    return Target(label, figure, "min", limit, base)


TARGETS: Final = (
    _at_least(
        "no-op jobs, to BullMQ at 50 keeping results",
        3,
        (names.TWO_CHILDREN, _RATE),
        (_KEPT, _RATE),
    ),
    _at_least(
        "no-op jobs, to BullMQ at 50 dropping results",
        2,
        (names.TWO_CHILDREN, _RATE),
        (_DROPPED, _RATE),
    ),
    _at_least("one child, to its slower side", 0.85, (names.ONE_CHILD, backlogs.SHARE)),
    _at_least("8 threads, to one", 0.8, (names.THREADS, _RATE), (names.ONE_CHILD, _RATE)),
    _at_least("8 asyncio tasks, to one", 0.8, (names.ASYNCIO, _RATE), (names.ONE_CHILD, _RATE)),
    _at_least("put, to BullMQ", 1.2, (names.PUTS, "put one by one"), (_KEPT, "put one by one")),
    _at_least("put in bulk, to BullMQ", 2, (names.PUTS, "put in bulk"), (_KEPT, "put in bulk")),
    _at_least(
        "asyncio puts gathered, to one by one",
        3,
        (names.PUTS, "asyncio, gathered by 100"),
        (names.PUTS, "asyncio, one by one"),
    ),
    Target("pickup p50, to Huey", (names.IDLE, "pickup p50"), "max", 1, (HUEY, "pickup p50")),
    Target("pickup p99", (names.IDLE, "pickup p99"), "max", 3, unit="ms"),
    _at_least(
        "a process for each job, to the bare fork",
        0.6,
        (names.FORKING, _RATE),
        (names.FORKING, backlogs.FORK),
    ),
    _at_least("a process for each job, to RQ", 6, (names.FORKING, _RATE), (RQ_FORKING, _RATE)),
    Target(
        "server CPU of a put above a PING",
        (names.COSTS, stored.PUT_OVER_PING),
        "max",
        35,
        unit="us",
    ),
    Target("server CPU of a life in batches", (names.COSTS, stored.LIFE), "max", 25, unit="us"),
    Target("worker CPU per job", (names.TWO_CHILDREN, "worker CPU per job"), "max", 25, unit="us"),
    Target(
        "bytes per waiting job",
        (names.MEMORY, "bytes per waiting job"),
        "max",
        job_costs.BYTES_BUDGET,
        unit="B",
    ),
    Target(
        "bytes per completed job",
        (names.MEMORY, "bytes per completed job"),
        "max",
        job_costs.COMPLETED_BYTES_BUDGET,
        unit="B",
    ),
    _at_least(
        "a long queue, to a short one",
        0.95,
        (names.LONG_QUEUE, stored.LONG),
        (names.LONG_QUEUE, stored.SHORT),
    ),
    _at_least(
        "no-op jobs with an append-only file, to without",
        0.85,
        (names.TWO_CHILDREN, _RATE),
        (names.WITHOUT_FILE, _RATE),
    ),
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A target with what was measured: the value of all rounds and that of each round."""

    target: Target
    value: float
    rounds: Sequence[float]
    is_noisy: bool

    @property
    def is_met(self) -> bool:
        if self.target.bound == "min":
            return self.value >= self.target.limit
        return self.value <= self.target.limit


def evaluate(figures: Mapping[Place, Figure]) -> Iterator[tuple[Target, Ratio | None]]:
    """Yield every target with its ratio, or None where a part of it was not measured."""
    for target in TARGETS:
        figure = figures.get(target.figure)
        base = figures.get(target.base) if target.base is not None else None
        if figure is None or (base is None and target.base is not None):
            yield target, None
        elif base is None:
            yield target, Ratio(target, figure.value, figure.rounds, figure.is_noisy)
        else:
            # Rounds in which one of both failed have no ratio.
            rounds = [one / other for one, other in zip(figure.rounds, base.rounds, strict=False)]
            is_noisy = figure.is_noisy or base.is_noisy
            yield target, Ratio(target, figure.value / base.value, rounds, is_noisy)
