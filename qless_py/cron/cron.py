"""The instants at which a cron expression fires in a time zone.

cronsim computes local times as if clocks never changed. What happens to a local time that is
skipped or occurs twice is decided here, by one rule for five fields and for six. (cronsim's own
rule covers five fields only, also depends on the minutes, and can miss a time in zones whose clocks
change by half an hour.)
"""

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from qless_py.cron import zones
from qless_py.cron.expression import parse
from qless_py.errors import ScheduleError

_SOME_DAY: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a local time


class Cron:
    """A cron expression in a time zone; the constructor raises `ScheduleError` if it is invalid.

    It has five fields (minute, hour, day of month, month, day of week), six with the seconds
    first, or is a nickname such as `@daily`. When clocks change, an expression for certain hours
    fires once: all skipped times together at the end of the gap, and a repeated time at its first
    occurrence. One whose hours are `*` or have a step fires whenever the clock shows its time.
    """

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        self._expression = parse(expression)
        self._zone = zones.zone(zone)
        self.expression = self._expression.text
        self.zone = zone
        if next(self._local_times(_SOME_DAY), None) is None:
            raise ScheduleError(
                f"cron {self.expression!r} never fires: no day fits the day of month, the month "
                "and the day of week"
            )

    @property
    def tzinfo(self) -> ZoneInfo:
        """The time zone."""
        return self._zone

    def after(self, instant: float) -> Iterator[int]:
        """Yield the instants after one, in seconds since 1970; there may be finitely many."""
        since = int(instant // 1)
        local = _local(since, self._zone)
        repeated = timedelta(seconds=_overlap(local, self._zone))
        times = self._local_times(local - repeated)
        found = self._periodic(times) if self._expression.is_periodic else self._fixed(times)
        return (at for at in found if at > since)

    def next_times(self, count: int = 10, after: float | datetime | None = None) -> list[datetime]:
        """Return the next times in the zone, by default from now on."""
        if isinstance(after, datetime):
            after = after.timestamp()
        since = time.time() if after is None else after
        return [datetime.fromtimestamp(at, self._zone) for at in islice(self.after(since), count)]

    def _local_times(self, after: datetime) -> Iterator[datetime]:
        """Yield the matching local times after one, as if clocks never changed."""
        try:
            yield from CronSim(self._expression.six_fields, after)
        except (CronSimError, OverflowError, ValueError):
            return  # No day matches, or the calendar ends in the year 9999.

    def _fixed(self, times: Iterator[datetime]) -> Iterator[int]:
        last = None
        for local in times:
            at = _instant(local, self._zone)
            if last is None or at > last:
                yield at
                last = at

    def _periodic(self, times: Iterator[datetime]) -> Iterator[int]:
        again: deque[int] = deque()
        for local in times:
            first, second = _both(local, self._zone)
            if second < first:
                continue  # A local time that is skipped.
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


def _local(instant: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(instant, zone).replace(tzinfo=None, fold=0)


def _both(local: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Return the instants of a local time by the UTC offsets before and after a clock change."""
    aware = local.replace(tzinfo=zone)
    return _seconds(aware), _seconds(aware.replace(fold=1))


def _seconds(aware: datetime) -> int:
    return round((aware.astimezone(UTC) - _EPOCH).total_seconds())


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _overlap(local: datetime, zone: ZoneInfo) -> int:
    first, second = _both(local, zone)
    return max(second - first, 0)


def _instant(local: datetime, zone: ZoneInfo) -> int:
    """Return the first instant at which the clock shows a local time, or has just skipped it."""
    first, second = _both(local, zone)
    return first if first <= second else _end_of_gap(second, first, zone)


def _end_of_gap(before: int, after: int, zone: ZoneInfo) -> int:
    """Return the instant between two at which the clock changes."""
    offset = datetime.fromtimestamp(after, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
