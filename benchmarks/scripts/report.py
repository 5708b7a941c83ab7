"""Results as tables to read, as JSON, and as a page of the documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.scripts.costs import BYTES_BUDGET, Cost
from benchmarks.scripts.space import Scale
from benchmarks.scripts.timing import P99_TARGET, WORST_TARGET, Timing
from benchmarks.tables import Row, machine, table, times, verdict


@dataclass(frozen=True, slots=True)
class Result:
    """All that was measured on one server."""

    server: str
    scale: Scale
    noise: Timing
    timings: list[Timing]
    bytes_per_job: float
    costs: list[Cost]

    def text(self) -> str:
        """Give the tables."""
        scale = self.scale
        others = f"{scale.others:,}"
        title = (
            f"{self.server}: {scale.waiting:,} waiting, {others} due scheduled, {others} lapsed, "
            f"{others} failed in one group, {others} dependents of one job"
        )
        target = f"Target: p99 < {P99_TARGET:g} ms, worst < {WORST_TARGET:g} ms"
        return "\n\n".join(
            (f"{title}\n{target}", self._times(), f"{self.server}: cost of a job", self._costs())
        )

    def _times(self) -> str:
        return times((self.noise, *self.timings))

    def _costs(self) -> str:
        within = verdict(within=self.bytes_per_job <= BYTES_BUDGET)
        rows: list[Row] = [
            ("", "measured", "budget", ""),
            ("bytes of a waiting job", f"{self.bytes_per_job:.0f}", str(BYTES_BUDGET), within),
            ("microseconds of server CPU for a job, or a bare call", "", "", ""),
        ]
        for cost in self.costs:
            limit = "" if cost.budget is None else f"{cost.budget:g}"
            judged = limit and verdict(within=cost.within_budget)
            rows.append((f"  {cost.label}", f"{cost.microseconds:.1f}", limit, judged))
        return table(rows)

    def as_json(self) -> dict[str, Any]:
        """Give the same as plain values."""
        return {
            "server": self.server,
            "scale": dataclasses.asdict(self.scale),
            "noise": dataclasses.asdict(self.noise),
            "timings": [
                {**dataclasses.asdict(timing), "within_target": timing.within_target}
                for timing in self.timings
            ],
            "bytes_per_job": self.bytes_per_job,
            "costs": [
                {**dataclasses.asdict(cost), "within_budget": cost.within_budget}
                for cost in self.costs
            ],
        }


def page(results: Sequence[Result], date: str) -> str:
    """Give the document that keeps the last full run."""
    about = (
        "Written by `bin/bench scripts --page docs/benchmarks.md`: the time that the server needs "
        "for each command in a large keyspace (from its own statistics, the client left out), the "
        "memory of a waiting job, and the CPU time of the server process for the life of a job, "
        "beside what a bare call costs. The first row, a script that does nothing, shows what the "
        "machine adds by itself."
    )
    parts = ["# Benchmarks of the scripts", about, f"{date}, {machine()}."]
    parts += [f"## {result.server}\n\n```text\n{result.text()}\n```" for result in results]
    return "\n\n".join(parts) + "\n"
