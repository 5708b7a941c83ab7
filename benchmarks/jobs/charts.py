"""Bar charts of the comparison, as SVG."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.jobs import subjects as names
from benchmarks.jobs.figures import Figure, Place
from benchmarks.jobs.peers import all_peers

_OURS: Final = "qless_py"
_COLORS: Final = ("#2563eb", "#f59e0b", "#10b981")
_WIDTH: Final = 760
_NAMES_WIDTH: Final = 260
_BAR: Final = 14
_GAP: Final = 10
_HEAD: Final = 56
_LABEL_ROOM: Final = 80  # To the right of the longest bar.
_LONGEST: Final = 6  # Times the median; a longer bar is cut, or the others could not be compared.


@dataclass(frozen=True, slots=True)
class Chart:
    """The figures of a chart, one bar for each series; stacked bars add up."""

    name: str
    title: str
    unit: str
    series: Mapping[str, str]  # Name in the legend by the label of a peer's figure.
    ours: Mapping[str, Place]  # The figure of this project by the label of a peer's figure.
    is_stacked: bool = False


def _same(subject: str, *labels: str) -> dict[str, Place]:
    return {label: (subject, label) for label in labels}


CHARTS: Final = (
    Chart(
        "jobs",
        "No-op jobs per second, two processes",
        "jobs/s",
        {"no-op jobs": "no-op jobs"},
        _same(names.TWO_CHILDREN, "no-op jobs"),
    ),
    Chart(
        "puts",
        "Jobs put per second by one process",
        "jobs/s",
        {"put one by one": "one by one", "put in bulk": "in bulk, by 100"},
        _same(names.PUTS, "put one by one", "put in bulk"),
    ),
    Chart(
        "pickup",
        "Time from the put to the handler, idle worker",
        "ms",
        {"pickup p50": "p50", "pickup p99": "p99"},
        _same(names.IDLE, "pickup p50", "pickup p99"),
    ),
    Chart(
        "cpu",
        "CPU time per job",
        "µs",
        {
            "server CPU of a put": "server, put",
            "server CPU of the rest of a job": "server, rest",
            "worker CPU per job": "worker",
        },
        {
            **_same(names.PUTS, "server CPU of a put"),
            **_same(names.TWO_CHILDREN, "server CPU of the rest of a job", "worker CPU per job"),
        },
        is_stacked=True,
    ),
)

Row = tuple[str, Sequence[float | None]]


def rows(chart: Chart, figures: Mapping[Place, Figure]) -> list[Row]:
    """Return a row for this project and each peer that was measured."""
    places = {_OURS: list(chart.ours.values())}
    places |= {peer.name: [(peer.name, one) for one in chart.series] for peer in all_peers()}
    found = ((name, _values(figures, theirs)) for name, theirs in places.items())
    return [row for row in found if any(value is not None for value in row[1])]


def _values(figures: Mapping[Place, Figure], places: Sequence[Place]) -> list[float | None]:
    return [figures[place].value if place in figures else None for place in places]


def svg(chart: Chart, shown: Sequence[Row]) -> str:
    """Return the drawing."""
    lines = 1 if chart.is_stacked else len(chart.series)
    height = _HEAD + len(shown) * (lines * _BAR + _GAP) + _GAP
    lengths = {name: _length(chart, values) for name, values in shown}
    most = max(_LONGEST * statistics.median(lengths.values()), lengths.get(_OURS, 0))
    most = min(most, max(lengths.values())) or 1
    scale = (_WIDTH - _NAMES_WIDTH - _LABEL_ROOM) / most
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    font = 'font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(12, 20, f"{chart.title} ({chart.unit})", 'font-size="15" font-weight="bold"'),
        *_legend(chart),
    ]
    top = _HEAD
    for name, values in shown:
        weight = 'font-weight="bold"' if name == _OURS else ""
        middle = top + lines * _BAR / 2 + 4
        parts.append(_text(_NAMES_WIDTH - 10, middle, name, f'text-anchor="end" {weight}'))
        draw = _stack if chart.is_stacked else _group
        parts += draw(values, top, scale, most)
        top += lines * _BAR + _GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def _length(chart: Chart, values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) if chart.is_stacked else max(known)


def _legend(chart: Chart) -> list[str]:
    parts, left = [], 12.0
    if len(chart.series) > 1:
        for name, color in zip(chart.series.values(), _COLORS, strict=False):
            parts.append(f'<rect x="{left}" y="32" width="12" height="12" fill="{color}"/>')
            parts.append(_text(left + 18, 42, name))
            left += 36 + 7 * len(name)
    return parts


def _group(values: Sequence[float | None], top: float, scale: float, most: float) -> list[str]:
    parts = []
    for at, value in enumerate(values):
        if value is not None:
            width = min(value, most) * scale
            parts.append(_bar(_NAMES_WIDTH, top + at * _BAR, width, _COLORS[at]))
            label = _label(value, most)
            parts.append(_text(_NAMES_WIDTH + width + 6, top + at * _BAR + 11, label))
    return parts


def _stack(values: Sequence[float | None], top: float, scale: float, most: float) -> list[str]:
    total = sum(value or 0 for value in values)
    cut = min(1, most / total)
    parts, left = [], float(_NAMES_WIDTH)
    for value, color in zip(values, _COLORS, strict=False):
        width = (value or 0) * scale * cut
        parts.append(_bar(left, top, width, color))
        left += width
    return [*parts, _text(left + 6, top + 11, _label(total, most))]


def _label(value: float, most: float) -> str:
    """Return the number beside a bar, with a mark if the bar is cut."""
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{shown} (cut)" if value > most else shown


def _bar(left: float, top: float, width: float, color: str) -> str:
    box = f'x="{left:.1f}" y="{top:.1f}" width="{max(width, 1):.1f}" height="{_BAR - 2}"'
    return f'<rect {box} fill="{color}"/>'


def _text(left: float, baseline: float, text: str, attributes: str = "") -> str:
    return (
        f'<text x="{left:.1f}" y="{baseline:.1f}" fill="#1f2937" {attributes}>{escape(text)}</text>'
    )
