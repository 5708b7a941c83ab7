"""Results as tables, as JSON, and as a section of a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import command
from benchmarks.scripts.job_costs import BYTES_BUDGET, Cost
from benchmarks.scripts.keyspace import Scale
from benchmarks.scripts.timing import TARGET, Timing, timing_table
from benchmarks.tables import Row, status, table


@dataclass(frozen=True, slots=True)
class Result:
    """All measurements of one server."""

    server: str
    scale: Scale
    noise: Timing
    timings: list[Timing]
    bytes_per_job: float
    costs: list[Cost]

    def text(self) -> str:
        """Return the tables."""
        others = f"{self.scale.others:,}"
        title = (
            f"{self.server}: {self.scale.waiting:,} waiting, {others} scheduled and due, "
            f"{others} with an expired lease, {others} failed in one group, "
            f"{others} dependents of one job"
        )
        timings = timing_table((self.noise, *self.timings))
        costs = f"{self.server}: cost of a job\n\n{self._costs()}"
        return f"{title}\n{TARGET}\n\n{timings}\n\n{costs}"

    def _costs(self) -> str:
        within = status(met=self.bytes_per_job <= BYTES_BUDGET)
        rows: list[Row] = [
            ("", "measured", "budget", ""),
            ("bytes per waiting job", f"{self.bytes_per_job:.0f}", str(BYTES_BUDGET), within),
            ("microseconds of server CPU per job, or per PING or no-op script", "", "", ""),
        ]
        for cost in self.costs:
            budget = "" if cost.budget is None else f"{cost.budget:g}"
            within = budget and status(met=cost.within_budget)
            rows.append((f"  {cost.label}", f"{cost.microseconds:.1f}", budget, within))
        return table(rows)

    def as_json(self) -> dict[str, Any]:
        """Return the measurements as plain values."""
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


def section(results: Sequence[Result]) -> str:
    """Return the section of the document that keeps the last full run."""
    about = (
        "Written by `bin/bench scripts --page docs/benchmarks.md`: the time that each command "
        "takes on the server in a large keyspace (from the server's own statistics, so without "
        "the client), the memory of a waiting job, and the server's CPU time for all calls of a "
        "job, next to the cost of a PING and of a script that does nothing. The first row, a "
        "no-op script, shows the noise of the machine."
    )
    tables = ((result.server, result.text()) for result in results)
    return command.section("Benchmarks of the scripts", about, tables)
