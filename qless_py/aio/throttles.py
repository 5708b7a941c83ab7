"""Throttles and users for asyncio; see `qless_py.client.throttles` and `qless_py.client.users`."""

from collections.abc import Awaitable
from typing import Literal

from qless_py import protocol
from qless_py.client import throttles, users
from qless_py.client.session import AsyncSession
from qless_py.client.throttles import ThrottlePage, ThrottleState
from qless_py.client.users import UserPage, UserState
from qless_py.protocol import arguments as checks


class AsyncThrottle:
    """`client.throttles[id]`, `queue.throttle`, `client.users[name].throttle`."""

    def __init__(self, session: AsyncSession, throttle: str) -> None:
        self._session = session
        self.id = checks.throttle_id("throttle", throttle)

    def set(
        self,
        *,
        concurrency: int | None = None,
        rate: float | None = None,
        per: checks.Seconds | None = None,
        burst: float | None = None,
    ) -> Awaitable[ThrottleState]:
        """Replace the limits: what is not given is no limit any more."""
        return self._session.run(throttles.set_call(self.id, concurrency, rate, per, burst))

    def get(self) -> Awaitable[ThrottleState]:
        """Read the limits and how far they are used."""
        return self._session.run(throttles.get_call(self.id))

    def delete(self) -> Awaitable[bool]:
        """Drop all limits; tells whether there were any."""
        return self._session.run(protocol.throttles.delete(self.id))

    def release(self, *jids: str) -> Awaitable[int]:
        """Take slots away from running jobs; give how many of these held one."""
        return self._session.run(throttles.release_call(self.id, jids))

    def block(self, seconds: checks.Seconds) -> Awaitable[float]:
        """Start nothing for so long; give the instant when that ends."""
        return self._session.run(throttles.block_call(self.id, seconds))

    async def unblock(self) -> None:
        """Take a block back."""
        await self._session.run(protocol.throttles.block(self.id, 0))

    def holders(self, offset: int = 0, count: int = 100) -> Awaitable[list[str]]:
        """List the running jobs that hold it."""
        return self._session.run(throttles.holders_call(self.id, offset, count))

    def waiting(self, offset: int = 0, count: int = 100) -> Awaitable[list[str]]:
        """List the jobs parked on it, the longest first."""
        return self._session.run(throttles.waiting_call(self.id, offset, count))

    def __repr__(self) -> str:
        return f"<AsyncThrottle {self.id}>"


class AsyncThrottles:
    """`client.throttles`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def __getitem__(self, throttle: str) -> AsyncThrottle:
        return AsyncThrottle(self._session, throttle)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None

    def page(self, cursor: str | None = None, count: int = 100) -> Awaitable[ThrottlePage]:
        """Read up to 250 throttles that have a setting, from where another page ended."""
        return self._session.run(throttles.page_call(cursor, count))

    async def all(self) -> list[ThrottleState]:
        """Read every throttle that has a setting, in the order in which they got it."""
        found: list[ThrottleState] = []
        cursor: str | None = None
        while True:
            page = await self.page(cursor, protocol.throttles.LARGEST_PAGE)
            found += page.throttles
            cursor = page.cursor
            if cursor is None:
                return found


class AsyncUser:
    """`client.users[name]`."""

    def __init__(self, session: AsyncSession, name: str) -> None:
        self._session = session
        self.name = checks.name("user", name)

    def set(
        self,
        *,
        weight: float | Literal[False] | None = None,
        max_running: int | Literal[False] | None = None,
    ) -> Awaitable[UserState]:
        """Change the weight and how many jobs may run at once; `False` undoes it."""
        return self._session.run(users.set_call(self.name, weight, max_running))

    def get(self) -> Awaitable[UserState]:
        """Read the settings, and how many jobs run."""
        return self._session.run(users.get_call(self.name))

    def unset(self) -> Awaitable[bool]:
        """Go back to weight 1 and no limit; tells whether anything else was set."""
        return self._session.run(protocol.throttles.unset_user(self.name))

    def waiting(self, queue: str) -> Awaitable[int]:
        """Count the ready jobs that the user has in a queue."""
        return self._session.run(users.waiting_call(self.name, queue))

    @property
    def throttle(self) -> AsyncThrottle:
        """The throttle that all jobs of the user have."""
        return AsyncThrottle(self._session, users.throttle_of(self.name))

    def __repr__(self) -> str:
        return f"<AsyncUser {self.name}>"


class AsyncUsers:
    """`client.users`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def __getitem__(self, name: str) -> AsyncUser:
        return AsyncUser(self._session, name)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None

    def page(self, cursor: str | None = None, count: int = 100) -> Awaitable[UserPage[UserState]]:
        """Read up to 250 users with a setting, from where another page ended."""
        return self._session.run(users.page_call(cursor, count))

    async def all(self) -> list[UserState]:
        """Read every user with a weight or a `max_running`."""
        found: list[UserState] = []
        cursor: str | None = None
        while True:
            page = await self.page(cursor, protocol.throttles.LARGEST_PAGE)
            found += page.users
            cursor = page.cursor
            if cursor is None:
                return found
