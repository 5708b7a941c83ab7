"""Users: whose jobs the jobs of a queue are, and what share of it each of them gets.

    client.users["alice"].set(weight=3, max_running=10)
    queue.put(Render, user="alice")

Users with ready jobs share a queue as their weights say, so nobody waits behind the thousands of
jobs of somebody else. Among the jobs of one user priority and age decide, as always; a priority
does not reach beyond its user. Jobs without a user count as those of one more, of weight 1.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Literal, TypeVar

from qless_py import protocol
from qless_py.client.session import Session
from qless_py.client.throttles import MOST_SLOTS, Throttle
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, cursors
from qless_py.protocol import arguments as checks
from qless_py.protocol.throttles import LARGEST_PAGE, Rows

LEAST_WEIGHT: Final = 0.001
LARGEST_WEIGHT: Final = 1e6


@dataclass(frozen=True, slots=True)
class UserState:
    """A user as it was when it was read.

    `max_running`: how many of its jobs may run at once in all queues, `None` for any number;
    `running`: how many do.
    """

    name: str
    weight: float = 1.0
    max_running: int | None = None
    running: int = 0


@dataclass(frozen=True, slots=True)
class Share(UserState):
    """A user with ready jobs in a queue, `waiting` of them; no name stands for jobs of nobody.

    `share` is the part of the queue that it gets now, 0 to 1. That of one who is at its
    `max_running`, or held back by throttles, goes to the others. In a page that does not hold all
    users it is `None`: it would take the weights of the others.
    """

    waiting: int = 0
    share: float | None = None


State = TypeVar("State", bound=UserState)


@dataclass(frozen=True, slots=True)
class UserPage(Generic[State]):
    """Some users, and how many there are in all; `cursor` is where to go on, `None` at the end.

    In pages of a queue, one of no name stands for the jobs of nobody; it is in the first page, and
    not counted.
    """

    users: list[State]
    total: int
    cursor: str | None


class User:
    """`client.users[name]`."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self.name = checks.name("user", name)

    def set(
        self,
        *,
        weight: float | Literal[False] | None = None,
        max_running: int | Literal[False] | None = None,
    ) -> UserState:
        """Change the weight (0.001 to 1,000,000) and how many jobs may run at once.

        What is not given stays; `False` goes back to weight 1 or to no limit. It holds from the
        next job that starts; those that run go on.
        """
        return self._session.run(set_call(self.name, weight, max_running))

    def get(self) -> UserState:
        """Read the settings, and how many jobs run."""
        return self._session.run(get_call(self.name))

    def unset(self) -> bool:
        """Go back to weight 1 and no limit; tells whether anything else was set."""
        return self._session.run(protocol.throttles.unset_user(self.name))

    @property
    def weight(self) -> float:
        """The weight, 1 by default; setting it holds from the next job that starts."""
        return self.get().weight

    @weight.setter
    def weight(self, value: float) -> None:
        self.set(weight=value)

    @property
    def max_running(self) -> int | None:
        """How many jobs may run at once in all queues; set it to `None` for any number."""
        return self.get().max_running

    @max_running.setter
    def max_running(self, value: int | None) -> None:
        self.set(max_running=False if value is None else value)

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return self.get().running

    def waiting(self, queue: str) -> int:
        """Count the ready jobs that the user has in a queue; parked ones are not ready."""
        return self._session.run(waiting_call(self.name, queue))

    @property
    def throttle(self) -> Throttle:
        """The throttle that all jobs of the user have; `max_running` is its concurrency."""
        return Throttle(self._session, throttle_of(self.name))

    def __repr__(self) -> str:
        return f"<User {self.name}>"


