"""One asyncio client for each event loop, closed when its loop ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable
from typing import Any

from qless_py.aio.client import AsyncClient

_Key = tuple[int, Any]


class LoopClients:
    """Makes a client for each event loop on first use.

    Connections of asyncio belong to the loop that opened them, and a process may run several loops:
    in threads, and one after another.
    """

    def __init__(self) -> None:
        self._clients: dict[asyncio.AbstractEventLoop, dict[_Key, AsyncClient]] = {}
        # Referenced until its loop ends: a generator that is freed would close its client.
        self._closers: dict[asyncio.AbstractEventLoop, list[AsyncGenerator[None]]] = {}

    def get(self, store: Any, make: Callable[[], AsyncClient]) -> AsyncClient:
        """Return the client of the running loop for this store; RuntimeError without a loop."""
        loop = asyncio.get_running_loop()
        key = (os.getpid(), store)
        clients = self._clients.get(loop, {})
        if key not in clients:
            self._forget_closed_loops()
            client = make()
            self._clients.setdefault(loop, {})[key] = client
            self._closers.setdefault(loop, []).append(self._close_with(loop, key, client))
            return client
        return clients[key]

    def _close_with(
        self, loop: asyncio.AbstractEventLoop, key: _Key, client: AsyncClient
    ) -> AsyncGenerator[None]:
        """Close the client at the end of the loop.

        `asyncio.run` and all that is built on `asyncio.Runner` close the asynchronous generators
        of a loop before it ends. A generator belongs to the loop in which it was started.
        """

        async def closing() -> AsyncGenerator[None]:
            try:
                yield
            finally:
                clients = self._clients.get(loop, {})
                clients.pop(key, None)
                if not clients:
                    self._clients.pop(loop, None)
                    self._closers.pop(loop, None)
                await client.close()

        generator = closing()
        with contextlib.suppress(StopIteration):
            generator.__anext__().send(None)  # It yields without awaiting anything.
        return generator

    def _forget_closed_loops(self) -> None:
        for loop in [loop for loop in list(self._clients) if loop.is_closed()]:
            self._clients.pop(loop, None)
            self._closers.pop(loop, None)
