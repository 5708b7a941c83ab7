"""A connection that one user keeps for itself, selects on, and does not share with its forks."""

from __future__ import annotations

import contextlib
import os
import select
from typing import Any, Final

from redis.exceptions import RedisError

_MAX_WAIT: Final = 86400.0  # Seconds; the kernel counts the milliseconds of a wait in 31 bits.


def readable(seconds: float, *descriptors: int) -> list[int]:
    """Wait until a descriptor can be read, a day at most; return those that can, in their order.

    `select.select` would raise above descriptor 1023, which a process with many files open has.
    """
    poll = select.poll()
    for one in descriptors:
        poll.register(one, select.POLLIN)
    ready = {one for one, _ in poll.poll(1000 * min(max(0.0, seconds), _MAX_WAIT))}
    return [one for one in descriptors if one in ready]


class DedicatedConnection:
    """A connection of a pool, opened when it is first needed."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._connection: Any = None

    def get(self) -> Any:
        """Return the connection."""
        if self._connection is None:
            self._connection = self._pool.get_connection()
        return self._connection

    def fileno(self) -> int | None:
        """Return the descriptor of the open connection, None if there is none."""
        # redis-py has no public way to select on a connection together with something else.
        socket = None if self._connection is None else self._connection._sock  # noqa: SLF001
        return None if socket is None else socket.fileno()

    def close(self) -> None:
        """Close the connection, with any reply that is still to come on it."""
        if self._connection is not None:
            with contextlib.suppress(RedisError, OSError):
                self._connection.disconnect()
        self.release()

    def release(self) -> None:
        """Return the connection to its pool."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)

    def close_inherited(self) -> None:
        """Close the connection in a forked process without affecting the original."""
        connection, self._connection = self._connection, None
        # A disconnect would shut the connection down for the original process too.
        if connection is not None and connection._sock is not None:  # noqa: SLF001
            # Detached, so that the end of the object does not close a descriptor reused by then.
            os.close(connection._sock.detach())  # noqa: SLF001
