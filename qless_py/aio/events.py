"""Events for asyncio: an asynchronous iterator."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

from qless_py.aio.subscription import AsyncSubscription
from qless_py.client.events import Channels, Event, Resubscribed
from qless_py.client.session import AsyncSession
from qless_py.client.subscription import Message

_POLL: Final = 1.0


class AsyncListener:
    """An asynchronous iterator of events; enter it, so that it hears from then on.

    `async with client.events.listen("failed") as events: async for event in events: …`
    """

    def __init__(self, session: AsyncSession, names: tuple[str, ...]) -> None:
        self._channels = Channels(session.settings, names)
        self._subscription = AsyncSubscription(session.redis, list(self._channels.names))
        self._losses = 0
        self._held: Message | None = None

    async def get(self, wait: float) -> Event | None:
        """Give the next event, or `None` when there was none in that time."""
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
    """`client.events`; the channels are those of `qless_py.events.Events`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def listen(self, *names: str) -> AsyncListener:
        """Listen on a connection of its own; `log` if no channel is named."""
        return AsyncListener(self._session, names)
