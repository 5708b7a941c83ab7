"""Results as tables, as JSON, and as a section of a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import command
from benchmarks.dashboard.dataset import Scale
from benchmarks.dashboard.page_timings import (
    CPU_TARGET,
    SCRIPT_TARGET,
    TRIPS_TARGET,
    PageTiming,
)
from benchmarks.tables import Row, status, table

_HEAD: Final = (
    "page", "trips", "warm", "script ms", "worst", "script", "cold ms", "CPU ms", "warm ms", "KiB",
    "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """All measurements of one server."""

    server: str
    scale: Scale
    memory: int
    pages: list[PageTiming]

    def text(self) -> str:
        """Return the table."""
        scale = self.scale
        title = (
            f"{self.server}: {scale.jobs:,} jobs in {scale.queues} queues, "
            f"{scale.workers} workers, {scale.settings:,} throttles, {scale.settings:,} users, "
            f"{self.memory / 2**20:,.0f} MiB"
        )
        target = (
            f"Target per page: {TRIPS_TARGET} round trips, {SCRIPT_TARGET:g} ms of the slowest "
            f"script, {CPU_TARGET:g} ms of CPU"
        )
        return f"{title}\n{target}\n\n{table([_HEAD, *map(_row, self.pages)])}"

    def as_json(self) -> dict[str, Any]:
        """Return the measurements as plain values."""
        return {
            "server": self.server,
            "scale": dataclasses.asdict(self.scale),
            "memory": self.memory,
            "pages": [
                {**dataclasses.asdict(one), "within_target": one.within_target}
                for one in self.pages
            ],
        }


def _row(one: PageTiming) -> Row:
    return (
        one.path, str(one.trips), str(one.warm_trips), f"{one.script:.2f}", f"{one.worst:.2f}",
        one.script_name, f"{one.cold:.0f}", f"{one.cpu:.0f}", f"{one.warm:.0f}",
        f"{one.size / 1024:.0f}",
        status(met=one.within_target),
    )  # fmt: skip


def section(results: Sequence[Result]) -> str:
    """Return the section of the document that keeps the last full run."""
    about = (
        "Written by `bin/bench dashboard --page docs/benchmarks.md`: every page of the dashboard, "
        "where it has most to show. *Trips* is the number of round trips to the server of a "
        "process that has read nothing yet, *warm* that of later requests. *Script ms* is the "
        "time of the slowest script on the server, *script* its name; each script counts by its "
        "fastest call, because other programs use the processor meanwhile. *Worst* is the slowest "
        "call of all. *Cold ms* and *warm ms* are the median times of a page without the network. "
        "*CPU ms* is the CPU time of a cold request, the server's part included; the last column "
        "judges by it. Warm requests read all numbers again; in production, requests within two "
        "seconds of each other share them."
    )
    tables = (("", result.text()) for result in results)
    return command.section("Benchmarks of the dashboard", about, tables)
