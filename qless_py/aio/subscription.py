"""The asyncio twin of `qless_py.client.subscription`."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any

import redis

from qless_py.client.subscription import FIRST_PAUSE, LONGEST_PAUSE, LOST, QUIET, Message

_log = logging.getLogger(__name__)


class AsyncSubscription:
    """Channels of one server on a connection of its own, subscribed again whenever it was lost."""

    def __init__(self, connection: Any, channels: Sequence[str]) -> None:
        self._redis = connection
        self._channels = list(channels)
        self._pubsub: Any = None
        self._heard_at = 0.0
        self._has_asked = False
        self._pause = FIRST_PAUSE
        self._try_at = 0.0
        self.losses = 0

    @property
    def is_open(self) -> bool:
        """Whether messages are being heard now."""
        return self._pubsub is not None

    async def open(self) -> None:
        """Subscribe; only when the server has confirmed is no later message missed."""
        pubsub = self._redis.pubsub()
        try:
            await pubsub.subscribe(*self._channels)
            answers = [await pubsub.get_message(timeout=QUIET) for _ in self._channels]
        except BaseException:
            await _discard(pubsub)
            raise
        if None in answers:
            await _discard(pubsub)
            raise redis.TimeoutError("the server did not confirm a subscription")
        self._pubsub, self._pause = pubsub, FIRST_PAUSE
        self._heard()

    async def get(self, wait: float) -> Message | None:
        """Give the next message as (channel, data), or `None` when none came in that time."""
        deadline = time.monotonic() + wait
        while True:
            left = deadline - time.monotonic()
            was_open = self.is_open
            try:
                message = await self._next(max(0.0, min(left, QUIET)))
            except LOST as error:
                await self._lose(error)
                message = None
            if message is not None:
                return message
            if deadline - time.monotonic() <= 0 or (self.is_open and not was_open):
                return None

    async def close(self) -> None:
        """Give the connection back."""
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            await _discard(pubsub)

    async def _next(self, wait: float) -> Message | None:
        if self._pubsub is None:
            await asyncio.sleep(min(wait, max(0.0, self._try_at - time.monotonic())))
            if time.monotonic() >= self._try_at:
                await self.open()
            return None
        await self._ask_if_quiet()
        message = await self._pubsub.get_message(timeout=wait)
        if message is None:
            return None
        self._heard()
        if message["type"] != "message":
            return None
        channel, data = message["channel"], message["data"]
        return (
            channel.decode() if isinstance(channel, bytes) else str(channel),
            data if isinstance(data, bytes) else str(data).encode(),
        )

    def _heard(self) -> None:
        self._heard_at, self._has_asked = time.monotonic(), False

    async def _ask_if_quiet(self) -> None:
        silence = time.monotonic() - self._heard_at
        if silence >= 2 * QUIET and self._has_asked:
            raise redis.TimeoutError("the server no longer answers")
        if silence >= QUIET and not self._has_asked:
            await self._pubsub.ping()
            self._has_asked = True

    async def _lose(self, error: Exception) -> None:
        # Of one loss is told once, however often it is tried in vain.
        level = logging.WARNING if self.is_open else logging.DEBUG
        _log.log(level, "lost the connection for events, subscribing again: %s", error)
        self.losses += self.is_open
        await self.close()
        self._try_at = time.monotonic() + self._pause
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)


async def _discard(pubsub: Any) -> None:
    with contextlib.suppress(*LOST):
        await pubsub.aclose()
