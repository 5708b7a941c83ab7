"""Figures over all rounds: the median or a percentile, and how far the rounds are apart."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.jobs.rounds import PICKUP, Measured, Sample

Place = tuple[str, str]
"""A subject, and the label of one of its figures."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; `rounds` has that of each round, `is_noisy` says that a round was disturbed."""

    subject: str
    label: str
    value: float
    unit: str
    rounds: Sequence[float]
    is_noisy: bool

    @property
    def place(self) -> Place:
        return self.subject, self.label


def summarize(measured: Measured) -> list[Figure]:
    """Return all figures in the order of their measurement."""
    return [
        figure
        for subject, samples in measured.samples.items()
        for at in range(len(samples[0].readings))
        for figure in _of_reading(subject, samples, at)
    ]


def by_place(figures: Sequence[Figure]) -> Mapping[Place, Figure]:
    """Index figures by subject and label."""
    return {one.place: one for one in figures}


def _of_reading(subject: str, samples: Sequence[Sample], at: int) -> Iterator[Figure]:
    readings = [sample.readings[at] for sample in samples]
    label, unit = readings[0].label, readings[0].unit
    is_noisy = any(sample.is_noisy for sample in samples)
    times = [one.value for one in readings if isinstance(one.value, tuple)]
    if not times:
        values = [one.value for one in readings if not isinstance(one.value, tuple)]
        yield Figure(subject, label, statistics.median(values), unit, values, is_noisy)
        return
    every = [value for one in times for value in one]
    for name, choose in _CHOICES[label == PICKUP].items():
        rounds = [choose(one) for one in times]
        yield Figure(subject, f"{label} {name}", choose(every), unit, rounds, is_noisy)


def percentile(rank: int, values: Sequence[float]) -> float:
    """Return a percentile, interpolated; of a single value, this value."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[rank - 1]


# Of few times, percentiles would say no more than the worst one.
_CHOICES: Final[Mapping[bool, Mapping[str, Callable[[Sequence[float]], float]]]] = {
    True: {f"p{rank}": partial(percentile, rank) for rank in (50, 95, 99)},
    False: {"median": statistics.median, "worst": max},
}
