"""Throttles: limits on how many jobs run at once, and on how fast they start.

    client.throttles["github-api"].set(concurrency=5, rate=100, per=60)
    queue.put(Sync, throttles=["github-api"])

A job may have up to eight throttles, named when it is put, and starts when none of them holds it
back. Every queue and every user has one more, which all its jobs have: `queue.throttle` and
`client.users[name].throttle`. A throttle without limits holds nothing back. Limits count for jobs
that are running already, may change at any time, and are held by leases: what a dead worker held
comes back when its lease lapses.
"""

import email.utils
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from qless_py import protocol
from qless_py.client.queue_calls import page
from qless_py.client.session import Session
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, cursors
from qless_py.protocol import arguments as checks
from qless_py.protocol.throttles import LARGEST_PAGE

MOST_SLOTS: Final = 2**31 - 1
LEAST: Final = 1e-6
MOST: Final = 1e9
YEAR: Final = 31_557_600_000


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """A throttle as it was when it was read; times are seconds since 1970.

    * `concurrency`: how many jobs may run at once. `rate`: tokens that come in every `per` seconds;
      at most `burst` of them are kept, `tokens` of them were there. `None` is no such limit.
    * `holding`: running jobs that have the throttle. `waiting`: jobs parked on it.
    * `blocked_until`: until when nothing starts. `reserved_for`: the job that room is kept for,
      since others were admitted before it too often.
    """

    id: str
    concurrency: int | None = None
    rate: float | None = None
    per: float | None = None
    burst: float | None = None
    tokens: float | None = None
    blocked_until: float | None = None
    reserved_for: str | None = None
    reserved_until: float | None = None
    set_at: float | None = None
    holding: int = 0
    waiting: int = 0

    @property
    def is_limited(self) -> bool:
        """Whether it holds anything back, now or under more load."""
        return not self.concurrency is self.rate is self.blocked_until is None


@dataclass(frozen=True, slots=True)
class ThrottlePage:
    """Some throttles in the order in which they were first set, and how many there are in all.

    `cursor` is where the next page begins, `None` at the end.
    """

    throttles: list[ThrottleState]
    total: int
    cursor: str | None


class Throttle:
    """`client.throttles[id]`, `queue.throttle`, `client.users[name].throttle`."""

    def __init__(self, session: Session, throttle: str) -> None:
        self._session = session
        self.id = checks.throttle_id("throttle", throttle)

    def set(
        self,
        *,
        concurrency: int | None = None,
        rate: float | None = None,
        per: checks.Seconds | None = None,
        burst: float | None = None,
    ) -> ThrottleState:
        """Replace the limits: what is not given is no limit any more.

        `concurrency`: how many jobs may run at once, 0 for none. `rate`: how many tokens come in
        every `per` seconds (1 if not given), and `burst`: how many of them are kept (as many as
        come in, at least 1). A job takes one when it starts, or what it was put with. Jobs that are
        running go on. A throttle gets its first tokens all at once.
        """
        return self._session.run(set_call(self.id, concurrency, rate, per, burst))

    def get(self) -> ThrottleState:
        """Read the limits and how far they are used; one that was never set has none."""
        return self._session.run(get_call(self.id))

    def delete(self) -> bool:
        """Drop all limits, so that the jobs that wait may run; tells whether there were any."""
        return self._session.run(protocol.throttles.delete(self.id))

    def release(self, *jids: str) -> int:
        """Take slots away from running jobs, which go on; give how many of these held one."""
        return self._session.run(release_call(self.id, jids))

    def block(self, seconds: checks.Seconds) -> float:
        """Start nothing for so long; give the instant when that ends. Jobs that run go on."""
        return self._session.run(block_call(self.id, seconds))

    def unblock(self) -> None:
        """Take a block back."""
        self._session.run(protocol.throttles.block(self.id, 0))

    def holders(self, offset: int = 0, count: int = 100) -> list[str]:
        """List the running jobs that hold it, the longest first (of a queue, the first to end)."""
        return self._session.run(holders_call(self.id, offset, count))

    def waiting(self, offset: int = 0, count: int = 100) -> list[str]:
        """List the jobs parked on it, the longest first.

        Jobs held back by the throttle of their queue or user stay where they are and are not here.
        """
        return self._session.run(waiting_call(self.id, offset, count))

    def __repr__(self) -> str:
        return f"<Throttle {self.id}>"


