"""Transitions and queries of throttles, and of users and their shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol.call import Call, boolean, integer, mapping, original, pack, unpack
from qless_py.protocol.cursors import Mark

LARGEST_PAGE = 250


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of throttles or users, how many there are in all, and where to go on, if anywhere.

    `others` are the ready jobs of a queue that have no user.
    """

    total: int
    rows: list[dict[str, Any]]
    after: Mark | None
    others: int = 0


def set_limits(throttle: str, limits: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Replace the limits of a throttle: concurrency, or rate, per (ms), burst, or both kinds."""
    return Call("throttle_set", (throttle, pack(limits)), mapping)


def delete(throttle: str) -> Call[bool]:
    """Drop the limits of a throttle; tells whether there were any."""
    return Call("throttle_delete", (throttle,), boolean)


def release(throttle: str, jids: Sequence[str]) -> Call[int]:
    """Take the slots of running jobs away from them; gives how many had one."""
    return Call("throttle_release", (throttle, pack(list(jids))), integer)


def block(throttle: str, span: int) -> Call[int]:
    """Let nothing start for so many ms, 0 to end that; gives the instant when it ends."""
    return Call("throttle_block", (throttle, span), integer)


def read(throttle: str, offset: int = 0, count: int = 0) -> Call[dict[str, Any]]:
    """Read a throttle with a page of those that hold it and of those that wait for it."""
    return Call("read/throttle", (throttle, offset, count), mapping)


def read_all(after: Mark | None = None, count: int = LARGEST_PAGE) -> Call[Rows]:
    """Read the throttles that have a setting, in the order in which they got it."""
    args = (_behind(after), count)
    return Call("read/throttles", args, lambda reply: _rows(reply, "throttles"))


def set_user(user: str, options: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Set a user's weight and max_running; what is not given stays, false is the default."""
    return Call("user_set", (user, pack(options)), mapping)


def unset_user(user: str) -> Call[bool]:
    """Go back to the defaults of a user; tells whether anything was set."""
    return Call("user_unset", (user,), boolean)


def read_user(user: str, queue: str = "") -> Call[dict[str, Any]]:
    """Read the settings of a user, how many jobs run and, of a queue, how many are ready in it."""
    return Call("read/user", (user, queue), mapping)


def read_users(queue: str = "", after: Mark | None = None, count: int = LARGEST_PAGE) -> Call[Rows]:
    """Read the users with ready jobs in a queue; of no queue, those with a setting."""
    args = (queue, _behind(after), count)
    return Call("read/users", args, lambda reply: _rows(reply, "users"))


def _behind(after: Mark | None) -> bytes:
    return b"" if after is None else pack(list(after))


def _rows(reply: bytes | None, name: str) -> Rows:
    value = unpack(reply)
    after = value.get("after")
    mark = None if after is None else (original(after[0]), original(after[1]))
    rows = [dict(row) for row in value[name]]
    return Rows(int(value["total"]), rows, mark, int(value.get("others", 0)))
