"""How an idle child sleeps: until a job may be there, an order comes, or the time is up."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from redis.exceptions import RedisError

from qless_py.errors import StoreError
from qless_py.worker.orders import Orders

_SHORTEST: Final = 0.001
_LATE: Final = 1.0


class Doorbell:
    """A blocking read of the queues' wake keys, on a connection of its own.

    It waits for the reply and for orders at once, so an idle child leaves as soon as it is told.
    A wake-up that was swallowed by a process that stopped costs at most `longest` seconds.
    """

    AWAY: ClassVar = (RedisError, StoreError, OSError)

    def __init__(self, redis: Any, orders: Orders, longest: float = 2.0) -> None:
        self._pool = redis.connection_pool
        self._orders = orders
        self._longest = longest
        self._connection: Any = None

    def wait(self, keys: Sequence[str], next_in: int | None, more: Sequence[int] = ()) -> None:
        """Sleep at most until `next_in` ms from now, when something becomes due.

        Ends early when one of `more` descriptors becomes readable.
        """
        longest = self._longest
        seconds = longest if next_in is None else min(longest, max(_SHORTEST, next_in / 1000))
        if not keys:
            self._orders.wait(seconds, *more)
            return
        answered = False
        try:
            answered = self._listen(keys, seconds, more)
        finally:
            if not answered:
                self.close()

    def close(self) -> None:
        """Give the connection up, with whatever reply was still to come on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()
            self._pool.release(connection)

    def drop(self) -> None:
        """Close the connection in a forked process without a word to the server."""
        connection, self._connection = self._connection, None
        sever(connection)

    def _listen(self, keys: Sequence[str], seconds: float, more: Sequence[int]) -> bool:
        if self._connection is None:
            self._connection = self._pool.get_connection()
        until = time.monotonic() + seconds + _LATE
        self._connection.send_command("BZPOPMIN", *keys, f"{seconds:.3f}")
        # The library offers no public way to select on a connection beside something else.
        descriptor = self._connection._sock.fileno()  # noqa: SLF001
        while not self._interrupted() and (left := until - time.monotonic()) > 0:
            ready = self._orders.wait(left, descriptor, *more)
            if descriptor in ready:
                self._connection.read_response()
                return True
            if ready:
                return False
        return False

    def _interrupted(self) -> bool:
        return self._orders.stop or self._orders.quiet


def sever(connection: Any) -> None:
    """Close a connection that belongs to the process from which this one was forked."""
    # A disconnect would end it for that process, too.
    if connection is not None and connection._sock is not None:  # noqa: SLF001
        # Detached, so that the end of the object does not close what has its number by then.
        os.close(connection._sock.detach())  # noqa: SLF001
