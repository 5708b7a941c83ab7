"""Transitions and queries of throttles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments, cursors
from qless_py.protocol.call import Call, boolean, integer, mapping, original, pack, seconds, unpack
from qless_py.protocol.cursors import Mark
from qless_py.protocol.jobs import page

MAX_PAGE: Final = 250
MAX_SLOTS: Final = 2**31 - 1
MIN_VALUE: Final = 1e-6
MAX_VALUE: Final = 1e9
YEAR: Final = 31_557_600_000


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """A throttle as it was when it was read; times are Unix seconds.

    * `concurrency`: how many jobs may run at once. `rate`: tokens added every `per` seconds, of
      which at most `burst` are kept; `tokens`: how many there were. `None` means no such limit.
    * `holding`: running jobs that hold the throttle. `waiting`: jobs parked on it.
    * `blocked_until`: until when nothing starts. `reserved_for`: the job that capacity is reserved
      for, because too many others were admitted before it.
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
        """Whether it can hold a job back, now or under more load."""
        return not self.concurrency is self.rate is self.blocked_until is None


@dataclass(frozen=True, slots=True)
class ThrottlePage:
    """A page of throttles, in the order in which they were first set, and their total number.

    `cursor` is where the next page begins, `None` at the end.
    """

    throttles: list[ThrottleState]
    total: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of throttles or users, their total number, and where the next page begins, if any.

    `others` is the number of ready jobs of a queue that have no user.
    """

    total: int
    rows: list[dict[str, Any]]
    after: Mark | None
    others: int = 0


def set_limits(
    throttle: str, concurrency: Any = None, rate: Any = None, per: Any = None, burst: Any = None
) -> Call[ThrottleState]:
    """Replace the limits of a throttle."""
    limits: dict[str, Any] = {}
    if concurrency is not None:
        limits["concurrency"] = arguments.whole("concurrency", concurrency, 0, MAX_SLOTS)
    if rate is not None:
        limits["rate"] = _positive("rate", rate)
    if rate is None and not (per is None and burst is None):
        raise BadArgumentError("per and burst need a rate")
    if per is not None:
        limits["per"] = _span("per", per)
    if burst is not None:
        limits["burst"] = _positive("burst", burst)
    if not limits:
        raise BadArgumentError("no limit is given; delete() drops all of them")
    return set_encoded(throttle, limits)


def set_encoded(throttle: str, limits: Mapping[str, Any]) -> Call[ThrottleState]:
    """Replace the limits of a throttle with checked ones: concurrency, rate, per (ms), burst."""
    return Call("throttle_set", (throttle, pack(limits)), mapping).map(_state)


def delete(throttle: str) -> Call[bool]:
    """Remove the limits of a throttle; returns whether there were any."""
    return Call("throttle_delete", (throttle,), boolean)


def release(throttle: str, jids: Iterable[str]) -> Call[int]:
    """Free the slots of running jobs; returns how many of them held one."""
    checked = arguments.names("jids", jids)
    if not checked:
        raise BadArgumentError("release needs the jids of running jobs")
    return Call("throttle_release", (throttle, pack(checked)), integer)


def block(throttle: str, duration: Any) -> Call[float]:
    """Start no job for a duration; returns when it ends."""
    return Call("throttle_block", (throttle, arguments.span("seconds", duration, 0.001)), seconds)


def unblock(throttle: str) -> Call[None]:
    """End a block."""
    return Call("throttle_block", (throttle, 0), lambda _: None)


def read(throttle: str) -> Call[ThrottleState]:
    """Read the limits of a throttle and how far they are used."""
    return _read(throttle, 0, 0).map(_state)


def holders(throttle: str, offset: int, count: int) -> Call[list[str]]:
    """List the jids of the running jobs that hold a throttle."""
    call = _read(throttle, *page(offset, count))
    return call.map(lambda row: [str(jid) for jid, _ in row.get("holders", ())])


def waiting(throttle: str, offset: int, count: int) -> Call[list[str]]:
    """List the jids of the jobs parked on a throttle."""
    call = _read(throttle, *page(offset, count))
    return call.map(lambda row: [str(jid) for jid in row.get("waiting", ())])


def _read(throttle: str, offset: int, count: int) -> Call[dict[str, Any]]:
    return Call("read/throttle", (throttle, offset, count), mapping)


def read_page(cursor: str | None = None, count: int = MAX_PAGE) -> Call[ThrottlePage]:
    """Read a page of the throttles that have limits or are blocked."""
    size = arguments.whole("count", count, 1, MAX_PAGE)
    args = (behind(cursors.page_mark(cursor)), size)

    def decode(reply: bytes | None) -> ThrottlePage:
        found = rows(reply, "throttles")
        states = [_state(row) for row in found.rows]
        return ThrottlePage(states, found.total, cursors.page_cursor(found.after))

    return Call("read/throttles", args, decode)


def behind(after: Mark | None) -> bytes:
    """Encode where a page begins."""
    return b"" if after is None else pack(list(after))


def rows(reply: bytes | None, name: str) -> Rows:
    """Decode a page of throttles or users."""
    value = unpack(reply)
    after = value.get("after")
    mark = None if after is None else (original(after[0]), original(after[1]))
    found = [dict(row) for row in value[name]]
    return Rows(int(value["total"]), found, mark, int(value.get("others", 0)))


def _positive(what: str, value: Any) -> float:
    number = arguments.finite(what, value)
    if not MIN_VALUE <= number <= MAX_VALUE:
        raise BadArgumentError(f"{what} {value!r} is not from {MIN_VALUE:f} to {MAX_VALUE:,.0f}")
    return number


def _span(what: str, value: Any) -> int:
    span = arguments.span(what, value, 0.001)
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
