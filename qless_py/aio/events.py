"""Events for asyncio: an asynchronous iterator."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

import redis

from qless_py.aio import event_stream
from qless_py.client.events import (
    FIRST_PAUSE,
    LOST,
    MAX_PAUSE,
    QUIET,
    Channels,
    Event,
    Message,
    Resubscribed,
)
from qless_py.client.session import AsyncSession
from qless_py.protocol.events import EventPage
from qless_py.protocol.options import Seconds
from qless_py.store.cancellation import CancellationGuard

_log = logging.getLogger(__name__)

_POLL: Final = 1.0


class AsyncSubscription:
    """The counterpart of `qless_py.client.events.Subscription`."""

    def __init__(self, connection: Any, channels: Sequence[str]) -> None:
        self._redis = connection
        self._channels = list(channels)
        self._pubsub: Any = None
        self._received_at = 0.0
        self._has_pinged = False
        self._pause = FIRST_PAUSE
        self._try_at = 0.0
        self.losses = 0

    @property
    def is_open(self) -> bool:
        """Whether the subscription is active."""
        return self._pubsub is not None

    async def open(self) -> None:
        """Subscribe, and wait for the server to confirm, so that no later message is missed."""
        pubsub, cancellations = self._redis.pubsub(), CancellationGuard()
        try:
            await pubsub.subscribe(*self._channels)
            answers = []
            for _ in self._channels:
                cancellations.reraise()
                answers.append(await pubsub.get_message(timeout=QUIET))
            cancellations.reraise()
        except BaseException:
            await _discard(pubsub)
            raise
        if None in answers:
            await _discard(pubsub)
            raise redis.TimeoutError("the server did not confirm a subscription")
        self._pubsub, self._pause = pubsub, FIRST_PAUSE
        self._received()

    async def get(self, wait: float) -> Message | None:
        """Return the next message as (channel, data), or `None` after `wait` seconds."""
        deadline = time.monotonic() + wait
        cancellations = CancellationGuard()
        while True:
            left = deadline - time.monotonic()
            was_open = self.is_open
            try:
                message = await self._next(max(0.0, min(left, QUIET)))
            except LOST as error:
                await self._lose(error)
                message = None
            cancellations.reraise()
            if message is not None:
                return message
            if deadline - time.monotonic() <= 0 or (self.is_open and not was_open):
                return None

    async def close(self) -> None:
        """Close the connection."""
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            cancellations = CancellationGuard()
            await _discard(pubsub)
            cancellations.reraise()

    async def _next(self, wait: float) -> Message | None:
        if self._pubsub is None:
            await asyncio.sleep(min(wait, max(0.0, self._try_at - time.monotonic())))
            if time.monotonic() >= self._try_at:
                await self.open()
            return None
        await self._ping_if_quiet()
        message = await self._pubsub.get_message(timeout=wait)
        if message is None:
            return None
        self._received()
        if message["type"] != "message":
            return None
        channel, data = message["channel"], message["data"]
        return (
            channel.decode() if isinstance(channel, bytes) else str(channel),
            data if isinstance(data, bytes) else str(data).encode(),
        )

    def _received(self) -> None:
        self._received_at, self._has_pinged = time.monotonic(), False

    async def _ping_if_quiet(self) -> None:
        silence = time.monotonic() - self._received_at
        if silence >= 2 * QUIET and self._has_pinged:
            raise redis.TimeoutError("the server no longer answers")
        if silence >= QUIET and not self._has_pinged:
            await self._pubsub.ping()
            self._has_pinged = True

    async def _lose(self, error: Exception) -> None:
        # One warning per loss, however many attempts fail.
        level = logging.WARNING if self.is_open else logging.DEBUG
        _log.log(level, "lost the connection for events, subscribing again: %s", error)
        self.losses += self.is_open
        await self.close()
        self._try_at = time.monotonic() + self._pause
        self._pause = min(MAX_PAUSE, 2 * self._pause)


async def _discard(pubsub: Any) -> None:
    with contextlib.suppress(*LOST):
        await pubsub.aclose()


class AsyncListener:
    """An asynchronous iterator of events, which listens from when it is entered.

    `async with client.events.listen("failed") as events: async for event in events: …`
    """

    def __init__(self, session: AsyncSession, names: tuple[str, ...]) -> None:
        self._channels = Channels(session.settings, names)
        self._subscription = AsyncSubscription(session.redis, list(self._channels.names))
        self._losses = 0
        self._held: Message | None = None

    async def get(self, wait: float) -> Event | None:
        """Return the next event, or `None` after `wait` seconds."""
        message, self._held = self._held, None
        message = message or await self._subscription.get(wait)
        if self._subscription.losses > self._losses and self._subscription.is_open:
            self._losses, self._held = self._subscription.losses, message
            return Resubscribed(Resubscribed.NAME, "")
        return None if message is None else self._channels.parse(message)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = await self.get(_POLL)
            if event is not None:
                yield event

    async def __aenter__(self) -> Self:
        await self._subscription.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._subscription.close()


class AsyncEvents:
    """`client.events`; the channels are those of `qless_py.client.events.Events`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def listen(self, *names: str) -> AsyncListener:
        """Listen on a connection of its own; by default to `log`."""
        return AsyncListener(self._session, names)

    async def read(
        self, after: str | None = None, *, limit: int = 100, wait: Seconds = 0
    ) -> EventPage:
        """Read events that the stream keeps behind the id `after`, oldest first.

        "0" begins with the oldest event, None with the next one. `wait` is how many seconds to wait
        for one if there is none yet. A `Gap` stands for events that are no longer kept, so none is
        missed silently. Raises `EventStreamOffError` while the option `event-stream` is 0.
        """
        return await event_stream.read(self._session, after, limit, wait)
