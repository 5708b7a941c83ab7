"""Read the stream of events, and wait for the next one."""

import time
from typing import Final

from qless_py.client.session import AsyncSession
from qless_py.protocol import arguments, events
from qless_py.protocol.events import EventPage
from qless_py.protocol.options import Seconds

_TURN: Final = 10.0  # Seconds after which a wait looks again, should the stream be off meanwhile.


async def read(session: AsyncSession, after: str | None, limit: int, wait: Seconds) -> EventPage:
    """Read a page of events; see `Events.read`."""
    deadline = time.monotonic() + arguments.span("wait", wait) / 1000
    page = await session.runner.run(events.read(after, limit))
    while not page.events and (left := deadline - time.monotonic()) > 0:
        await session.runner.wait_for_event(page.last, min(left, _TURN))
        page = await session.runner.run(events.read(page.last, limit))
    return page
