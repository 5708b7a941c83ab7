"""A clock that moves only when told."""

from __future__ import annotations

from datetime import UTC, datetime

from qless_py.protocol import arguments as options
from qless_py.protocol.arguments import Seconds


class Clock:
    """The time for a client of a test: `Client(clock=Clock())`.

    It stands still until told to move, and never goes back, as the time of a namespace does not.
    A namespace that was opened with such a clock takes no calls without one, and the reverse.
    """

    def __init__(self, now: float | datetime | None = None) -> None:
        start = datetime(2030, 1, 1, tzinfo=UTC) if now is None else now
        self._now = options.instant("now", start) / 1000

    def __call__(self) -> float:
        """Give the time in seconds since 1970."""
        return self._now

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self._now, UTC)

    def advance(self, seconds: Seconds) -> None:
        """Let so much time pass."""
        self._now += options.span("seconds", seconds) / 1000

    def travel_to(self, instant: float | datetime) -> None:
        """Go to a later instant."""
        to = options.instant("instant", instant) / 1000
        self._now += options.span("the way back in time is closed: seconds", to - self._now) / 1000
