"""Statistics of queues."""

from collections.abc import Awaitable
from datetime import date

from qless_py.client.session import AsyncSession
from qless_py.protocol import stats
from qless_py.protocol.stats import DayStats


class AsyncStats:
    """`client.stats`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def get(self, queue: str, day: date | float | None = None) -> Awaitable[DayStats]:
        """Return a queue's statistics of a day in UTC: a date, any time of it, or today."""
        return self._session.runner.run(stats.day(queue, day))
