"""Charts as SVG made on the server. JavaScript adds a crosshair, a tooltip and zooming by dragging.

Each line gets its colour from a class, and the chart carries its values as JSON in `data-chart`, so
that the page contains neither inline styles nor inline scripts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final

from markupsafe import Markup

from qless_py.client import humanize
from qless_py.dashboard import axes
from qless_py.dashboard.axes import Axis

# The width of a chart on most screens, so that its text is as large as the text around it.
WIDTH: Final = 400
HEIGHT: Final = 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 22
_DAY: Final = 86400
_MARK_WIDTH: Final = 64  # Between the names of two marks.
_MOST_NAMED: Final = 14  # Characters of the name of a mark.


UNITS: Final[Mapping[str, Callable[[float], str]]] = MappingProxyType(
    {"number": humanize.number, "duration": humanize.duration, "share": humanize.percent}
)


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart, with a value or None for each instant; a ghost is drawn dashed."""

    label: str
    colour: str
    values: Sequence[float | None]
    is_ghost: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with a name, such as a deploy."""

    at: float
    name: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Several series over the same instants, which are seconds at equal distances."""

    title: str
    instants: Sequence[float]
    series: Sequence[Series]
    unit: str = "number"
    is_logarithmic: bool = False
    marks: Sequence[Mark] = ()
    zone: tzinfo = UTC

    def __html__(self) -> str:
        return str(render(self))

    def format(self, value: float) -> str:
        """Return a value of the chart as text."""
        return UNITS[self.unit](value)

    def last(self, series: Series) -> str:
        """Return the newest value of a series as text."""
        value = series.values[-1] if series.values else None
        return humanize.NOTHING if value is None else self.format(value)

    @property
    def step(self) -> float:
        """Return the distance of two instants."""
        return self.instants[1] - self.instants[0] if len(self.instants) > 1 else 0.0

    @property
    def gap(self) -> str:
        """Return since when no series has a value, or an empty string if the newest has one."""
        known = [
            at
            for index, at in enumerate(self.instants)
            if any(one.values[index] is not None for one in self.series)
        ]
        if not known or known[-1] == self.instants[-1]:
            return ""
        return f"no values for {humanize.duration(self.instants[-1] - known[-1])}"


def render(chart: Chart) -> Markup:
    """Return a chart as an SVG element."""
    known = [v for one in chart.series for v in one.values if v is not None]
    axis = axes.logarithmic(known) if chart.is_logarithmic else axes.linear(known, chart.unit)
    ordered = sorted(chart.series, key=lambda one: not one.is_ghost)
    lines = Markup("").join(_line(axis, one) for one in ordered)
    width = (WIDTH - _LEFT - _RIGHT) / max(len(chart.instants) - 1, 1)
    return Markup(
        '<svg class="chart" role="img" viewBox="0 0 {} {}" aria-label="{}" data-chart="{}">'
        '{}{}{}<g transform="translate({} 0) scale({:.4g} .5)">{}</g></svg>'
    ).format(
        WIDTH, HEIGHT, _description(chart), _values_json(chart), _value_axis(chart, axis),
        _time_axis(chart), _marks(chart), _LEFT, width, lines,
    )  # fmt: skip


_SLOTS: Final = (
    ("under 1 s", 1), ("1 to 10 s", 10), ("10 s to 1 min", 60), ("1 to 10 min", 600),
    ("10 min to 1 h", 3600), ("1 to 6 h", 6 * 3600), ("6 h to 1 d", _DAY), ("over 1 d", math.inf),
)  # fmt: skip
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": _DAY}


def duration_histogram(slots: Mapping[str, int]) -> list[tuple[str, int]]:
    """Sum the slots of a day's statistics (s0 … m1 … h1 … d6) into a few labelled ranges."""
    found = dict.fromkeys((label for label, _ in _SLOTS), 0)
    for slot, count in slots.items():
        seconds = _SECONDS[slot[0]] * int(slot[1:])
        found[next(label for label, end in _SLOTS if seconds < end)] += count
    return list(found.items())


def bar_chart(title: str, values: Sequence[tuple[str, int]]) -> Markup:
    """Return a labelled bar for each value, or nothing if all are 0."""
    top = max((value for _, value in values), default=0)
    if not top:
        return Markup("")
    text = "; ".join(f"{label}: {value}" for label, value in values if value)
    rows = Markup("").join(
        Markup(
            '<text class="axis" x="100" y="{}" text-anchor="end">{}</text>'
            '<rect class="bar" x="106" y="{}" width="{}" height="12"/>'
            '<text class="axis" x="{}" y="{}">{}</text>'
        ).format(
            11 + 18 * index, label, 1 + 18 * index, f"{200 * value / top:.1f}",
            f"{112 + 200 * value / top:.1f}", 11 + 18 * index, humanize.number(value),
        )
        for index, (label, value) in enumerate(values)
    )  # fmt: skip
    return Markup(
        '<svg class="chart" role="img" viewBox="0 0 360 {}" aria-label="{}">{}</svg>'
    ).format(18 * len(values), f"{title}: {text}", rows)


def _x(chart: Chart, at: float) -> float:
    first, last = chart.instants[0], chart.instants[-1]
    return _LEFT + (at - first) / max(last - first, 1) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - axis.share(value) * (HEIGHT - _TOP - _BOTTOM)


