"""What the demo shows while it runs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_LINE_EVERY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """How far the jobs are, as the store says."""

    total: int
    ended: int
    failed: int
    waiting: int
    running: int
    workers: int

    def text(self) -> str:
        """Give it as words."""
        return (
            f"{self.waiting} waiting, {self.running} running, {self.failed} failed, "
            f"{self.workers} workers"
        )


class Screen:
    """Shows moments and notes until the `with` block ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_line = 0.0
        self._progress = Progress(
            TextColumn("jobs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("jobs", total=None, state="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def show(self, moment: Moment) -> None:
        """Show how far the jobs are."""
        if self._console.is_terminal:
            self._progress.update(
                self._task,
                total=moment.total or None,
                completed=moment.ended,
                state=moment.text(),
            )
        elif time.monotonic() - self._last_line >= _LINE_EVERY:
            self._last_line = time.monotonic()
            self._console.print(f"  {moment.ended} of {moment.total} jobs, {moment.text()}")

    def note(self, text: str) -> None:
        """Show that something has happened."""
        self._console.print(f"  {text}", markup=False, highlight=False)
