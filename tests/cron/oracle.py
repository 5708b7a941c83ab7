"""An independent implementation of cron ticks: it walks through the minutes of UTC."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

RANGES = (range(60), range(24), range(1, 32), range(1, 13), range(8))
MINUTE = 60


def _values(field: str, among: range) -> set[int]:
    found: set[int] = set()
    for term in field.split(","):
        base, _, step = term.partition("/")
        first, _, last = base.partition("-")
        whole = base == "*"
        low = among[0] if whole else int(first)
        high = among[-1] if whole or (step and not last) else int(last or first)
        found.update(range(low, high + 1, int(step or 1)))
    return found


@functools.cache
def _read(expression: str) -> tuple[set[int], ...]:
    return tuple(_values(*pair) for pair in zip(expression.split(), RANGES, strict=True))


def matches(expression: str, wall: datetime) -> bool:
    """Return whether a clock that shows this time makes the expression fire."""
    minutes, hours, days, months, weekdays = _read(expression)
    if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
        return False
    _, _, day, _, weekday = expression.split()
    on_day = wall.day in days
    on_weekday = bool({wall.isoweekday(), wall.isoweekday() % 7} & weekdays)
    if day.startswith("*") or weekday.startswith("*"):
        return on_day and on_weekday
    return on_day or on_weekday


def walls(zone: ZoneInfo, start: int, end: int) -> list[tuple[int, datetime]]:
    """Return what the clock shows at each minute from one instant to another."""
    return [(at, _wall(zone, at)) for at in range(start, end + 1, MINUTE)]


def _wall(zone: ZoneInfo, at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def ticks(expression: str, shown: list[tuple[int, datetime]]) -> Iterator[int]:
    """Return the instants at which it fires; the first one shown is only looked back at."""
    hours = expression.split()[1]
    is_rhythm = "*" in hours or "/" in hours
    seen = {shown[0][1]}
    before = shown[0][1]
    for at, wall in shown[1:]:
        fires = matches(expression, wall) and (is_rhythm or wall not in seen)
        if not is_rhythm:
            fires = fires or any(matches(expression, one) for one in _jumped(before, wall))
        if fires:
            yield at
        seen.add(wall)
        before = wall


def _jumped(before: datetime, wall: datetime) -> Iterator[datetime]:
    one = before + timedelta(minutes=1)
    while one < wall:
        yield one
        one += timedelta(minutes=1)


def changes(zone: ZoneInfo, start: int, end: int) -> list[int]:
    """Find the instants at which the clocks of a zone are set."""
    found = []
    step = 6 * 3600
    for at in range(start, end, step):
        before, after = _offset(zone, at), _offset(zone, at + step)
        if before != after:
            found.append(_search(zone, at, at + step))
    return found


def _offset(zone: ZoneInfo, at: int) -> timedelta | None:
    return datetime.fromtimestamp(at, zone).utcoffset()


def _search(zone: ZoneInfo, low: int, high: int) -> int:
    offset = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return high
