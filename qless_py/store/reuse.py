"""Pools that hand out a returned connection at once to calls that are sent again if it was closed.

Whenever a connection is taken or returned, the pools of redis-py lock, count, and look for unread
data, which costs more than packing and sending a short call. Here, a returned connection goes to a
list, from which `get_unchecked` takes it, and stays with redis-py as one in use. Once a second, and
for each `get_connection`, all of them are returned to redis-py, which at their next use replaces
those that the server has closed, and carries out what it does to idle connections only, such as
renewing credentials.
"""

# The pools that these classes extend have no types in redis-py.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, Final

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

_CHECK_INTERVAL: Final = 1.0  # Seconds.


def taker(redis: Any) -> Callable[[], Any]:
    """Return the function that takes a connection of a client's pool, ours or a caller's own."""
    pool = redis.connection_pool
    take: Callable[[], Any] = getattr(pool, "get_unchecked", pool.get_connection)
    return take


class Pool(redis.ConnectionPool):
    """The pool of a synchronous client. Threads may share it, and it may be used after a fork."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._returned: list[Any] = []
        self._check_at = 0.0
        super().__init__(*args, **options)

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection that the server has not closed."""
        self._let_check()
        return super().get_connection(*args, **options)

    def get_unchecked(self) -> Any:
        """Return a connection that the server may have closed within the last second."""
        if time.monotonic() >= self._check_at or self.pid != os.getpid():
            self._let_check()
        try:
            # One operation of the list: atomic for threads and for signal handlers, without a lock.
            return self._returned.pop()
        except IndexError:
            return super().get_connection()

    def release(self, connection: Any) -> None:
        """Return a connection on which no reply is still to come."""
        if connection.pid != os.getpid():
            return  # It belongs to the process that forked this one.
        # redis-py before version 6 has no public way to ask whether a connection is open.
        if getattr(connection, "_sock", None) is not None:
            self._returned.append(connection)
        else:
            # The server may have gone, and closed the others as well.
            super().release(connection)
            self._let_check()

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        """Close the connections, or only those that are not in use."""
        self._let_check()
        super().disconnect(inuse_connections)

    def reset(self) -> None:
        """Forget the connections; in a fork, the process that opened them keeps them."""
        self._returned = []
        super().reset()

    def _let_check(self) -> None:
        """Return the connections to redis-py, which checks each of them at its next use."""
        if self.pid != os.getpid():
            self._returned = []
        self._check_at = time.monotonic() + _CHECK_INTERVAL
        returned = self._returned
        # Other threads may take some of them meanwhile.
        while returned:
            with contextlib.suppress(IndexError):
                super().release(returned.pop())


class SentinelPool(Pool, redis.sentinel.SentinelConnectionPool):
    """The same for the master that sentinels name."""


class AsyncPool(redis.asyncio.ConnectionPool):
    """The asyncio twin of `Pool`, for one event loop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._returned: list[Any] = []
        self._check_at = 0.0
        super().__init__(*args, **options)

    async def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection that the server has not closed."""
        await self._let_check()
        return await super().get_connection(*args, **options)

    async def get_unchecked(self) -> Any:
        """Return a connection that the server may have closed within the last second."""
        if time.monotonic() >= self._check_at:
            await self._let_check()
        if self._returned:
            return self._returned.pop()
        return await super().get_connection()

    async def release(self, connection: Any) -> None:
        """Return a connection on which no reply is still to come."""
        if connection.is_connected:
            self._returned.append(connection)
        else:
            # The server may have gone, and closed the others as well.
            await super().release(connection)
            await self._let_check()

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        """Close the connections, or only those that are not in use."""
        await self._let_check()
        await super().disconnect(inuse_connections)

    def reset(self) -> None:
        """Forget the connections."""
        self._returned = []
        super().reset()

    async def _let_check(self) -> None:
        """Return the connections to redis-py, which checks each of them at its next use."""
        self._check_at = time.monotonic() + _CHECK_INTERVAL
        while self._returned:
            await super().release(self._returned.pop())


class AsyncSentinelPool(AsyncPool, redis.asyncio.sentinel.SentinelConnectionPool):
    """The same for the master that sentinels name. Closing it also disconnects the sentinels."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        """Close the connections, or only those that are not in use."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for one in self.sentinel_manager.sentinels:
                await one.aclose()
