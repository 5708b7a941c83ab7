"""Tables of numbers, and a description of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final

Row = Sequence[str]
_LABEL_WIDTH: Final = 34  # Minimum width of the first column.


def status(*, met: bool) -> str:
    """Return the cell that says whether a target is met."""
    return "ok" if met else "OVER"


def table(rows: Sequence[Row]) -> str:
    """Return aligned rows: the first column to the left, the others to the right.

    A row with an empty second cell is a subheading and may exceed the first column.
    """
    widths = [max(len(row[at]) for row in rows if row[1]) for at in range(len(rows[0]))]
    widths[0] = max(widths[0], _LABEL_WIDTH)
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Row, widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0])]
    cells += [value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join(cells).rstrip()


def machine() -> str:
    """Return cores, processor and platform in one line."""
    return f"{os.cpu_count()} cores, {_processor()}, {platform.system()}, {platform.machine()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown processor")