def _value_axis(chart: Chart, axis: Axis) -> Markup:
    heights = [(f"{_y(axis, value):.4g}", chart.format(value)) for value in axis.ticks]
    rules = "".join(f"M{_LEFT} {y}H{WIDTH - _RIGHT}" for y, _ in heights)
    labels = Markup("").join(
        Markup('<text x="{}" y="{}">{}</text>').format(_LEFT - 6, y, text) for y, text in heights
    )
    return Markup(
        '<path class="rule" d="{}"/>'
        '<g class="axis" text-anchor="end" dominant-baseline="middle">{}</g>'
    ).format(rules, labels)


def _time_axis(chart: Chart) -> Markup:
    instants = chart.instants or (0.0,)
    labels = axes.times(instants[0], instants[-1], chart.zone)
    return Markup('<g class="axis" text-anchor="middle">{}</g>').format(
        Markup("").join(
            Markup('<text x="{:.4g}" y="{}">{}</text>').format(_x(chart, at), HEIGHT - 6, text)
            for at, text in labels
        )
    )


def _inside(chart: Chart) -> list[Mark]:
    if not chart.instants:
        return []
    # A row that has just begun is not shown, but a mark within it is.
    last = chart.instants[-1] + 1.5 * chart.step
    return sorted(
        (one for one in chart.marks if chart.instants[0] <= one.at <= last), key=lambda one: one.at
    )


def _marks(chart: Chart) -> Markup:
    """Draw a line for each mark, and names where they do not cover the one to the right."""
    drawn = Markup("")
    free = float(WIDTH + _MARK_WIDTH)
    for mark in reversed(_inside(chart)):
        x = min(_x(chart, mark.at), WIDTH - _RIGHT)
        drawn += Markup('<line class="mark" x1="{0:.4g}" x2="{0:.4g}" y1="{1}" y2="{2}"/>').format(
            x, _TOP - 2, HEIGHT - _BOTTOM
        )
        if x <= free - _MARK_WIDTH:
            name = mark.name if len(mark.name) <= _MOST_NAMED else f"{mark.name[:12]}…"
            anchor = "end" if x > WIDTH - _MARK_WIDTH else "start"
            drawn += Markup(
                '<text class="axis mark-name" x="{:.4g}" y="8" text-anchor="{}">{}</text>'
            ).format(x if anchor == "end" else x + 3, anchor, name)
            free = x
    return drawn


def _line(axis: Axis, series: Series) -> Markup:
    """Draw the parts of a series between its gaps.

    A step to the right is an instant, and a step down is half a pixel: whole numbers are short.
    """
    parts: list[list[tuple[int, int]]] = [[]]
    heights = [None if value is None else round(2 * _y(axis, value)) for value in series.values]
    for index, height in enumerate(heights):
        if height is None:
            parts.append([])
        elif _is_corner(heights, index):
            parts[-1].append((index, height))
    kind = f"line line-{series.colour}{' ghost' if series.is_ghost else ''}"
    drawn = Markup("")
    for points in parts:
        # A line to the same point is drawn as a dot by the round ends of lines.
        is_lone = len(points) == 1
        if points:
            drawn += Markup('<path class="{}{}" d="{}"/>').format(
                kind, " point" if is_lone else "", _path([*points, *points] if is_lone else points)
            )
    return drawn


def _path(points: Sequence[tuple[int, int]]) -> str:
    """Return the points as a path, each as its distance from the one before."""
    (x, y), *rest = points
    steps = []
    for right, down in rest:
        steps.append(f"{right - x}{' ' if down >= y else ''}{down - y}")
        x, y = right, down
    return f"M{points[0][0]} {points[0][1]}l{' '.join(steps)}"


def _is_corner(heights: Sequence[int | None], index: int) -> bool:
    """Return whether a point is not in the middle of a horizontal line, where nobody sees it."""
    if not 0 < index < len(heights) - 1:
        return True
    return not heights[index - 1] == heights[index] == heights[index + 1]


def _description(chart: Chart) -> str:
    """Describe the newest and the largest values for screen readers."""
    parts = []
    for one in chart.series:
        known = [value for value in one.values if value is not None]
        if known:
            parts.append(f"{one.label} {chart.last(one)} now, max {chart.format(max(known))}")
    marks = _inside(chart)
    if marks:
        form = "%-d %b %H:%M"
        shown = (f"{m.name} {datetime.fromtimestamp(m.at, chart.zone):{form}}" for m in marks[-5:])
        parts.append(f"deploys: {', '.join(shown)}")
    return f"{chart.title}: {'; '.join(parts) or 'no values'}"


def _values_json(chart: Chart) -> str:
    data: dict[str, Any] = {
        "box": [_LEFT, WIDTH - _RIGHT, _TOP, HEIGHT - _BOTTOM, WIDTH],
        "first": chart.instants[0] if chart.instants else 0,
        "step": chart.step,
        "count": len(chart.instants),
        "unit": chart.unit,
        "zone": str(chart.zone),
        "lines": [[one.label, [_short(v, chart.unit) for v in one.values]] for one in chart.series],
    }
    if marks := _inside(chart):
        data["marks"] = [[round(mark.at), mark.name] for mark in marks]
    return json.dumps(data, separators=(",", ":"))


def _short(value: float | None, unit: str) -> float | None:
    """Round to what the text of a value shows; durations become milliseconds.

    A page holds thousands of them.
    """
    if value is None:
        return None
    value = 1000 * value if unit == "duration" else value
    rounded = float(f"{value:.3g}") if abs(value) < 1000 else round(value)  # noqa: PLR2004
    return int(rounded) if float(rounded).is_integer() else rounded
