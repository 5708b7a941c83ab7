# Generated from qless_py/aio/throttles.py by bin/generate-sync: edit that file.
"""Throttles: limits on how many jobs run at once, and on how fast they start.

    client.throttles["github-api"].set(concurrency=5, rate=100, per=60)
    queue.put(Sync, throttles=["github-api"])

A job may have up to eight throttles, named when it is put, and starts when none of them holds it
back. Every queue and every user has one more, which applies to all its jobs: `queue.throttle` and
`client.users[name].throttle`. A throttle without limits holds nothing back. Running jobs count
towards a limit from the moment it is set, and limits may change at any time. Slots are held by
leases: those of a dead worker are free again when its leases lapse.
"""

from qless_py.client.base import ThrottlesBase
from qless_py.client.session import Session
from qless_py.protocol import arguments, throttles
from qless_py.protocol.options import Seconds
from qless_py.protocol.throttles import MAX_PAGE, ThrottlePage, ThrottleState


class Throttle:
    """`client.throttles[id]`, `queue.throttle`, `client.users[name].throttle`."""

    def __init__(self, session: Session, throttle: str) -> None:
        self._session = session
        self.id = arguments.throttle_id("throttle", throttle)

    def set(
        self,
        *,
        concurrency: int | None = None,
        rate: float | None = None,
        per: Seconds | None = None,
        burst: float | None = None,
    ) -> ThrottleState:
        """Replace all limits; those not given are removed. Running jobs continue.

        `concurrency`: how many jobs may run at once, 0 for none. `rate`: how many tokens are added
        every `per` seconds (default 1, at most a year). `burst`: how many tokens are kept (default:
        `rate`, at least 1). A job takes one token when it starts, or the cost it was put with. A
        new throttle starts with all its tokens. Raises `BadArgumentError` without any limit.
        """
        return self._session.runner.run(
            throttles.set_limits(self.id, concurrency, rate, per, burst)
        )

    def get(self) -> ThrottleState:
        """Read the limits and how far they are used; one that was never set has none."""
        return self._session.runner.run(throttles.read(self.id))

    def delete(self) -> bool:
        """Remove all limits, so that waiting jobs may run; returns whether there were any."""
        return self._session.runner.run(throttles.delete(self.id))

    def release(self, *jids: str) -> int:
        """Free the slots of up to 100 running jobs, which continue; returns how many held one."""
        return self._session.runner.run(throttles.release(self.id, jids))

    def block(self, seconds: Seconds) -> float:
        """Start no job for `seconds`; returns the end in Unix seconds. Running jobs continue."""
        return self._session.runner.run(throttles.block(self.id, seconds))

    def unblock(self) -> None:
        """End a block."""
        return self._session.runner.run(throttles.unblock(self.id))

    def holders(self, offset: int = 0, count: int = 100) -> list[str]:
        """List up to 1,000 of the running jobs that hold the throttle, oldest first.

        The throttle of a queue lists them by the end of their leases.
        """
        return self._session.runner.run(throttles.holders(self.id, offset, count))

    def waiting(self, offset: int = 0, count: int = 100) -> list[str]:
        """List up to 1,000 of the jobs parked on the throttle, oldest first.

        Jobs held back by the throttle of their queue or user are not parked, and not listed here.
        """
        return self._session.runner.run(throttles.waiting(self.id, offset, count))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class Throttles(ThrottlesBase[Throttle]):
    """`client.throttles`: a throttle by its id, and all that have limits or are blocked."""

    def __getitem__(self, throttle: str) -> Throttle:
        return Throttle(self._session, throttle)

    def page(self, cursor: str | None = None, count: int = 100) -> ThrottlePage:
        """Read a page of up to 250 throttles, from the `cursor` of another page or the start."""
        return self._session.runner.run(throttles.read_page(cursor, count))

    @property
    def all(self) -> list[ThrottleState]:
        """Return all throttles that have limits or are blocked, oldest setting first.

        They are read page by page.
        """
        found: list[ThrottleState] = []
        cursor: str | None = None
        while True:
            page = self.page(cursor, MAX_PAGE)
            found += page.throttles
            cursor = page.cursor
            if cursor is None:
                return found
