"""What the demo prints: progress while it runs, a summary at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from qless_py import Client, Job, protocol
from qless_py.cli.demo import jobs
from qless_py.cli.demo.indexing import Totals
from qless_py.cli.demo.workers import Crash
from qless_py.client.humanize import error_line, plural
from qless_py.protocol import stats

_LINE_EVERY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The progress of the jobs."""

    total: int
    ended: int
    failed: int
    waiting: int
    running: int
    workers: int

    def text(self) -> str:
        """Return it as text."""
        return (
            f"{self.waiting} waiting, {self.running} running, {self.failed} failed, "
            f"{plural(self.workers, 'worker')}"
        )


class Screen:
    """Show progress and notes during the `with` block."""

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
        """Show the progress of the jobs."""
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
        """Print a line."""
        self._console.print(f"  {text}", markup=False, highlight=False)


_BROKEN_OFF: Final = frozenset({"crashed", "timed-out"})
_SHARES: Final = (0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The outcome of the jobs that a crash interrupted."""

    crash: Crash
    complete: int
    steps: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all of the jobs have ended."""
        return self.complete == len(self.crash.jids)


def recovery(client: Client, crash: Crash) -> Recovery:
    """Read the outcome of the jobs that a crash interrupted."""
    found = [job for job in client.jobs.get(crash.jids) if isinstance(job, Job)]
    ended = [job for job in found if job.state in {"complete", "failed"}]
    histories = [tuple(str(entry["what"]) for entry in job.history) for job in ended]
    # Show the job that was running, if any; jobs that were only prefetched are just requeued.
    example = max(histories, key=lambda steps: bool(_BROKEN_OFF & set(steps)), default=())
    return Recovery(crash, len(ended), example)


def show_largest(console: Console, report: Mapping[str, Any]) -> None:
    """Show the largest modules."""
    table = Table("lines", "functions", "classes", "module", title="Largest modules")
    for lines, path, functions, classes in report["largest"]:
        table.add_row(f"{lines:,}", f"{functions:,}", f"{classes:,}", Text(path))
    console.print(table)


def show_times(console: Console, client: Client, begin: float, end: float) -> None:
    """Show how long jobs waited and ran, from the histograms that the store keeps."""
    table = Table(
        "queue", "", *(f"{share:.0%}" for share in _SHARES), title="Time per job, at most"
    )
    for name in (jobs.FOLDERS, jobs.FILES):
        samples = client.queues[name].series(begin - 60, end + 60)
        for what in ("wait", "run"):
            histogram = stats.merged(sample[what] for sample in samples)
            cells = (f"{1000 * stats.percentile(histogram, one):,.1f} ms" for one in _SHARES)
            table.add_row(name, what, *cells)
    console.print(table)


def show_failures(console: Console, client: Client) -> int:
    """Print the failure groups; return how many jobs failed."""
    _, groups = client.run(protocol.jobs.groups())
    for group in groups:
        console.print(f"Failed: {group.number} in {group.group}", markup=False, highlight=False)
        for job in client.jobs.failed(group.group)["jobs"]:
            reason = error_line(job.failure["message"])
            console.print(f"  {job.jid}: {reason}", markup=False, highlight=False, soft_wrap=True)
    return sum(group.number for group in groups)


def show_recoveries(console: Console, recoveries: Sequence[Recovery]) -> None:
    """Print what was killed and how its jobs were recovered."""
    for one in recoveries:
        console.print(
            f"Killed: {one.crash.what} {one.crash.pid}; recovered {one.complete} of "
            f"{plural(len(one.crash.jids), 'job')}, for example: {' > '.join(one.steps)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def show_totals(console: Console, queued: Totals, plain: Totals) -> bool:
    """Print the totals beside those of the plain count; return whether they are equal."""
    table = Table("", "through the queues", "plain count", title="Totals")
    other = asdict(plain)
    for name, value in asdict(queued).items():
        table.add_row(name, f"{value:,}", f"{other[name]:,}")
    console.print(table)
    return queued == plain
