"""Results as tables to read, as JSON, and as a part of a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.admission.prices import Price
from benchmarks.admission.shares import ERROR_BUDGET, Share, jain, worst_error
from benchmarks.scripts.timing import P99_TARGET, WORST_TARGET, Timing
from benchmarks.tables import Row, machine, table, times, verdict

TITLE: Final = "# Benchmarks of who may run"
_ACROSS: Final = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """How many users, jobs handed out to them, jobs per price, jobs parked, and calls timed."""

    users: int
    handed_out: int
    jobs: int
    parked: int
    calls: int


@dataclass(frozen=True, slots=True)
class Result:
    """All that was measured on one server."""

    server: str
    scale: Scale
    shares: list[Share]
    prices: list[Price]
    timings: list[Timing]
    spent: list[tuple[str, float]]

    def text(self) -> str:
        """Give the tables."""
        return f"{self._shares()}\n\n{self._prices()}\n\n{self._times()}\n\n{self._spent()}"

    def _shares(self) -> str:
        worst = worst_error(self.shares)
        head = (
            f"{self.server}: shares of {len(self.shares)} users of random weights over "
            f"{self.scale.handed_out:,} jobs while all have jobs waiting\n"
            f"worst error {worst:.2%} (less than {ERROR_BUDGET:.0%} is wanted)  "
            f"{verdict(within=worst < ERROR_BUDGET)}, Jain's index {jain(self.shares):.6f}"
        )
        ordered = sorted(self.shares, key=lambda share: (share.weight, share.user))
        cells = [
            f"{one.user} {one.weight:5.2f} {one.due:7.3%} {one.got:7.3%} {one.error:+7.2%}"
            for one in ordered
        ]
        title = "user weight  due     got    error"
        rows = ["   ".join(title.ljust(len(cells[0])) for _ in range(_ACROSS)).rstrip()]
        rows += ["   ".join(cells[at : at + _ACROSS]) for at in range(0, len(cells), _ACROSS)]
        return head + "\n\n" + "\n".join(rows)

    def _prices(self) -> str:
        plain = self.prices[0]
        rows: list[Row] = [("", "put", "pop", "complete", "server", "over plain", "round trips")]
        rows += [
            (
                price.label,
                *(f"{one:.1f}" for one in (price.put, price.pop, price.complete, price.cpu)),
                f"{price.cpu - plain.cpu:+.1f}",
                f"{price.round_trip:.0f}",
            )
            for price in self.prices
        ]
        head = (
            f"{self.server}: microseconds of server CPU for a job, call by call, and of waiting "
            "for its three calls"
        )
        return f"{head}\n\n{table(rows)}"

    def _times(self) -> str:
        head = (
            f"{self.server}: {self.scale.parked:,} jobs parked on one limit, as many of "
            f"{self.scale.parked // 10:,} users waiting\n"
            f"Target: p99 < {P99_TARGET:g} ms, worst < {WORST_TARGET:g} ms"
        )
        return f"{head}\n\n{times(self.timings)}"

    def _spent(self) -> str:
        head = f"{self.server}: milliseconds of the server's processor for a call, over many calls"
        rows: list[Row] = [("", "CPU ms")]
        rows += [(label, f"{one:.3f}") for label, one in self.spent]
        return f"{head}\n\n{table(rows)}"

    def as_json(self) -> dict[str, Any]:
        """Give the same as plain values."""
        return {
            "server": self.server,
            "scale": dataclasses.asdict(self.scale),
            "shares": [dataclasses.asdict(one) | {"error": one.error} for one in self.shares],
            "worst_error": worst_error(self.shares),
            "jain": jain(self.shares),
            "prices": [dataclasses.asdict(one) | {"cpu": one.cpu} for one in self.prices],
            "cpu": dict(self.spent),
            "timings": [
                dataclasses.asdict(one) | {"within_target": one.within_target}
                for one in self.timings
            ],
        }


def part(results: Sequence[Result], date: str) -> str:
    """Give the part of the document that keeps the last full run."""
    about = (
        "Written by `bin/bench admission --page docs/benchmarks.md`: what users get of a queue by "
        "their weights; what users and throttles add to the life of a job; and the time that the "
        "server needs for each command (from its own statistics, the client left out) where many "
        "jobs are parked on a limit and many users wait, also while such a limit is raised or "
        "deleted."
    )
    parts = [TITLE, about, f"{date}, {machine()}."]
    parts += [f"## {one.server}: who may run\n\n```text\n{one.text()}\n```" for one in results]
    return "\n\n".join(parts)
