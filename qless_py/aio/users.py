"""Users: whose jobs the jobs of a queue are, and what share of it each of them gets.

    client.users["alice"].set(weight=3, max_running=10)
    queue.put(Render, user="alice")

Users with ready jobs share a queue by their weights, so nobody waits behind the thousands of jobs
of somebody else. Priority and age order the jobs of one user; a priority has no effect on other
users. Jobs without a user count as those of one more user, of weight 1.
"""

from collections.abc import Awaitable
from typing import Literal

from qless_py.aio.base import AsyncUserBase, AsyncUsersBase
from qless_py.aio.throttles import AsyncThrottle
from qless_py.protocol import users
from qless_py.protocol.throttles import MAX_PAGE
from qless_py.protocol.users import UserPage, UserState


class AsyncUser(AsyncUserBase):
    """`client.users[name]`."""

    def set(
        self,
        *,
        weight: float | Literal[False] | None = None,
        max_running: int | Literal[False] | None = None,
    ) -> Awaitable[UserState]:
        """Change the weight (0.001 to 1,000,000) and how many jobs may run at once in all queues.

        What is not given stays; `False` resets it to weight 1 or no limit. Changes apply to jobs
        that start from now on; running jobs continue. Raises `BadArgumentError` without either.
        """
        return self._session.runner.run(users.set_options(self.name, weight, max_running))

    def get(self) -> Awaitable[UserState]:
        """Read the settings, and how many jobs run."""
        return self._session.runner.run(users.read(self.name))

    def unset(self) -> Awaitable[bool]:
        """Reset to weight 1 and no limit; returns whether anything else was set."""
        return self._session.runner.run(users.unset(self.name))

    def waiting(self, queue: str) -> Awaitable[int]:
        """Count the user's ready jobs in a queue; jobs parked on a throttle are not ready."""
        return self._session.runner.run(users.waiting(self.name, queue))

    @property
    def throttle(self) -> AsyncThrottle:
        """The throttle that all jobs of the user have; `max_running` is its concurrency."""
        return AsyncThrottle(self._session, users.throttle_of(self.name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class AsyncUsers(AsyncUsersBase[AsyncUser]):
    """`client.users`: a user by its name, and all that have settings."""

    def __getitem__(self, name: str) -> AsyncUser:
        return AsyncUser(self._session, name)

    def page(self, cursor: str | None = None, count: int = 100) -> Awaitable[UserPage[UserState]]:
        """Read a page of up to 250 users with settings, from a `cursor` or the start."""
        return self._session.runner.run(users.read_page(cursor, count))

    # sync> @property
    async def all(self) -> list[UserState]:
        """Return all users with a weight or a `max_running`, read page by page."""
        found: list[UserState] = []
        cursor: str | None = None
        while True:
            page = await self.page(cursor, MAX_PAGE)
            found += page.users
            cursor = page.cursor
            if cursor is None:
                return found
