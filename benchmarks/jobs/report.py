"""Measured figures, as a table and as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks import command
from benchmarks.tables import Row, table

_DECIMALS_BELOW: Final = 100


@dataclass(frozen=True, slots=True)
class Scale:
    """Number of jobs and of repetitions. Peers are slower and get only `peer_jobs`."""

    jobs: int
    peer_jobs: int
    forks: int
    pickups: int
    kills: int


FULL: Final = Scale(jobs=40_000, peer_jobs=10_000, forks=1_000, pickups=300, kills=20)
QUICK: Final = Scale(jobs=2_000, peer_jobs=500, forks=100, pickups=30, kills=3)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; its target is the minimum or maximum it may be."""

    part: str
    label: str
    value: float
    unit: str
    target: float | None = None
    bound: Literal["min", "max"] = "min"

    @property
    def shown(self) -> str:
        return f"{self.value:,.0f}" if self.value >= _DECIMALS_BELOW else f"{self.value:.2f}"

    def row(self) -> Row:
        """Return the cells of the table."""
        target = status = ""
        if self.target is not None:
            shown = f"{self.target:,.0f}" if self.target >= 1000 else f"{self.target:.4g}"
            target = f"{self.bound} {shown}"
            met = self.value >= self.target if self.bound == "min" else self.value <= self.target
            status = "ok" if met else "MISSED"
        return (f"  {self.label}", self.shown, self.unit, target, status)


def text(figures: Sequence[Figure]) -> str:
    """Return all figures as one table, with a subheading for each part."""
    rows: list[Row] = [("", "measured", "", "target", "")]
    part = ""
    for figure in figures:
        if figure.part != part:
            part = figure.part
            rows.append((part, "", "", "", ""))
        rows.append(figure.row())
    return table(rows)


def section(results: Mapping[str, Sequence[Figure]]) -> str:
    """Return the document that keeps the last full run."""
    about = (
        "Written by `bin/bench jobs --peers --page docs/throughput.md`: complete jobs, from put to "
        "completion, with leases, statistics and events, on one private server with its default "
        "settings. Clients, workers and server share the machine. The limits of the machine (a "
        "script that does nothing, a fork that exits at once) and the other queues are measured "
        "in the same run on the same server."
    )
    tables = ((name, text(figures)) for name, figures in results.items())
    return command.section("Throughput and latency", about, tables)
