"""Make the connection pool that a store URL stands for, with the settings all of them share."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.retry
import redis.sentinel
from redis.backoff import NoBackoff

from qless_py.errors import StoreError
from qless_py.store import connections
from qless_py.store.cluster import SlotFinder
from qless_py.store.embedded.server import EmbeddedServer
from qless_py.store.server_check import ServerCheck
from qless_py.store.urls import StoreURL

# A script is done in milliseconds: five seconds of silence mean a dead server or network.
SOCKET_TIMEOUT: Final = 5.0
# Bytes that are not acknowledged for so long are given up by the kernel, so that no old call
# reaches the server after the answers of its time have been forgotten there.
_UNACKNOWLEDGED_MS: Final = 60_000
_OURS: Final = frozenset({"retry", "retry_on_error", "retry_on_timeout", "redis_connect_func"})
_SENTINEL_PREFIX: Final = "sentinel_"


@dataclass(frozen=True, slots=True)
class _Family:
    """The classes of redis-py, and ours beside them, for one way of waiting."""

    pool: type[Any]
    tcp: type[Any]
    tls: type[Any]
    unix: type[Any]
    slot: type[Any]
    slot_tls: type[Any]
    embedded: type[Any]
    embedded_pool: type[Any]
    sentinel: type[Any]
    sentinel_pool: type[Any]
    retry: type[Any]


_BLOCKING: Final = _Family(
    pool=redis.ConnectionPool,
    tcp=redis.Connection,
    tls=redis.SSLConnection,
    unix=redis.UnixDomainSocketConnection,
    slot=connections.SlotConnection,
    slot_tls=connections.SlotSSLConnection,
    embedded=connections.EmbeddedConnection,
    embedded_pool=connections.EmbeddedPool,
    sentinel=redis.sentinel.Sentinel,
    sentinel_pool=redis.sentinel.SentinelConnectionPool,
    retry=redis.retry.Retry,
)
_ASYNC: Final = _Family(
    pool=redis.asyncio.ConnectionPool,
    tcp=redis.asyncio.Connection,
    tls=redis.asyncio.SSLConnection,
    unix=redis.asyncio.UnixDomainSocketConnection,
    slot=connections.AsyncSlotConnection,
    slot_tls=connections.AsyncSlotSSLConnection,
    embedded=connections.AsyncEmbeddedConnection,
    embedded_pool=connections.AsyncEmbeddedPool,
    sentinel=redis.asyncio.sentinel.Sentinel,
    sentinel_pool=connections.AsyncSentinelPool,
    retry=redis.asyncio.retry.Retry,
)


def make_pool(url: StoreURL, namespace: str, given: Mapping[str, Any]) -> redis.ConnectionPool:
    """Make a pool for the synchronous client."""
    pool: redis.ConnectionPool = _make(_BLOCKING, url, namespace, given, ServerCheck().greet)
    return pool


def make_async_pool(
    url: StoreURL, namespace: str, given: Mapping[str, Any]
) -> redis.asyncio.ConnectionPool:
    """Make a pool for the asyncio client."""
    greet = ServerCheck().greet_async
    pool: redis.asyncio.ConnectionPool = _make(_ASYNC, url, namespace, given, greet)
    return pool


def _make(
    family: _Family, url: StoreURL, namespace: str, given: Mapping[str, Any], greet: Any
) -> Any:
    options = _options(url, given)
    options["retry"] = family.retry(NoBackoff(), 0)
    options["redis_connect_func"] = greet
    if url.kind == "embedded":
        server = EmbeddedServer(url.path)
        pool = family.embedded_pool(family.embedded, server=server, **options)
    elif url.kind == "sentinel":
        sentinels, own = _sentinels(url, options)
        manager = family.sentinel(url.hosts, sentinel_kwargs=sentinels)
        pool = family.sentinel_pool(url.service, manager, ssl=url.tls, **own)
    elif url.kind == "cluster":
        finder = SlotFinder(url.hosts, namespace)
        kind = family.slot_tls if url.tls else family.slot
        pool = family.pool(kind, slot=finder, **options)
    elif url.kind == "unix":
        pool = family.pool(family.unix, path=url.path, **options)
    else:
        pool = family.pool(family.tls if url.tls else family.tcp, **options)
    _try_options(url, pool)
    return pool


def check_on_connect(pool: redis.ConnectionPool | redis.asyncio.ConnectionPool) -> None:
    """Have a pool that somebody else made check its server too, unless it greets in its own way."""
    check = ServerCheck()
    asynchronous = isinstance(pool, redis.asyncio.ConnectionPool)
    greet: Any = check.greet_async if asynchronous else check.greet
    pool.connection_kwargs.setdefault("redis_connect_func", greet)


def _options(url: StoreURL, given: Mapping[str, Any]) -> dict[str, Any]:
    refused = sorted(_OURS.intersection((*given, *url.options)))
    if refused:
        raise StoreError(f"{', '.join(refused)} cannot be set: calls are resent by qless_py itself")
    options: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": SOCKET_TIMEOUT,
        # The pool must not be what limits the number of threads.
        "max_connections": 2**31,
    }
    if url.hosts:
        options["host"], options["port"] = url.hosts[0]
        options["socket_keepalive"] = True
        options["socket_keepalive_options"] = _keepalive()
    options.update(url.options)
    options.update(given)
    return options


def _keepalive() -> dict[int, int]:
    wanted = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
    wanted["TCP_USER_TIMEOUT"] = _UNACKNOWLEDGED_MS
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


def _sentinels(url: StoreURL, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the options into those for the sentinels and those for the server they watch."""
    sentinels: dict[str, Any] = {"ssl": True} if url.tls else {}
    own = {}
    for name, value in options.items():
        if name.startswith(_SENTINEL_PREFIX):
            sentinels[name.removeprefix(_SENTINEL_PREFIX)] = value
        elif name not in ("host", "port"):
            own[name] = value
            if name.startswith(("socket_", "ssl_")) or name in ("protocol", "retry"):
                sentinels.setdefault(name, value)
    return sentinels, own


def _try_options(url: StoreURL, pool: redis.ConnectionPool | redis.asyncio.ConnectionPool) -> None:
    """Make one connection that is not used, so that an unknown option is named at once."""
    try:
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, redis.RedisError) as error:
        # The message names the option; values stay out of it.
        unknown = str(error).partition("argument ")[2].strip("'")
        raise StoreError(
            f"cannot use the options for {url}: {unknown or type(error).__name__}"
        ) from None
