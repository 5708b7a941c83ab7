"""The figures of a run as tables, as plain values, and as a section of a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from benchmarks import command
from benchmarks.jobs import charts, peers, ratios
from benchmarks.jobs.figures import Figure, Place, by_place, summarize
from benchmarks.jobs.ratios import Ratio, Target
from benchmarks.jobs.rounds import FOREIGN, Measured
from benchmarks.jobs.scale import Scale
from benchmarks.tables import Row, table

_DECIMALS_BELOW: Final = 100


@dataclass(frozen=True)
class Result:
    """All that was measured on one server."""

    server: str
    version: str
    scale: Scale
    measured: Measured

    @cached_property
    def figures(self) -> list[Figure]:
        """The figures in the order of their measurement."""
        return summarize(self.measured)

    @cached_property
    def by_place(self) -> Mapping[Place, Figure]:
        """The figures by subject and label."""
        return by_place(self.figures)

    def text(self) -> str:
        """Return the tables."""
        title = f"{self.version}, rounds: {self.scale.rounds}"
        tables = (self.ratio_table(), self.figure_table(), *self.failure_lines())
        return "\n\n".join((title, *tables))

    def as_json(self) -> dict[str, Any]:
        """Return the measurements as plain values."""
        return {
            "server": self.version,
            "rounds": self.scale.rounds,
            "figures": [
                {
                    "subject": one.subject,
                    "label": one.label,
                    "value": one.value,
                    "unit": one.unit,
                    "rounds": list(one.rounds),
                    "noisy": one.is_noisy,
                }
                for one in self.figures
            ],
            "targets": [
                {
                    "label": target.label,
                    "limit": target.limit,
                    "bound": target.bound,
                    "value": ratio and ratio.value,
                    "met": ratio and ratio.is_met,
                }
                for target, ratio in ratios.evaluate(self.by_place)
            ],
            "failures": self.measured.failures,
        }

    def ratio_table(self) -> str:
        """Return the ratios that matter, each with its target."""
        rows: list[Row] = [("", "measured", "rounds", "target", "", "")]
        rows += [_ratio_row(target, ratio) for target, ratio in ratios.evaluate(self.by_place)]
        return table(rows)

    def figure_table(self) -> str:
        """Return all figures, with a subheading for each subject."""
        rows: list[Row] = [("", "median", "lowest", "highest", "", "")]
        subject = ""
        for figure in self.figures:
            if figure.subject != subject:
                subject = figure.subject
                rows.append((subject, "", "", "", "", ""))
            spread = (_shown(min(figure.rounds)), _shown(max(figure.rounds)))
            rows.append(
                (
                    f"  {figure.label}",
                    _shown(figure.value),
                    *spread,
                    figure.unit,
                    _noise(is_noisy=figure.is_noisy),
                )
            )
        return table(rows)

    def failure_lines(self) -> Iterator[str]:
        """Yield what could not be measured, and why."""
        for subject, reason in self.measured.failures.items():
            yield f"not measured: {subject}: {reason}"


def _ratio_row(target: Target, ratio: Ratio | None) -> Row:
    limit = f"{target.bound} {_shown(target.limit)} {target.unit}".strip()
    if ratio is None:
        return (target.label, "not measured", "", limit, "", "")
    rounds = f"{_shown(min(ratio.rounds))} to {_shown(max(ratio.rounds))}"
    met = "met" if ratio.is_met else "not met"
    return (target.label, _shown(ratio.value), rounds, limit, met, _noise(is_noisy=ratio.is_noisy))


def _noise(*, is_noisy: bool) -> str:
    return "noisy" if is_noisy else ""


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= _DECIMALS_BELOW else f"{value:.2f}"


def write_page(page: Path, results: Sequence[Result]) -> None:
    """Write the section of the document, and the charts beside it."""
    about = (
        "Written by `bin/bench jobs --peers --page docs/throughput.md`: complete jobs, from put to "
        "completion, with leases, statistics and events, on one private server with an append-only "
        "file. Clients, workers and server share the machine. Every queue has two worker processes "
        "(ours at its defaults, the others at their best settings), and hiredis where it uses "
        "redis-py.\n\n"
        "Everything is measured once in each round, so that all subjects share what the machine "
        "does; a figure is the median of the rounds, or a percentile over all of them, and "
        "*lowest* and *highest* are those of a round. A sample during which something else used "
        f"more than {FOREIGN:.0%} of the machine was taken again, up to twice; a figure that was "
        "still disturbed is marked *noisy*. *us* are microseconds of CPU time, user and system, of "
        "the server's process or of all processes of a worker."
    )
    installed = peers.versions()
    if installed:
        about += f"\n\nVersions: {installed}."
    tables = []
    for result in results:
        images = "\n\n".join(_write_charts(page, result))
        heading = result.version + (f"\n\n{images}" if images else "")
        tables.append((heading, result.text()))
    command.write_section(page, command.section("Throughput and latency", about, tables))


def _write_charts(page: Path, result: Result) -> Iterator[str]:
    """Write the charts of a run that has peers; yield the links to them."""
    names = {peer.name for peer in peers.all_peers()}
    if not names & set(result.measured.samples):
        return
    folder = page.parent / "images"
    folder.mkdir(exist_ok=True)
    for chart in charts.CHARTS:
        name = f"throughput-{result.server}-{chart.name}.svg"
        drawing = charts.svg(chart, charts.rows(chart, result.by_place))
        (folder / name).write_text(drawing, encoding="utf-8")
        yield f"![{chart.title}](images/{name})"
