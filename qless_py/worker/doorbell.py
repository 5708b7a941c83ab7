"""How an idle child sleeps: until a job may be there, an order comes, or the time is up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from qless_py.worker.orders import Orders

LONGEST: Final = 2.0  # A wake-up swallowed by a stopped process costs at most this.
_SHORTEST: Final = 0.001
_LATE: Final = 1.0


class Doorbell:
    """A blocking read of the queues' wake keys, on a connection of its own.

    It waits for the reply and for orders at once, so an idle child leaves as soon as it is told.
    """

    def __init__(self, redis: Any, orders: Orders) -> None:
        self._pool = redis.connection_pool
        self._orders = orders
        self._connection: Any = None

    def wait(self, keys: Sequence[str], next_in: int | None) -> None:
        """Sleep at most until `next_in` ms from now, when something becomes due."""
        seconds = LONGEST if next_in is None else min(LONGEST, max(_SHORTEST, next_in / 1000))
        if not keys:
            self._orders.wait(seconds)
            return
        answered = False
        try:
            answered = self._listen(keys, seconds)
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

    def _listen(self, keys: Sequence[str], seconds: float) -> bool:
        if self._connection is None:
            self._connection = self._pool.get_connection()
        until = time.monotonic() + seconds + _LATE
        self._connection.send_command("BZPOPMIN", *keys, f"{seconds:.3f}")
        # The library offers no public way to select on a connection beside something else.
        descriptor = self._connection._sock.fileno()  # noqa: SLF001
        while not self._orders.stop and (left := until - time.monotonic()) > 0:
            if self._orders.wait(left, descriptor):
                self._connection.read_response()
                return True
        return False
