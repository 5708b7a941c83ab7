"""Transitions and queries of throttles, and of users and their shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol.call import Call, boolean, integer, mapping, pack, unpack
from qless_py.protocol.reads import Page


@dataclass(frozen=True, slots=True)
class UserPage:
    """One page of users, how many there are in all, and how many ready jobs have no user."""

    total: int
    rows: list[dict[str, Any]]
    others: int


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


def read_all(offset: int = 0, count: int = 100) -> Call[Page]:
    """Read the throttles that have a setting, in the order in which they got it."""
    return Call("read/throttles", (offset, count), lambda reply: _page(reply, "throttles"))


def set_user(user: str, options: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Set a user's weight and max_running; what is not given stays, false is the default."""
    return Call("user_set", (user, pack(options)), mapping)


def unset_user(user: str) -> Call[bool]:
    """Go back to the defaults of a user; tells whether anything was set."""
    return Call("user_unset", (user,), boolean)


def read_user(user: str, queue: str = "") -> Call[dict[str, Any]]:
    """Read the settings of a user, how many jobs run and, of a queue, how many are ready in it."""
    return Call("read/user", (user, queue), mapping)


def read_users(queue: str = "", offset: int = 0, count: int = 100) -> Call[UserPage]:
    """Read the users with ready jobs in a queue; of no queue, those with a setting."""
    return Call("read/users", (queue, offset, count), _users)


def _users(reply: bytes | None) -> UserPage:
    value = unpack(reply)
    rows = [dict(row) for row in value["users"]]
    return UserPage(int(value["total"]), rows, int(value.get("others", 0)))


def _page(reply: bytes | None, name: str) -> Page:
    value = unpack(reply)
    return Page(int(value["total"]), [dict(row) for row in value[name]])
