"""Figures, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.tables import machine, table

_FEW: Final = 100  # Below this a figure is shown with its decimals.


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done. Peers are slower, so they get `peer_jobs`."""

    jobs: int
    peer_jobs: int
    forks: int
    pickups: int
    deaths: int


FULL: Final = Scale(jobs=40_000, peer_jobs=10_000, forks=1_000, pickups=300, deaths=20)
QUICK: Final = Scale(jobs=2_000, peer_jobs=500, forks=100, pickups=30, deaths=3)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `bound` is the target, the `least` or the `most` that it may be."""

    part: str
    label: str
    value: float
    unit: str
    bound: float | None = None
    side: Literal["least", "most"] = "least"

    @property
    def shown(self) -> str:
        return f"{self.value:,.0f}" if self.value >= _FEW else f"{self.value:.2f}"

    @property
    def verdict(self) -> str:
        """Tell whether the target is met."""
        if self.bound is None:
            return ""
        met = self.value >= self.bound if self.side == "least" else self.value <= self.bound
        return "ok" if met else "MISSED"

    def row(self) -> tuple[str, ...]:
        """Give a line of the table."""
        bound = "" if self.bound is None else f"{self.side} {self.bound:,.4g}"
        return (f"  {self.label}", self.shown, self.unit, bound, self.verdict)


def text(figures: Sequence[Figure]) -> str:
    """Give all figures as one table, part by part."""
    rows: list[tuple[str, ...]] = [("", "measured", "", "target", "")]
    part = ""
    for figure in figures:
        if figure.part != part:
            part = figure.part
            rows.append((part, "", "", "", ""))
        rows.append(figure.row())
    return table(rows)


def page(results: Mapping[str, Sequence[Figure]], date: str) -> str:
    """Give the document that keeps the last full run."""
    about = (
        "Written by `bin/bench jobs --peers --page docs/throughput.md`: whole jobs, from put to "
        "completion, with leases, statistics and events on, on one private server with its "
        "default settings. Clients, workers and server share the machine. What is bare (a script "
        "that does nothing, a fork that only exits) and the other queues are measured in the same "
        "run on the same server."
    )
    parts = ["# Throughput and latency", about, f"{date}, {machine()}."]
    parts += [f"## {name}\n\n```text\n{text(figures)}\n```" for name, figures in results.items()]
    return "\n\n".join(parts) + "\n"
