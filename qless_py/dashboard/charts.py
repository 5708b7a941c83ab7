"""Charts as SVG made on the server. JavaScript only adds a crosshair.

Each line gets its colour from a class, and the chart carries its values as JSON in `data-chart`, so
that the page contains neither inline styles nor inline scripts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from qless_py.client import humanize

# The width of a chart on most screens, so that its text is as large as the text around it.
WIDTH: Final = 400
HEIGHT: Final = 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 22
_TICKS: Final = 4
_DAY: Final = 86400


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart, with a value or None for each instant."""

    label: str
    colour: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """Several series over the same instants, in seconds; `format` writes a value as text."""

    title: str
    instants: Sequence[float]
    series: Sequence[Series]
    format: Callable[[float], str] = humanize.number
    is_logarithmic: bool = False

    def __html__(self) -> str:
        return str(render(self))

    def last(self, series: Series) -> str:
        """Return the newest value of a series as text."""
        value = series.values[-1] if series.values else None
        return humanize.NOTHING if value is None else self.format(value)

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
    scale = _Scale.of(chart)
    grid = Markup("").join(_grid_line(chart, scale, value) for value in scale.ticks())
    times = Markup("").join(_time_label(chart, scale, at) for at in _time_marks(chart.instants))
    lines = Markup("").join(_polyline(chart, scale, one) for one in chart.series)
    return Markup(
        '<svg class="chart" role="img" viewBox="0 0 {} {}" aria-label="{}" data-chart="{}">'
        "{}{}{}</svg>"
    ).format(WIDTH, HEIGHT, _description(chart), _values_json(chart), grid, times, lines)


_SLOTS: Final = (
    ("under 1 s", 1), ("1 to 10 s", 10), ("10 s to 1 min", 60), ("1 to 10 min", 600),
    ("10 min to 1 h", 3600), ("1 to 6 h", 6 * 3600), ("6 h to 1 d", _DAY), ("over 1 d", math.inf),
)  # fmt: skip
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": _DAY}


def duration_histogram(slots: Mapping[str, int]) -> list[tuple[str, int]]:
    """Sum the slots of a day's statistics (s0 … m1 … h1 … d6) into a few labelled ranges."""
    found = dict.fromkeys((label for label, _ in _SLOTS), 0)
    for slot, count in slots.items():
        seconds = _UNITS[slot[0]] * int(slot[1:])
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


@dataclass(frozen=True, slots=True)
class _Scale:
    first: float
    last: float
    top: float
    is_logarithmic: bool

    @classmethod
    def of(cls, chart: Chart) -> _Scale:
        known = [v for one in chart.series for v in one.values if v is not None]
        top = _rounded_up(max(known, default=0) or 1)
        first = chart.instants[0] if chart.instants else 0
        last = chart.instants[-1] if chart.instants else 1
        return cls(first, max(last, first + 1), top, chart.is_logarithmic)

    def x(self, at: float) -> float:
        share = (at - self.first) / (self.last - self.first)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = self._share(value)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def _share(self, value: float) -> float:
        if self.is_logarithmic:
            # The axis starts at one millisecond; smaller values are drawn on it.
            low, high = math.log(0.001), math.log(max(self.top, 0.01))
            return max(0.0, (math.log(max(value, 0.001)) - low) / (high - low))
        return value / self.top

    def ticks(self) -> list[float]:
        if not self.is_logarithmic:
            return [self.top * index / _TICKS for index in range(_TICKS + 1)]
        high = math.ceil(math.log10(max(self.top, 0.01)) - 1e-9)
        steps = range(-3, high + 1)
        return [10.0**power for power in steps if 10.0**power <= self.top * 1.0001]


def _rounded_up(value: float) -> float:
    power = 10 ** math.floor(math.log10(value))
    for factor in (1, 2, 4, 5, 8, 10):
        if value <= factor * power * (1 + 1e-9):
            return float(factor * power)
    return float(10 * power)


def _grid_line(chart: Chart, scale: _Scale, value: float) -> Markup:
    y = f"{scale.y(value):.1f}"
    return Markup(
        '<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="axis" x="{}" y="{}" text-anchor="end" dominant-baseline="middle">{}</text>'
    ).format(_LEFT, WIDTH - _RIGHT, y, y, _LEFT - 6, y, chart.format(value))


def _time_marks(instants: Sequence[float]) -> list[float]:
    if len(instants) < 2:  # noqa: PLR2004 - one instant has no axis
        return list(instants)
    span = instants[-1] - instants[0]
    steps = (60, 300, 900, 3600, 4 * 3600, 12 * 3600, _DAY, 2 * _DAY, 7 * _DAY)
    step = next((one for one in steps if span / one <= 6), steps[-1])  # noqa: PLR2004 - fit side by side
    first = math.ceil(instants[0] / step) * step
    return [float(at) for at in range(int(first), int(instants[-1]) + 1, step)]


def _time_label(chart: Chart, scale: _Scale, at: float) -> Markup:
    span = chart.instants[-1] - chart.instants[0]
    moment = datetime.fromtimestamp(at, UTC)
    text = moment.strftime("%d %b") if span > 2 * _DAY else moment.strftime("%H:%M")
    return Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        f"{scale.x(at):.1f}", HEIGHT - 6, text
    )


def _polyline(chart: Chart, scale: _Scale, series: Series) -> Markup:
    parts: list[list[str]] = [[]]
    for at, value in zip(chart.instants, series.values, strict=True):
        if value is None:
            parts.append([])
        else:
            parts[-1].append(f"{scale.x(at):.1f},{scale.y(value):.1f}")
    drawn = Markup("")
    for points in parts:
        if len(points) == 1:
            # A line of one point has no length, so it would not be seen.
            x, y = points[0].split(",")
            drawn += Markup('<circle class="point line-{}" cx="{}" cy="{}" r="2.5"/>').format(
                series.colour, x, y
            )
        elif points:
            drawn += Markup('<polyline class="line line-{}" points="{}"/>').format(
                series.colour, " ".join(points)
            )
    return drawn


def _description(chart: Chart) -> str:
    """Describe the newest and the largest values for screen readers."""
    parts = []
    for one in chart.series:
        known = [value for value in one.values if value is not None]
        if known:
            parts.append(f"{one.label} {chart.last(one)} now, max {chart.format(max(known))}")
    return f"{chart.title}: {'; '.join(parts) or 'no values'}"


def _times(instants: Sequence[float]) -> list[str]:
    """Return the instants as text, with their dates if they span a day."""
    form = "%d %b %H:%M" if instants and instants[-1] - instants[0] >= _DAY else "%H:%M"
    return [datetime.fromtimestamp(at, UTC).strftime(form) for at in instants]


def _values_json(chart: Chart) -> str:
    data = {
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
        "width": WIDTH,
        "top": _TOP,
        "bottom": HEIGHT - _BOTTOM,
        "times": _times(chart.instants),
        "lines": [
            [one.label, [None if v is None else chart.format(v) for v in one.values]]
            for one in chart.series
        ],
    }
    return json.dumps(data, separators=(",", ":"))
