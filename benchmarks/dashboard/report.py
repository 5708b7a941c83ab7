"""The numbers as tables, as plain values, and as a part of a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.dashboard.town import Scale
from benchmarks.dashboard.visits import PAGE, SCRIPT, TRIPS, Visits
from benchmarks.tables import machine, table, verdict

_HEAD: Final = (
    "page", "trips", "warm", "script ms", "worst", "", "cold ms", "CPU ms", "warm ms", "KiB", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """All that was measured on one server."""

    server: str
    scale: Scale
    memory: int
    visits: list[Visits]

    def text(self) -> str:
        """Give the table."""
        rows: list[Sequence[str]] = [_HEAD]
        rows += [_row(one) for one in self.visits]
        scale = self.scale
        title = (
            f"{self.server}: {scale.jobs:,} jobs in {scale.queues} queues, "
            f"{scale.workers} workers, {scale.settings:,} throttles, as many users, "
            f"{self.memory / 2**20:,.0f} MiB"
        )
        target = f"Target: {TRIPS} round trips, scripts of {SCRIPT:g} ms, pages of {PAGE:g} ms"
        return f"{title}\n{target}\n\n{table(rows)}"

    def as_json(self) -> dict[str, Any]:
        """Give the same as plain values."""
        return {
            "server": self.server,
            "scale": dataclasses.asdict(self.scale),
            "memory": self.memory,
            "visits": [
                {**dataclasses.asdict(one), "is_within": one.is_within} for one in self.visits
            ],
        }


def _row(one: Visits) -> Sequence[str]:
    return (
        one.path, str(one.trips), str(one.warm_trips), f"{one.script:.2f}", f"{one.worst:.2f}",
        one.name, f"{one.cold:.0f}", f"{one.cpu:.0f}", f"{one.warm:.0f}",
        f"{one.size / 1024:.0f}",
        verdict(within=one.is_within),
    )  # fmt: skip


def part(results: Sequence[Result], date: str) -> str:
    """Give the part of the document that keeps the last full run."""
    about = (
        "Written by `bin/bench dashboard --page docs/benchmarks.md`: every page of the dashboard, "
        "where it has most to show. *Trips* is how often a visit waits for the server, in a "
        "process that knows nothing yet and in one where somebody looks already; *script* the "
        "slowest script by the server's own clock, each script by its quickest call, since other "
        "programs take the processor meanwhile, with its name; *worst* the slowest call of all. "
        "*Cold* and *warm* are the time of the page, the network left out, the median; *CPU* what "
        "a cold one takes of the processors, the server's part included, by which the last column "
        "judges. Warm means that all numbers are read anew: who looks within two seconds of "
        "somebody else shares theirs."
    )
    parts = ["# Benchmarks of the dashboard", about, f"{date}, {machine()}."]
    parts += [f"```text\n{result.text()}\n```" for result in results]
    return "\n\n".join(parts) + "\n"
