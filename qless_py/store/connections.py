"""Connections that know more than an address: an embedded server, or a cluster's slot."""

# The constructors and methods that these classes extend have no types in redis-py.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import socket
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel

from qless_py.store.cluster import SlotFinder
from qless_py.store.embedded.server import EmbeddedServer


class EmbeddedConnection(redis.UnixDomainSocketConnection):
    """A connection to an embedded server, which starts it when it does not run."""

    def __init__(self, *, server: EmbeddedServer, **options: Any) -> None:
        super().__init__(path=str(server.folder.path), **options)
        self._server = server

    def _connect(self) -> socket.socket:
        connected = self._server.connect(self.socket_connect_timeout)
        connected.settimeout(self.socket_timeout)
        return connected


class EmbeddedPool(redis.ConnectionPool):
    """Connections to an embedded server; closing the pool gives the server up."""

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        """Close the connections, and stop the server when this was its last user."""
        super().disconnect(inuse_connections)
        if inuse_connections:
            self.connection_kwargs["server"].leave()


class SlotConnection(redis.Connection):
    """A connection to whichever node of a cluster is the master of one slot."""

    def __init__(self, *, slot: SlotFinder, **options: Any) -> None:
        super().__init__(**options)
        self._slot = slot
        self._options = options

    def _connect(self) -> socket.socket:
        kind = redis.SSLConnection if isinstance(self, redis.SSLConnection) else redis.Connection
        self.host, self.port = self._slot.master(kind, self._options)
        connected: socket.socket = super()._connect()
        return connected


class SlotSSLConnection(SlotConnection, redis.SSLConnection):
    """The same with TLS."""


class AsyncEmbeddedConnection(redis.asyncio.UnixDomainSocketConnection):
    """The asyncio twin of `EmbeddedConnection`."""

    def __init__(self, *, server: EmbeddedServer, **options: Any) -> None:
        super().__init__(path=str(server.folder.path), **options)
        self._server = server

    async def connect(self) -> None:
        """Connect, starting the server when it does not run."""
        if not self.is_connected:
            self.path = await asyncio.to_thread(self._server.ensure)
        await super().connect()


class AsyncEmbeddedPool(redis.asyncio.ConnectionPool):
    """The asyncio twin of `EmbeddedPool`."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        """Close the connections, and stop the server when this was its last user."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            await asyncio.to_thread(self.connection_kwargs["server"].leave)


class AsyncSlotConnection(redis.asyncio.Connection):
    """The asyncio twin of `SlotConnection`."""

    blocking: type[redis.Connection] = redis.Connection

    def __init__(self, *, slot: SlotFinder, **options: Any) -> None:
        super().__init__(**options)
        self._slot = slot
        self._options = options

    async def connect(self) -> None:
        """Connect to the master of the slot."""
        if not self.is_connected:
            found = await asyncio.to_thread(self._slot.master, self.blocking, self._options)
            self.host, self.port = found
        await super().connect()


class AsyncSlotSSLConnection(AsyncSlotConnection, redis.asyncio.SSLConnection):
    """The same with TLS."""

    blocking = redis.SSLConnection


class AsyncSentinelPool(redis.asyncio.sentinel.SentinelConnectionPool):
    """Connections to the master that sentinels name; closing it closes those to the sentinels."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        """Close the connections."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for one in self.sentinel_manager.sentinels:
                await one.aclose()
