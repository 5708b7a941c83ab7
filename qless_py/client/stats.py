# Generated from qless_py/aio/stats.py by bin/generate-sync: edit that file.
"""Statistics of queues and klasses."""

from datetime import date, datetime
from typing import Any

from qless_py.client.session import Session
from qless_py.protocol import stats
from qless_py.protocol.options import Resolution
from qless_py.protocol.stats import DayStats, KlassTotals, Sample


class Stats:
    """`client.stats`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, queue: str, day: date | float | None = None) -> DayStats:
        """Return a queue's statistics of a day in UTC: a date, any time of it, or today."""
        return self._session.runner.run(stats.day(queue, day))

    def klasses(self) -> dict[str, KlassTotals]:
        """Return what the jobs of each klass have done since it became known.

        The option `klass-stats` says how many klasses are counted; `_other` stands for all others.
        """
        return self._session.runner.run(stats.klasses())

    def klass_series(
        self,
        klass: Any,
        start: float | datetime,
        end: float | datetime,
        resolution: Resolution = "minute",
    ) -> list[Sample]:
        """Return a klass's counters by `minute` (kept for 4 hours) or `ten` minutes (14 days)."""
        return self._session.runner.run(stats.klass_series(klass, start, end, resolution))
