"""How a manager sleeps while there is nothing to do, and how it is woken."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from qless_py.store.readable import readable

LONGEST: Final = 2.0
_LATE: Final = 1.0


class Bell:
    """Sleeps until a job may be there, the time is up, or another thread rings.

    The read of the queues' wake keys has a connection of its own, which is given up when it ends
    without an answer.
    """

    def __init__(self, redis: Any) -> None:
        self._pool = redis.connection_pool
        self._connection: Any = None
        self._ears, self._mouth = socket.socketpair()
        for end in (self._ears, self._mouth):
            end.settimeout(0)
        self._rung = threading.Event()

    def ring(self) -> None:
        """Wake the sleeper, or keep it from going to sleep next time."""
        self._rung.set()
        with contextlib.suppress(BlockingIOError, OSError):
            self._mouth.send(b"!")

    def wait(self, keys: Sequence[str], seconds: float) -> None:
        """Sleep; raises what a lost connection raises."""
        answered = False
        try:
            if keys and not self._rung.is_set():
                answered = self._listen(keys, max(0.001, seconds))
            elif not self._rung.is_set():
                readable(seconds, self._ears.fileno())
        finally:
            if not answered:
                self._hang_up()
            self._rung.clear()
            with contextlib.suppress(BlockingIOError):
                self._ears.recv(4096)

    def close(self) -> None:
        """Give everything back."""
        self._hang_up()
        self._ears.close()
        self._mouth.close()

    def _listen(self, keys: Sequence[str], seconds: float) -> bool:
        if self._connection is None:
            self._connection = self._pool.get_connection()
        self._connection.send_command("BZPOPMIN", *keys, f"{seconds:.3f}")
        # The library offers no public way to select on a connection beside something else.
        descriptor = self._connection._sock.fileno()  # noqa: SLF001
        if descriptor not in readable(seconds + _LATE, descriptor, self._ears.fileno()):
            return False
        self._connection.read_response()
        return True

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()
            self._pool.release(connection)