class Users:
    """`client.users`: a user by its name, and all that have a setting."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> User:
        return User(self._session, name)

    def page(self, cursor: str | None = None, count: int = 100) -> UserPage[UserState]:
        """Read up to 250 users with a setting, from where another page ended."""
        return self._session.run(page_call(cursor, count))

    @property
    def all(self) -> list[UserState]:
        """Every user with a weight or a `max_running`, page by page."""
        return list(self._states())

    def _states(self) -> Iterator[UserState]:
        cursor: str | None = None
        while True:
            found = self.page(cursor, LARGEST_PAGE)
            yield from found.users
            cursor = found.cursor
            if cursor is None:
                return

    def __iter__(self) -> Iterator[User]:
        return (self[one.name] for one in self._states())

    def __contains__(self, name: object) -> bool:
        return any(one.name == name for one in self._states())


def throttle_of(user: str) -> str:
    """Give the id of the throttle that all jobs of a user have."""
    return f"user:{user}"


def set_call(user: str, weight: Any, max_running: Any) -> Call[UserState]:
    """Make the call that changes a user."""
    options: dict[str, Any] = {}
    if weight is False:
        options["weight"] = False
    elif weight is not None:
        options["weight"] = _weight(weight)
    if max_running is False:
        options["max_running"] = False
    elif max_running is not None:
        options["max_running"] = checks.whole("max_running", max_running, 0, MOST_SLOTS)
    if not options:
        raise BadArgumentError("neither weight nor max_running is given")
    return protocol.throttles.set_user(user, options).map(lambda row: _state({**row, "user": user}))


def get_call(user: str) -> Call[UserState]:
    """Make the call that reads a user."""
    return protocol.throttles.read_user(user).map(_state)


def waiting_call(user: str, queue: str) -> Call[int]:
    """Make the call that counts the ready jobs of a user in a queue."""
    call = protocol.throttles.read_user(user, checks.name("queue", queue))
    return call.map(lambda row: int(row.get("waiting", 0)))


def page_call(cursor: str | None, count: int) -> Call[UserPage[UserState]]:
    """Make the call that reads a page of the users with a setting."""
    size = checks.whole("count", count, 1, LARGEST_PAGE)
    call = protocol.throttles.read_users("", cursors.page_mark(cursor), size)
    return call.map(
        lambda found: UserPage(
            [_state(row) for row in found.rows], found.total, cursors.page_cursor(found.after)
        )
    )


def of_queue_call(queue: str, cursor: str | None, count: int) -> Call[UserPage[Share]]:
    """Make the call that reads a page of the users with ready jobs in a queue."""
    size = checks.whole("count", count, 1, LARGEST_PAGE)
    after = cursors.page_mark(cursor)
    call = protocol.throttles.read_users(queue, after, size)
    return call.map(lambda found: _share_page(found, is_first=after is None))


def _share_page(found: Rows, *, is_first: bool) -> UserPage[Share]:
    rows = [(_state(row), int(row.get("waiting", 0))) for row in found.rows]
    if found.others and is_first:
        rows.append((UserState(""), found.others))
    users = [
        Share(one.name, one.weight, one.max_running, one.running, waiting) for one, waiting in rows
    ]
    is_whole = is_first and found.after is None
    cursor = cursors.page_cursor(found.after)
    return UserPage(shares(users) if is_whole else users, found.total, cursor)


def shares(users: Iterable[Share]) -> list[Share]:
    """Give each user of a queue its part of it, those with most of it first; each is there once."""
    rows = {one.name: one for one in users}
    whole = sum(one.weight for one in rows.values()) or 1.0
    found = [replace(one, share=one.weight / whole) for one in rows.values()]
    return sorted(found, key=lambda one: (-one.weight, one.name))


def _weight(value: Any) -> float:
    weight = checks.finite("weight", value)
    if not LEAST_WEIGHT <= weight <= LARGEST_WEIGHT:
        raise BadArgumentError(
            f"weight {value!r} is not from {LEAST_WEIGHT:g} to {LARGEST_WEIGHT:,.0f}"
        )
    return weight


def _state(row: Mapping[str, Any]) -> UserState:
    slots = row.get("max_running")
    return UserState(
        name=str(row["user"]),
        weight=float(row.get("weight", 1)),
        max_running=None if slots is None or slots is False else int(slots),
        running=int(row.get("running", 0)),
    )
