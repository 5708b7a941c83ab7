"""Results as tables, as JSON, and as a section of a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import command
from benchmarks.admission.feature_costs import FeatureCost
from benchmarks.admission.shares import ERROR_BUDGET, Share, jain, worst_error
from benchmarks.scripts.timing import TARGET, Timing, timing_table
from benchmarks.tables import Row, status, table

_COLUMNS: Final = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """Number of users, of jobs, and of calls."""

    users: int
    popped: int  # Jobs shared by the users.
    jobs: int  # Jobs that use each feature, in each round.
    parked: int
    calls: int


@dataclass(frozen=True, slots=True)
class Result:
    """All measurements of one server."""

    server: str
    scale: Scale
    shares: list[Share]
    feature_costs: list[FeatureCost]
    timings: list[Timing]
    cpu: list[tuple[str, float]]

    def text(self) -> str:
        """Return the tables."""
        return f"{self._shares()}\n\n{self._feature_costs()}\n\n{self._timings()}\n\n{self._cpu()}"

    def _shares(self) -> str:
        worst = worst_error(self.shares)
        head = (
            f"{self.server}: shares of {len(self.shares)} users of random weights in "
            f"{self.scale.popped:,} jobs, all with jobs waiting\n"
            f"worst error {worst:.2%} (target: < {ERROR_BUDGET:.0%})  "
            f"{status(met=worst < ERROR_BUDGET)}, Jain's index {jain(self.shares):.6f}"
        )
        ordered = sorted(self.shares, key=lambda share: (share.weight, share.user))
        cells = [
            f"{one.user} {one.weight:5.2f} {one.fair:7.3%} {one.actual:7.3%} {one.error:+7.2%}"
            for one in ordered
        ]
        title = "user weight  fair  actual   error"
        rows = ["   ".join(title.ljust(len(cells[0])) for _ in range(_COLUMNS)).rstrip()]
        rows += ["   ".join(cells[at : at + _COLUMNS]) for at in range(0, len(cells), _COLUMNS)]
        return head + "\n\n" + "\n".join(rows)

    def _feature_costs(self) -> str:
        plain = self.feature_costs[0]
        rows: list[Row] = [("", "put", "pop", "complete", "server", "vs plain", "round trips")]
        rows += [
            (
                cost.label,
                *(f"{one:.1f}" for one in (cost.put, cost.pop, cost.complete, cost.cpu)),
                f"{cost.cpu - plain.cpu:+.1f}",
                f"{cost.round_trips:.0f}",
            )
            for cost in self.feature_costs
        ]
        head = (
            f"{self.server}: microseconds per job: server CPU of each call and of all three, and "
            "their round trips"
        )
        return f"{head}\n\n{table(rows)}"

    def _timings(self) -> str:
        parked = self.scale.parked
        head = (
            f"{self.server}: {parked:,} jobs parked on one limit, and {parked:,} jobs of "
            f"{parked // 10:,} users waiting\n{TARGET}"
        )
        return f"{head}\n\n{timing_table(self.timings)}"

    def _cpu(self) -> str:
        rows: list[Row] = [("", "CPU ms")]
        rows += [(label, f"{one:.3f}") for label, one in self.cpu]
        return f"{self.server}: milliseconds of server CPU per call, on average\n\n{table(rows)}"

    def as_json(self) -> dict[str, Any]:
        """Return the measurements as plain values."""
        return {
            "server": self.server,
            "scale": dataclasses.asdict(self.scale),
            "shares": [dataclasses.asdict(one) | {"error": one.error} for one in self.shares],
            "worst_error": worst_error(self.shares),
            "jain": jain(self.shares),
            "feature_costs": [
                dataclasses.asdict(one) | {"cpu": one.cpu} for one in self.feature_costs
            ],
            "cpu": dict(self.cpu),
            "timings": [
                dataclasses.asdict(one) | {"within_target": one.within_target}
                for one in self.timings
            ],
        }


def section(results: Sequence[Result]) -> str:
    """Return the section of the document that keeps the last full run."""
    about = (
        "Written by `bin/bench admission --page docs/benchmarks.md`: the shares of a queue that "
        "users get by their weights; what users and throttles add to the cost of a job; and the "
        "time that each command takes on the server (from the server's own statistics, so without "
        "the client) with many jobs parked on a limit and many users waiting, also after that "
        "limit is raised or deleted."
    )
    tables = ((f"{one.server}: admission", one.text()) for one in results)
    return command.section("Benchmarks of admission", about, tables)
