"""Blocking waits: for jobs by BZPOPMIN on the wake keys of queues, and for events by XREAD."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from qless_py.store.dedicated import DedicatedConnection

REPLY_MARGIN: Final = 5.0  # Seconds that a reply may be late before its connection counts as dead.
_SHORTEST: Final = 0.001  # BZPOPMIN takes 0 as "forever".


def command(keys: Sequence[str | bytes], seconds: float) -> tuple[str | bytes, ...]:
    """Return the command that waits until one of the keys has a marker, and removes it."""
    return ("BZPOPMIN", *keys, f"{max(seconds, _SHORTEST):.3f}")


def stream_command(namespace: str, after: str, seconds: float) -> tuple[str | bytes, ...]:
    """Return the command that waits until the stream of events holds one behind an id."""
    ms = str(round(1000 * max(seconds, _SHORTEST)))
    return ("XREAD", "COUNT", "1", "BLOCK", ms, "STREAMS", f"{{{namespace}}}:stream", after)


class WakeConnection(DedicatedConnection):
    """A connection for blocking waits, which is kept from one wait to the next."""

    def ask(self, command: tuple[str | bytes, ...], has_reply: Callable[[], bool]) -> Any:
        """Send a blocking command and return its reply, None if there is none.

        `has_reply` waits for the reply on `fileno`, or for something else. When it returns False or
        anything raises, the connection is closed, as the reply is still to come on it.
        """
        is_answered = False
        try:
            connection = self.get()
            connection.send_command(*command)
            reply = None
            if has_reply():
                reply = connection.read_response(disable_decoding=True)
                is_answered = True
        except ResponseError:
            is_answered = True
            raise
        finally:
            if not is_answered:
                self.close()
        return reply

    def wait(
        self, keys: Sequence[str | bytes], seconds: float, has_reply: Callable[[], bool]
    ) -> bytes | None:
        """Wait until one of the keys has a marker, remove it, and return the key, else None.

        `has_reply` is that of `ask`.
        """
        reply = self.ask(command(keys, seconds), has_reply)
        return None if reply is None else bytes(reply[0])
