"""Transitions and queries of users, and the shares that they get of a queue."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments, cursors
from qless_py.protocol.call import Call, boolean, mapping, pack
from qless_py.protocol.throttles import MAX_PAGE, MAX_SLOTS, behind, rows

MIN_WEIGHT: Final = 0.001
MAX_WEIGHT: Final = 1e6


@dataclass(frozen=True, slots=True)
class UserState:
    """A user as it was when it was read.

    `max_running`: how many of its jobs may run at once in all queues, `None` for any number.
    `running`: how many do.
    """

    name: str
    weight: float = 1.0
    max_running: int | None = None
    running: int = 0


@dataclass(frozen=True, slots=True)
class Share(UserState):
    """A user with `waiting` ready jobs in a queue; `name == ""` stands for jobs without a user.

    `share` is the part of the queue the user gets now, from 0 to 1. The share of a user who is at
    `max_running` or held back by throttles goes to the others. `share` is `None` in a page that
    does not hold all users, because it depends on the weights of the others.
    """

    waiting: int = 0
    share: float | None = None


State = TypeVar("State", bound=UserState)


@dataclass(frozen=True, slots=True)
class UserPage(Generic[State]):
    """A page of users, and their total number; the next page begins at `cursor`, if not `None`.

    In pages of a queue, `name == ""` stands for the jobs without a user. It is in the first page
    and not counted in `total`.
    """

    users: list[State]
    total: int
    cursor: str | None


def throttle_of(user: str) -> str:
    """Return the id of the throttle that all jobs of a user have."""
    return f"user:{user}"


def set_options(user: str, weight: Any = None, max_running: Any = None) -> Call[UserState]:
    """Change a user's settings; `None` keeps one, `False` resets it to its default."""
    options: dict[str, Any] = {}
    if weight is False:
        options["weight"] = False
    elif weight is not None:
        options["weight"] = _weight(weight)
    if max_running is False:
        options["max_running"] = False
    elif max_running is not None:
        options["max_running"] = arguments.whole("max_running", max_running, 0, MAX_SLOTS)
    if not options:
        raise BadArgumentError("neither weight nor max_running is given")
    call = Call("user_set", (user, pack(options)), mapping)
    return call.map(lambda row: _state({**row, "user": user}))


def unset(user: str) -> Call[bool]:
    """Reset a user to the defaults; returns whether anything was set."""
    return Call("user_unset", (user,), boolean)


def read(user: str) -> Call[UserState]:
    """Read a user's settings, and how many of its jobs run."""
    return Call("read/user", (user, ""), mapping).map(_state)


def waiting(user: str, queue: str) -> Call[int]:
    """Count the ready jobs of a user in a queue."""
    call = Call("read/user", (user, arguments.name("queue", queue)), mapping)
    return call.map(lambda row: int(row.get("waiting", 0)))


def read_page(cursor: str | None, count: int = MAX_PAGE) -> Call[UserPage[UserState]]:
    """Read a page of the users with settings."""
    size = arguments.whole("count", count, 1, MAX_PAGE)
    args = ("", behind(cursors.page_mark(cursor)), size)

    def decode(reply: bytes | None) -> UserPage[UserState]:
        found = rows(reply, "users")
        states = [_state(row) for row in found.rows]
        return UserPage(states, found.total, cursors.page_cursor(found.after))

    return Call("read/users", args, decode)


def read_queue_page(
    queue: str, cursor: str | None = None, count: int = MAX_PAGE
) -> Call[UserPage[Share]]:
    """Read a page of the users with ready jobs in a queue."""
    size = arguments.whole("count", count, 1, MAX_PAGE)
    after = cursors.page_mark(cursor)

    def decode(reply: bytes | None) -> UserPage[Share]:
        found = rows(reply, "users")
        ready = [(_state(row), int(row.get("waiting", 0))) for row in found.rows]
        if found.others and after is None:
            ready.append((UserState(""), found.others))
        users = [
            Share(one.name, one.weight, one.max_running, one.running, number)
            for one, number in ready
        ]
        is_whole = after is None and found.after is None
        mark = cursors.page_cursor(found.after)
        return UserPage(shares(users) if is_whole else users, found.total, mark)

    return Call("read/users", (queue, behind(after), size), decode)


def shares(users: Iterable[Share]) -> list[Share]:
    """Return the users of a queue with their shares, largest first, each once."""
    known = {one.name: one for one in users}
    whole = sum(one.weight for one in known.values()) or 1.0
    found = [replace(one, share=one.weight / whole) for one in known.values()]
    return sorted(found, key=lambda one: (-one.weight, one.name))


def _weight(value: Any) -> float:
    weight = arguments.finite("weight", value)
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise BadArgumentError(f"weight {value!r} is not from {MIN_WEIGHT:g} to {MAX_WEIGHT:,.0f}")
    return weight


def _state(row: Mapping[str, Any]) -> UserState:
    slots = row.get("max_running")
    return UserState(
        name=str(row["user"]),
        weight=float(row.get("weight", 1)),
        max_running=None if slots is None or slots is False else int(slots),
        running=int(row.get("running", 0)),
    )
