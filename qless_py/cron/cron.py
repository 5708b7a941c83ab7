"""The instants of a cron expression in a time zone.

cronsim walks the clock on the wall, as if no clock were ever set; what becomes of a time that is
missing or comes twice is decided here, by one rule for five fields and six. (Left to itself,
cronsim knows a rule for five fields only, applies it by the minutes as well, and in zones whose
clocks are set by half an hour can miss a time.)
"""

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from qless_py.cron import expression as expressions
from qless_py.cron import zones
from qless_py.errors import ScheduleError

_SOME_DAY: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - the clock on the wall has no zone


class Cron:
    """A cron expression in a time zone; checked when it is made.

    Five fields (minute, hour, day of month, month, day of week), six with the seconds first, or a
    nickname such as `@daily`. When clocks are set, an expression for certain hours fires once:
    what is missing as soon as the gap is over, all of it together, and what comes twice at the
    first time. One whose hours are `*` or have a step fires whenever the clock shows its time.
    """

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        self._expression = expressions.parse(expression)
        self._zone = zones.zone(zone)
        self.expression = self._expression.text
        self.zone = zone
        if next(self._walls(_SOME_DAY), None) is None:
            raise ScheduleError(
                f"cron {self.expression!r} never fires: no day fits the day of month, the month "
                "and the day of week"
            )

    @property
    def tzinfo(self) -> ZoneInfo:
        """The time zone."""
        return self._zone

    def after(self, instant: float) -> Iterator[int]:
        """Give the instants after one, seconds since 1970, one by one; they may come to an end."""
        since = int(instant // 1)
        wall = _wall(since, self._zone)
        length = _overlap(wall, self._zone)
        walls = self._walls(wall - timedelta(seconds=length))
        found = self._rhythm(walls) if self._expression.is_rhythm else self._once(walls)
        return (at for at in found if at > since)

    def next_times(self, count: int = 10, after: float | datetime | None = None) -> list[datetime]:
        """Give the next times, as the clock of the zone shows them; by default from now on."""
        if isinstance(after, datetime):
            after = after.timestamp()
        since = time.time() if after is None else after
        return [datetime.fromtimestamp(at, self._zone) for at in islice(self.after(since), count)]

    def _walls(self, after: datetime) -> Iterator[datetime]:
        """Give what the clock on the wall shows at each time, if it is never set."""
        try:
            yield from CronSim(self._expression.spelled, after)
        except (CronSimError, OverflowError, ValueError):
            return  # No day fits, or the years of the calendar are used up.

    def _once(self, walls: Iterator[datetime]) -> Iterator[int]:
        last = None
        for wall in walls:
            at = _instant(wall, self._zone)
            if last is None or at > last:
                yield at
                last = at

    def _rhythm(self, walls: Iterator[datetime]) -> Iterator[int]:
        again: deque[int] = deque()
        for wall in walls:
            first, second = _both(wall, self._zone)
            if second < first:
                continue  # No clock ever shows this.
            while again and again[0] < first:
                yield again.popleft()
            yield first
            if second > first:
                again.append(second)
        yield from again

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cron):
            return NotImplemented
        return (self.expression, self.zone) == (other.expression, other.zone)

    def __hash__(self) -> int:
        return hash((self.expression, self.zone))

    def __repr__(self) -> str:
        return f"Cron({self.expression!r}, {self.zone!r})"


def _wall(instant: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(instant, zone).replace(tzinfo=None, fold=0)


def _both(wall: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Give the instants by the offset before and by the offset after a change of the clock."""
    aware = wall.replace(tzinfo=zone)
    return _seconds(aware), _seconds(aware.replace(fold=1))


def _seconds(aware: datetime) -> int:
    return round((aware.astimezone(UTC) - _EPOCH).total_seconds())


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _overlap(wall: datetime, zone: ZoneInfo) -> int:
    first, second = _both(wall, zone)
    return max(second - first, 0)


def _instant(wall: datetime, zone: ZoneInfo) -> int:
    """Give the first instant at which the clock shows this time, or has just jumped over it."""
    first, second = _both(wall, zone)
    return first if first <= second else _end_of_gap(second, first, zone)


def _end_of_gap(before: int, after: int, zone: ZoneInfo) -> int:
    """Find the instant between two at which the clock is set."""
    offset = datetime.fromtimestamp(after, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
