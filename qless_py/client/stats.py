# Generated from qless_py/aio/stats.py by bin/generate-sync: edit that file.
"""Statistics of queues."""

from datetime import date

from qless_py.client.session import Session
from qless_py.protocol import stats
from qless_py.protocol.stats import DayStats


class Stats:
    """`client.stats`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, queue: str, day: date | float | None = None) -> DayStats:
        """Return a queue's statistics of a day in UTC: a date, any time of it, or today."""
        return self._session.runner.run(stats.day(queue, day))
