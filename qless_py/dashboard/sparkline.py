"""Small lines without axes, for tiles and table rows; the number beside a line says the value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

_WIDTH: Final = 100
_HEIGHT: Final = 24
_EDGE: Final = 2  # Space for half of the line's width.
_MAX_POINTS: Final = 60


def sparkline(values: Sequence[float | None], colour: str = "put") -> Markup:
    """Return a line of these values from 0 up to the largest; None is a gap. Empty for one value.

    `colour` is that of a line of a chart. Neighbours are averaged until at most 60 are left.
    """
    points = _few(values)
    if sum(value is not None for value in points) < 2:  # noqa: PLR2004 - a point is no line
        return Markup("")
    top = max(value for value in points if value is not None) or 1.0
    step = _WIDTH / (len(points) - 1)
    parts: list[str] = []
    is_gap = True
    for index, value in enumerate(points):
        if value is not None:
            y = _HEIGHT - _EDGE - max(value, 0.0) / top * (_HEIGHT - 2 * _EDGE)
            parts.append(f"{'M' if is_gap else 'L'}{index * step:.1f} {y:.1f}")
        is_gap = value is None
    return Markup(
        '<svg class="sparkline line-{}" viewBox="0 0 {} {}" preserveAspectRatio="none" '
        'aria-hidden="true"><path class="line" d="{}"/></svg>'
    ).format(colour, _WIDTH, _HEIGHT, "".join(parts))


def _few(values: Sequence[float | None]) -> list[float | None]:
    size = -(-len(values) // _MAX_POINTS)
    if size <= 1:
        return list(values)
    groups = [values[first : first + size] for first in range(0, len(values), size)]
    return [_mean([one for one in group if one is not None]) for group in groups]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
