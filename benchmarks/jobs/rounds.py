"""Measure subjects in interleaved rounds; repeat a sample that something else has disturbed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks import command
from benchmarks.jobs.usage import Watch

FOREIGN: Final = 0.05  # Share of the machine that everything else may use during a sample.
PICKUP: Final = "pickup"  # The label of a reading with times enough for percentiles.
_TRIES: Final = 3

Readings = Iterator["Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured number, or the single times behind percentiles."""

    label: str
    value: float | tuple[float, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured once in each round."""

    name: str
    measure: Callable[[], Readings]


@dataclass(frozen=True, slots=True)
class Sample:
    """The readings of one subject in one round, and what everything else used meanwhile."""

    readings: Sequence[Reading]
    foreign: float

    @property
    def is_noisy(self) -> bool:
        return self.foreign > FOREIGN


@dataclass(slots=True)
class Measured:
    """The samples of each subject by its name, and why subjects failed."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def measure(
    subjects: Iterable[Subject],
    rounds: int,
    patience: float,
    watch: Callable[[], Watch] = Watch,
) -> Measured:
    """Measure every subject once per round.

    A disturbed sample is taken again up to twice, unless the run takes longer than `patience`
    seconds already. A subject that raises an error is left out from then on; the others go on.
    """
    measured = Measured()
    every, until = list(subjects), time.monotonic() + patience
    for number in range(rounds):
        for subject in every:
            if subject.name in measured.failures:
                continue
            where = f"  round {number + 1} of {rounds}: {subject.name}"
            try:
                sample = _take(subject, where, until, watch)
            except Exception as error:  # noqa: BLE001 - of whatever kind: the rest goes on
                measured.failures[subject.name] = _reason(error)
                command.log(f"{where}: FAILED: {measured.failures[subject.name]}")
                continue
            measured.samples.setdefault(subject.name, []).append(sample)
    return measured


def _take(subject: Subject, where: str, until: float, watch: Callable[[], Watch]) -> Sample:
    samples: list[Sample] = []
    while True:
        watching = watch()
        readings = tuple(subject.measure())
        samples.append(Sample(readings, watching.share()))
        shown = f"{where}: {_summary(samples[-1])}"
        if not samples[-1].is_noisy:
            command.log(shown)
            return samples[-1]
        if len(samples) == _TRIES or time.monotonic() > until:
            command.log(f"{shown}: noisy")
            return min(samples, key=lambda one: one.foreign)
        command.log(f"{shown}: disturbed, again")


def _summary(sample: Sample) -> str:
    first = sample.readings[0]
    values = first.value if isinstance(first.value, tuple) else (first.value,)
    middle = sorted(values)[len(values) // 2]
    return f"{first.label} {middle:,.4g} {first.unit} ({sample.foreign:.1%} used by others)"


def _reason(error: Exception) -> str:
    """Return the end of what an error says, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " / ".join(lines[-2:])[-300:] or type(error).__name__
