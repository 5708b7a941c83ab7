"""HTTP servers for tests: one that records requests, and others that break every rule."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Request:
    """A request as it arrived; the names of its headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Recorder:
    """A server that keeps the requests it gets and answers each with the next of `answers`.

    While it `holds`, it answers nothing, and counts the connections that were `ended` meanwhile.
    """

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    answers: list[bytes] = field(default_factory=list)
    holds: bool = False
    ended: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def answer(status: str = "200 OK", body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (one.partition(": ") for one in lines[:-2])
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)


@contextlib.asynccontextmanager
async def recording(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Recorder]:
    found = Recorder(answers=list(answers))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        while (request := await read_request(reader)) is not None:
            found.requests.append(request)
            if found.holds:
                await reader.read()  # Until the other side hangs up.
                found.ended += 1
                return
            writer.write(found.answers.pop(0) if found.answers else answer())
            await writer.drain()

    async with serving(talk, tls) as port:
        found.port = port
        yield found


@contextlib.asynccontextmanager
async def serving(
    talk: Conversation, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve connections by `talk`; yield the port."""
    running: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await talk(reader, writer)
        running.discard(task)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()