class Throttles:
    """`client.throttles`: a throttle by its id, and all that have limits or are blocked."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, throttle: str) -> Throttle:
        return Throttle(self._session, throttle)

    def page(self, cursor: str | None = None, count: int = 100) -> ThrottlePage:
        """Read up to 250 throttles that have a setting, from where another page ended."""
        return self._session.run(page_call(cursor, count))

    @property
    def all(self) -> list[ThrottleState]:
        """Every throttle that has a setting, in the order in which they got it, page by page."""
        return list(self._states())

    def _states(self) -> Iterator[ThrottleState]:
        cursor: str | None = None
        while True:
            found = self.page(cursor, LARGEST_PAGE)
            yield from found.throttles
            cursor = found.cursor
            if cursor is None:
                return

    def __iter__(self) -> Iterator[Throttle]:
        return (self[one.id] for one in self._states())

    def __contains__(self, throttle: object) -> bool:
        try:
            return self[throttle].get().set_at is not None  # type: ignore[index]
        except BadArgumentError:
            return False


def set_call(
    throttle: str, concurrency: Any, rate: Any, per: Any, burst: Any
) -> Call[ThrottleState]:
    """Make the call that sets limits."""
    limits: dict[str, Any] = {}
    if concurrency is not None:
        limits["concurrency"] = checks.whole("concurrency", concurrency, 0, MOST_SLOTS)
    if rate is not None:
        limits["rate"] = _positive("rate", rate)
    if rate is None and not (per is None and burst is None):
        raise BadArgumentError("per and burst say more of a rate, and none is given")
    if per is not None:
        limits["per"] = _span("per", per)
    if burst is not None:
        limits["burst"] = _positive("burst", burst)
    if not limits:
        raise BadArgumentError("no limit is given; delete() drops all of them")
    return protocol.throttles.set_limits(throttle, limits).map(_state)


def get_call(throttle: str) -> Call[ThrottleState]:
    """Make the call that reads a throttle."""
    return protocol.throttles.read(throttle).map(_state)


def page_call(cursor: str | None, count: int) -> Call[ThrottlePage]:
    """Make the call that reads a page of the throttles."""
    size = checks.whole("count", count, 1, LARGEST_PAGE)
    call = protocol.throttles.read_all(cursors.page_mark(cursor), size)
    return call.map(
        lambda found: ThrottlePage(
            [_state(row) for row in found.rows], found.total, cursors.page_cursor(found.after)
        )
    )


def release_call(throttle: str, jids: Iterable[str]) -> Call[int]:
    """Make the call that takes slots away."""
    checked = checks.names("jids", jids)
    if not checked:
        raise BadArgumentError("release takes the jids of running jobs")
    return protocol.throttles.release(throttle, checked)


def block_call(throttle: str, seconds: Any) -> Call[float]:
    """Make the call that blocks."""
    call = protocol.throttles.block(throttle, checks.span("seconds", seconds, 0.001))
    return call.map(lambda at: at / 1000)


def holders_call(throttle: str, offset: int, count: int) -> Call[list[str]]:
    """Make the call that lists who holds a throttle."""
    call = protocol.throttles.read(throttle, *page(offset, count))
    return call.map(lambda row: [str(jid) for jid, _ in row.get("holders", ())])


def waiting_call(throttle: str, offset: int, count: int) -> Call[list[str]]:
    """Make the call that lists who is parked on a throttle."""
    call = protocol.throttles.read(throttle, *page(offset, count))
    return call.map(lambda row: [str(jid) for jid in row.get("waiting", ())])


def retry_after(
    value: str | float | None,
    default: float = 60.0,
    longest: float = 86_400.0,
    *,
    clock: Callable[[], float] = time.time,
) -> float:
    """Give the seconds that a server asks for in a `Retry-After` header.

        job.back_off(retry_after(response.headers.get("Retry-After")))

    The header holds a number of seconds or a date; what is neither, or not there, gives `default`.
    The result is from 0 to `longest`: no server can stop a throttle for years.
    """
    asked = _seconds(value)
    if asked is None:
        at = _date(value)
        asked = default if at is None else at - clock()
    return min(max(asked, 0.0), longest)


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(seconds) else seconds


def _date(value: Any) -> float | None:
    try:
        at = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError, AttributeError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()  # HTTP knows only UTC.


def _positive(what: str, value: Any) -> float:
    number = checks.finite(what, value)
    if not LEAST <= number <= MOST:
        raise BadArgumentError(f"{what} {value!r} is not from {LEAST:f} to {MOST:,.0f}")
    return number


def _span(what: str, value: Any) -> int:
    span = checks.span(what, value, 0.001)
    if span > YEAR:
        raise BadArgumentError(f"{what} {value!r} is more than a year")
    return span


def _state(row: Mapping[str, Any]) -> ThrottleState:
    reserved = dict(row.get("reserved") or {})

    def instant(value: Any) -> float | None:
        return None if value is None else float(value) / 1000

    def number(name: str) -> float | None:
        return None if row.get(name) is None else float(row[name])

    slots = row.get("concurrency")
    return ThrottleState(
        id=str(row["throttle"]),
        concurrency=None if slots is None else int(slots),
        rate=number("rate"),
        per=instant(row.get("per")),
        burst=number("burst"),
        tokens=number("tokens"),
        blocked_until=instant(row.get("blocked_until")),
        reserved_for=reserved.get("jid"),
        reserved_until=instant(reserved.get("until")),
        set_at=instant(row.get("set_at")),
        holding=int(row.get("holding", 0)),
        waiting=int(row.get("parked", 0)),
    )
