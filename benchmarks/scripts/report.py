"""Results as tables to read, as JSON, and as a page of the documents."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scripts.costs import BYTES_BUDGET, Cost
from benchmarks.scripts.space import Scale
from benchmarks.scripts.timing import P99_TARGET, WORST_TARGET, Timing

Row = Sequence[str]


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
        rows: list[Row] = [("milliseconds on the server", "calls", "p50", "p99", "worst", "")]
        rows += [_time_row(timing) for timing in (self.noise, *self.timings)]
        return table(rows)

    def _costs(self) -> str:
        within = _verdict(within=self.bytes_per_job <= BYTES_BUDGET)
        rows: list[Row] = [
            ("", "measured", "budget", ""),
            ("bytes of a waiting job", f"{self.bytes_per_job:.0f}", str(BYTES_BUDGET), within),
            ("microseconds of server CPU for a job, or a bare call", "", "", ""),
        ]
        for cost in self.costs:
            limit = "" if cost.budget is None else f"{cost.budget:g}"
            verdict = limit and _verdict(within=cost.within_budget)
            rows.append((f"  {cost.label}", f"{cost.microseconds:.1f}", limit, verdict))
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


def _verdict(*, within: bool) -> str:
    return "ok" if within else "OVER"


def _time_row(timing: Timing) -> Row:
    times = (f"{value:.3f}" for value in (timing.p50, timing.p99, timing.worst))
    verdict = _verdict(within=timing.within_target) if timing.script else ""
    return (timing.label, str(timing.calls), *times, verdict)


def table(rows: Sequence[Row]) -> str:
    """Line columns up: the first to the left, numbers to the right."""
    widths = [max(len(row[at]) for row in rows if row[1]) for at in range(len(rows[0]))]
    widths[0] = max(widths[0], 34)
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Row, widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0])]
    cells += [value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join(cells).rstrip()


def machine() -> str:
    """Describe where it was measured, in a line."""
    return f"{os.cpu_count()} cores, {_processor()}, {platform.system()}, {platform.machine()}"


def _processor() -> str:
    """Name the model as Linux does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "an unknown processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "an unknown processor")


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
