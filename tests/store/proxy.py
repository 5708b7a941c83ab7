"""A TCP proxy in front of the test server that drops requests and replies on demand."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

CHUNK = 65536


@dataclass
class Proxy:
    """Forwards to a Unix socket. The knobs may be turned at any time, by any thread.

    `lose_reply_every` n cuts the connection in place of every n-th answer to a script, and
    `lose_request_every` n in place of passing on every n-th call of one; `on_loss` is called before
    the cut. `shorten` passes on that many bytes of a reply that is lost. After `hold`, until
    `release`, nothing passes and every connection stays open.
    """

    upstream: str
    lose_reply_every: int = 0
    lose_request_every: int = 0
    shorten: int = 0
    on_loss: Callable[[], object] = lambda: None
    lost: int = 0
    port: int = 0
    _replies: int = 0
    _requests: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def hold(self) -> None:
        self._tell(self._open.clear)

    def release(self) -> None:
        self._tell(self._open.set)

    def stop(self) -> None:
        self._tell(self._open.set)
        self._tell(self._stop.set)

    def _tell(self, what: Callable[[], object]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(what)

    async def serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._open.set()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await self._stop.wait()
            for writer in list(self._writers):
                writer.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upward, server = await asyncio.open_unix_connection(self.upstream)
        self._writers |= {writer, server}
        scripted = [False]
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests_of(reader, server, scripted))
                both.create_task(self._replies_of(upward, writer, scripted))
        except* (ConnectionError, _CutError):
            pass
        finally:
            for one in (writer, server):
                self._writers.discard(one)
                one.close()

    async def _requests_of(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, scripted: list[bool]
    ) -> None:
        while data := await reader.read(CHUNK):
            scripted[0] = b"FCALL" in data
            if scripted[0] and self.lose_request_every:
                self._requests += 1
                if self._requests % self.lose_request_every == 0:
                    await self._lose()
            await self._pass(data, writer)
        raise _CutError

    async def _replies_of(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, scripted: list[bool]
    ) -> None:
        while data := await reader.read(CHUNK):
            if scripted[0] and self.lose_reply_every:
                self._replies += 1
                # Each second time one more comes through: what takes just as many replies as are
                # between two losses would else be lost each time, for ever.
                more = self.lost % 2 if self.lose_reply_every > 1 else 0
                if self._replies >= self.lose_reply_every + more:
                    self._replies = 0
                    if self.shorten:
                        await self._pass(data[: self.shorten], writer)
                    await self._lose()
            await self._pass(data, writer)
        raise _CutError

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        writer.write(data)
        await writer.drain()

    async def _lose(self) -> None:
        self.lost += 1
        await asyncio.to_thread(self.on_loss)
        raise _CutError


class _CutError(Exception):
    pass


@contextlib.contextmanager
def running(upstream: str) -> Iterator[Proxy]:
    """Run a proxy in a thread of its own until left."""
    proxy = Proxy(upstream)
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(ready)))
    thread.start()
    try:
        assert ready.wait(30)
        yield proxy
    finally:
        proxy.stop()
        thread.join()
