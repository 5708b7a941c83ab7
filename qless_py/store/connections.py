"""Connections that find their server: an embedded one, the master of a slot, or by sentinels."""

# The constructors and methods that these classes extend have no types in redis-py.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Final

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.crc import key_slot

from qless_py.store import reuse
from qless_py.store.embedded.server import EmbeddedServer
from qless_py.store.urls import Address


class EmbeddedConnection(redis.UnixDomainSocketConnection):
    """A connection to an embedded server, which it starts if it is not running."""

    def __init__(self, *, server: EmbeddedServer, **options: Any) -> None:
        super().__init__(path=str(server.folder.path), **options)
        self._server = server

    def _connect(self) -> socket.socket:
        connected = self._server.connect(self.socket_connect_timeout)
        connected.settimeout(self.socket_timeout)
        return connected


class EmbeddedPool(reuse.Pool):
    """Connections to an embedded server. Closing the pool ends this use of the server."""

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - theirs
        """Close the connections, and stop the server when this was its last user."""
        super().disconnect(inuse_connections)
        if inuse_connections:
            self.connection_kwargs["server"].leave()


# Options that a connection for querying the slots must not receive.
_UNWANTED: Final = frozenset({"slot", "redis_connect_func", "host", "port", "retry"})


class SlotFinder:
    """Find the node of a Redis Cluster that serves the slot of a namespace.

    All keys of a namespace have one hash tag and so are in one slot: a connection to the master of
    that slot is all a client needs, and works like one to a single server.
    """

    def __init__(self, startup: tuple[Address, ...], namespace: str) -> None:
        self._startup = startup
        self._known = startup
        self.slot: int = key_slot(f"{{{namespace}}}".encode())

    def __repr__(self) -> str:
        return f"<SlotFinder slot={self.slot}>"

    def master(self, kind: type[redis.Connection], options: Mapping[str, Any]) -> Address:
        """Ask one node after another for the master; ConnectionError if none answers with one."""
        wanted = {name: value for name, value in options.items() if name not in _UNWANTED}
        last: Exception | None = None
        for host, port in dict.fromkeys((*self._known, *self._startup)):
            connection = kind(host=host, port=port, **wanted)
            try:
                connection.connect()
                connection.send_command("CLUSTER", "SLOTS")
                found = self._read(host, connection.read_response(disable_decoding=True))
            except redis.RedisError as error:
                last = error
            else:
                if found is not None:
                    return found
            finally:
                connection.disconnect()
        raise redis.ConnectionError(f"no node of the cluster serves slot {self.slot}") from last

    def _read(self, asked: str, ranges: list[Any]) -> Address | None:
        masters: dict[Address, None] = {}
        found = None
        for first, last, master, *_ in ranges:
            # A node that does not know its own address reports an empty one: it is this host.
            host = (master[0] or b"").decode()
            address = (asked if host in ("", "?") else host, int(master[1]))
            masters[address] = None
            if first <= self.slot <= last:
                found = address
        if masters:
            self._known = tuple(masters)
        return found


class SlotConnection(redis.Connection):
    """A connection to the current master of a slot of a cluster."""

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


class Sentinels(redis.sentinel.Sentinel):
    """Sentinels whose error names their addresses; that of redis-py shows its objects."""

    def discover_master(self, service_name: str) -> Address:
        """Return the address of the primary; raises MasterNotFoundError."""
        try:
            found: Address = super().discover_master(service_name)
        except redis.sentinel.MasterNotFoundError as error:
            raise _no_primary(service_name, self.sentinels, error) from None
        return found


def _no_primary(
    service: str, sentinels: list[Any], error: Exception
) -> redis.sentinel.MasterNotFoundError:
    options = [one.connection_pool.connection_kwargs for one in sentinels]
    asked = ", ".join(f"{one['host']}:{one['port']}" for one in options)
    # redis-py lists those that do not answer as "<object> - error".
    silent = str(error).count("> - ")
    why = "no sentinel answers" if silent >= len(sentinels) else "none that answers knows it"
    return redis.sentinel.MasterNotFoundError(
        f"no primary found for service {service!r} by the sentinels {asked}: {why}"
    )


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


class AsyncEmbeddedPool(reuse.AsyncPool):
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


class AsyncSentinels(redis.asyncio.sentinel.Sentinel):
    """The asyncio twin of `Sentinels`."""

    async def discover_master(self, service_name: str) -> Address:
        """Return the address of the primary; raises MasterNotFoundError."""
        try:
            found: Address = await super().discover_master(service_name)
        except redis.asyncio.sentinel.MasterNotFoundError as error:
            raise _no_primary(service_name, self.sentinels, error) from None
        return found
