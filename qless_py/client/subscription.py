"""A subscription that outlives the connection under it."""

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import redis

from qless_py.store.interruption import heed, mark

_log = logging.getLogger(__name__)

Message = tuple[str, bytes]

QUIET: Final = 15.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
LOST: Final = (redis.ConnectionError, redis.TimeoutError, OSError)


class Subscription:
    """Channels of one server on a connection of its own, subscribed again whenever it was lost.

    What was published in between is lost with it: `losses` counts such gaps.
    """

    def __init__(self, connection: Any, channels: Sequence[str]) -> None:
        self._redis = connection
        self._channels = list(channels)
        self._pubsub: Any = None
        self._heard_at = 0.0
        self._has_asked = False
        self._pause = FIRST_PAUSE
        self._try_at = 0.0
        self._closed = threading.Event()
        self.losses = 0
        self._open()

    def get(self, timeout: float) -> Message | None:
        """Give the next message as (channel, data), or `None` when none came in time.

        Also gives `None` at once after subscribing again, so that the caller learns of the gap.
        """
        deadline = time.monotonic() + timeout
        marked = mark()
        while True:
            left = deadline - time.monotonic()
            was_open = self.is_open
            try:
                message = self._next(max(0.0, min(left, QUIET)))
            except LOST as error:
                self._lose(error)
                message = None
            heed(marked)
            if message is not None:
                return message
            if deadline - time.monotonic() <= 0 or (self.is_open and not was_open):
                return None

    @property
    def is_open(self) -> bool:
        """Whether messages are being heard now."""
        return self._pubsub is not None

    def close(self) -> None:
        """Give the connection back."""
        self._closed.set()
        self._drop()

    def _drop(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            _discard(pubsub)

    def _open(self) -> None:
        pubsub, marked = self._redis.pubsub(), mark()
        try:
            pubsub.subscribe(*self._channels)
            # Only when the server has confirmed is it certain that no later message is missed.
            answers = [pubsub.get_message(timeout=QUIET) for _ in self._channels]
        except BaseException:
            _discard(pubsub)
            heed(marked)
            raise
        if None in answers:
            _discard(pubsub)
            heed(marked)
            raise redis.TimeoutError("the server did not confirm a subscription")
        self._pubsub, self._pause = pubsub, FIRST_PAUSE
        self._heard()

    def _next(self, timeout: float) -> Message | None:
        if self._pubsub is None:
            self._closed.wait(min(timeout, max(0.0, self._try_at - time.monotonic())))
            if time.monotonic() >= self._try_at:
                self._open()
            return None
        self._ask_if_quiet()
        message = self._pubsub.get_message(timeout=timeout)
        if message is None:
            return None
        self._heard()
        if message["type"] != "message":
            return None
        return _text(message["channel"]), _bytes(message["data"])

    def _heard(self) -> None:
        self._heard_at, self._has_asked = time.monotonic(), False

    def _ask_if_quiet(self) -> None:
        """Notice a connection that is dead without having said so."""
        silence = time.monotonic() - self._heard_at
        if silence >= 2 * QUIET and self._has_asked:
            raise redis.TimeoutError("the server no longer answers")
        if silence >= QUIET and not self._has_asked:
            self._pubsub.ping()
            self._has_asked = True

    def _lose(self, error: Exception) -> None:
        # Of one loss is told once, however often it is tried in vain.
        level = logging.WARNING if self.is_open else logging.DEBUG
        _log.log(level, "lost the connection for events, subscribing again: %s", error)
        self.losses += self.is_open
        self._drop()
        self._try_at = time.monotonic() + self._pause
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)


def _discard(pubsub: Any) -> None:
    with contextlib.suppress(*LOST):
        pubsub.close()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
