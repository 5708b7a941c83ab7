"""What a recurring job says of itself, read from its record without any I/O."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

from qless_py import cron as schedule
from qless_py.cron import Cron
from qless_py.protocol import RecurringRecord
from qless_py.protocol import arguments as checks
from qless_py.protocol.fields import Stored

MOST_TIMES = 10_000


class RecurringAttributes(Stored):
    """A recurring job as it was when it was read; times are seconds since 1970."""

    _record: RecurringRecord

    @property
    def next_at(self) -> float | None:
        """The slot of the next child; `None` when it is over, or its ticks are being worked out."""
        return None if self._record.next_at is None else self._record.next_at / 1000

    @property
    def count(self) -> int:
        """How many children there have been."""
        return int(self._record.fields.get("count", 0))

    @property
    def is_paused(self) -> bool:
        """Whether no children are made for now."""
        return bool(self._record.fields.get("paused", False))

    @property
    def is_over(self) -> bool:
        """Whether its end or limit is reached, so that no child will come any more."""
        return bool(self._record.fields.get("over", False))

    @property
    def data(self) -> Any:
        """The data of each child."""
        return self._value()

    @property
    def interval(self) -> float | None:
        """Seconds between two children; `None` when there is a cron expression instead."""
        return self._seconds("interval")

    @property
    def cron(self) -> str | None:
        """The cron expression, if there is one."""
        cron = self._record.fields.get("cron")
        return None if cron is None else str(cron)

    @property
    def zone(self) -> str | None:
        """The time zone of the cron expression."""
        zone = self._record.fields.get("zone")
        return None if zone is None else str(zone)

    @property
    def misfire(self) -> str:
        """What becomes of slots noticed too late: `all`, `one` or `skip`."""
        return str(self._record.fields.get("misfire", "all"))

    @property
    def start(self) -> float | None:
        """The instant before which there is no child."""
        return self._seconds("start")

    @property
    def end(self) -> float | None:
        """The instant after which there is no child."""
        return self._seconds("end")

    @property
    def limit(self) -> int | None:
        """How many children there may be by the schedule."""
        limit = self._record.fields.get("limit")
        return None if limit is None else int(limit)

    @property
    def group(self) -> str | None:
        """The group that has declared it."""
        group = self._record.fields.get("group")
        return None if group is None else str(group)

    @property
    def priority(self) -> float:
        """The priority of each child."""
        return float(self._record.fields.get("priority", 0))

    @property
    def retries(self) -> int:
        """How often each child may be dropped."""
        return int(self._record.fields.get("retries", 0))

    @property
    def backlog(self) -> int:
        """How many missed slots are made up for; 0 is all of them."""
        return int(self._record.fields.get("backlog", 0))

    @property
    def stored_times(self) -> list[datetime]:
        """The next ticks of a cron expression as they are stored, at most ten."""
        ticks = self._record.fields.get("ticks") or ()
        return [datetime.fromtimestamp(tick / 1000, UTC) for tick in ticks]

    def next_times(self, count: int = 10) -> list[datetime]:
        """Work out the times of the next children, were it not paused; fewer when it ends."""
        number = checks.whole("count", count, 0, MOST_TIMES)
        left = self.limit
        if left is not None:
            number = min(number, max(left - int(self._record.fields.get("made", 0)), 0))
        return [] if self.is_over else self._times(number)

    @property
    def span(self) -> dict[str, int]:
        """Its start and end, as far as it has them, in ms."""
        fields = self._record.fields
        return {name: int(fields[name]) for name in ("start", "end") if name in fields}

    def _times(self, count: int) -> list[datetime]:
        fields, span = self._record.fields, self.span
        if self.cron is not None and self.zone is not None:
            cron = Cron(self.cron, self.zone)
            plan = schedule.following(cron, int(fields["covered"]), count, **span)
            return [datetime.fromtimestamp(tick / 1000, cron.tzinfo) for tick in plan.ticks]
        first, step = self._record.next_at or 0, int(fields["interval"])
        slots = range(first, span.get("end", 2**53) + 1, step)
        return [datetime.fromtimestamp(slot / 1000, UTC) for slot in islice(slots, count)]

    def _seconds(self, name: str) -> float | None:
        value = self._record.fields.get(name)
        return None if value is None else float(value) / 1000
