"""A clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.options import Seconds


class Clock:
    """A clock for the client of a test: `Client(clock=Clock())`.

    It stands still until the test moves it. Like the time of a namespace, it never goes back. A
    namespace that was opened with such a clock refuses calls without one, and vice versa.
    """

    def __init__(self, now: float | datetime | None = None) -> None:
        start = datetime(2030, 1, 1, tzinfo=UTC) if now is None else now
        self._now = arguments.instant("now", start) / 1000

    def __call__(self) -> float:
        """Return the time in seconds since 1970."""
        return self._now

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self._now, UTC)

    def advance(self, seconds: Seconds) -> None:
        """Move the clock forward."""
        self._now += arguments.span("seconds", seconds) / 1000

    def travel_to(self, instant: float | datetime) -> None:
        """Move the clock to a later instant."""
        to = arguments.instant("instant", instant) / 1000
        if to < self._now:
            raise BadArgumentError(f"instant {instant!r} is back in time: it is {self.now} already")
        self._now = to
