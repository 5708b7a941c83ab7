"""Tables of numbers, and where they were measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import redis

from benchmarks.scripts.timing import Timing

Row = Sequence[str]


def verdict(*, within: bool) -> str:
    """Tell whether a target is met."""
    return "ok" if within else "OVER"


def times(timings: Iterable[Timing]) -> str:
    """Give the table of what the server needed for some commands."""
    rows: list[Row] = [("milliseconds on the server", "calls", "p50", "p99", "worst", "")]
    rows += [
        (
            one.label,
            str(one.calls),
            *(f"{value:.3f}" for value in (one.p50, one.p99, one.worst)),
            verdict(within=one.within_target) if one.script else "",
        )
        for one in timings
    ]
    return table(rows)


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


def version_of(connection: redis.Redis) -> str:
    """Name a server and its version."""
    info = connection.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"
