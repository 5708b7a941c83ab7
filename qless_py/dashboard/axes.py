"""Where the axes of a chart begin and end, and where their labels stand: at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MOST_TICKS: Final = 5
# Round durations from a millisecond to four weeks, in seconds.
_DURATIONS: Final = (
    *(factor * 10.0**power for power in range(-3, 1) for factor in (1, 2, 5)),
    *(10.0, 30.0),
    *(float(_MINUTE * minutes) for minutes in (1, 2, 5, 10, 30)),
    *(float(_HOUR * hours) for hours in (1, 2, 6, 12)),
    *(float(_DAY * days) for days in (1, 2, 7, 14, 28)),
)
_TIME_STEPS: Final = (
    *(_MINUTE * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * hours for hours in (1, 2, 3, 4, 6, 12)),
    *(_DAY * days for days in (1, 2, 3, 7)),
)
_MOST_TIMES: Final = 7  # Labels that fit side by side.


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high` with labels at `ticks`, all of them values of the chart."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return where a value is, from 0 to 1; what is outside of the axis is at its end."""
        if not self.is_logarithmic:
            return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        low, high = math.log(self.low), math.log(self.high)
        return min(max((math.log(max(value, self.low)) - low) / (high - low), 0.0), 1.0)


def linear(values: Sequence[float], unit: str) -> Axis:
    """Return an axis from 0 to a round number that is not below any value."""
    top = max(values, default=0) or 1.0
    if unit == "share" and top > 0.5:  # noqa: PLR2004 - a share ends at 100%
        top = 1.0
    step = _duration_step(top) if unit == "duration" else _step(top)
    count = math.ceil(top / step - 1e-9)
    return Axis(0, count * step, tuple(index * step for index in range(count + 1)))


def _step(top: float) -> float:
    power = 10.0 ** math.floor(math.log10(top / _MOST_TICKS))
    return next(f * power for f in (1, 2, 5, 10) if top / (f * power) <= _MOST_TICKS + 1e-9)


def _duration_step(top: float) -> float:
    fitting = (one for one in _DURATIONS if top / one <= _MOST_TICKS + 1e-9)
    return next(fitting, 0.0) or _step(top / _DAY) * _DAY


def logarithmic(values: Sequence[float]) -> Axis:
    """Return a logarithmic axis of durations between the round ones around all values."""
    known = [value for value in values if value > 0] or [0.1, 1.0]
    least = max(min(known), _DURATIONS[0])
    greatest = max(known)
    low = max(one for one in _DURATIONS if one <= least + 1e-12)
    high = next((one for one in _DURATIONS if one >= greatest - 1e-12), greatest)
    if high <= low:
        place = _DURATIONS.index(low)
        low = _DURATIONS[max(place - 1, 0)]
        high = _DURATIONS[min(place + 1, len(_DURATIONS) - 1)]
    inside = [one for one in _DURATIONS if low <= one <= high]
    every = math.ceil(len(inside) / _MOST_TICKS)
    return Axis(low, high, tuple(inside[::-1][::every][::-1]), is_logarithmic=True)


def times(first: float, last: float, zone: tzinfo) -> list[tuple[float, str]]:
    """Return instants that are round in a time zone, with their labels.

    From a day on labels are dates; below, midnight shows the date of the day that begins.
    """
    span = last - first
    step = next((one for one in _TIME_STEPS if span / one <= _MOST_TIMES), _TIME_STEPS[-1])
    found: list[tuple[float, str]] = []
    at = _round_before(datetime.fromtimestamp(first, zone), step)
    # Local times are counted on, so that labels stay round where clocks are changed.
    while (instant := at.timestamp()) <= last:
        if instant >= first and (not found or instant > found[-1][0]):
            is_midnight = not at.hour and not at.minute
            form = "%-d %b" if step >= _DAY or is_midnight else "%H:%M"
            found.append((instant, at.strftime(form)))
        at += timedelta(seconds=step)
    return found


def _round_before(moment: datetime, step: int) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if step > _DAY:
        return midnight - timedelta(days=midnight.toordinal() % (step // _DAY))
    seconds = moment.hour * _HOUR + moment.minute * _MINUTE
    return midnight + timedelta(seconds=seconds // step * step)
