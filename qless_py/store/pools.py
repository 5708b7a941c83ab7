"""Make the connection pool for a store URL, with the settings that all pools share."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.retry
from redis.backoff import NoBackoff

from qless_py.errors import StoreError
from qless_py.store import connections, reuse
from qless_py.store.connections import SlotFinder
from qless_py.store.embedded.server import EmbeddedServer
from qless_py.store.server_check import ServerCheck
from qless_py.store.urls import StoreURL

# Seconds. A script runs for milliseconds: no reply within this time means a dead server or network.
SOCKET_TIMEOUT: Final = 5.0
# The kernel discards bytes that stay unacknowledged for this long, so no old call is delivered
# after the server has forgotten the replies of that time, which would run the call twice.
_UNACKNOWLEDGED_MS: Final = 60_000
_OURS: Final = frozenset({"retry", "retry_on_error", "retry_on_timeout", "redis_connect_func"})
_SENTINEL_PREFIX: Final = "sentinel_"


@dataclass(frozen=True, slots=True)
class _Classes:
    """The classes of redis-py, and those that extend them, for blocking or for asyncio."""

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


_BLOCKING: Final = _Classes(
    pool=reuse.Pool,
    tcp=redis.Connection,
    tls=redis.SSLConnection,
    unix=redis.UnixDomainSocketConnection,
    slot=connections.SlotConnection,
    slot_tls=connections.SlotSSLConnection,
    embedded=connections.EmbeddedConnection,
    embedded_pool=connections.EmbeddedPool,
    sentinel=connections.Sentinels,
    sentinel_pool=reuse.SentinelPool,
    retry=redis.retry.Retry,
)
_ASYNC: Final = _Classes(
    pool=reuse.AsyncPool,
    tcp=redis.asyncio.Connection,
    tls=redis.asyncio.SSLConnection,
    unix=redis.asyncio.UnixDomainSocketConnection,
    slot=connections.AsyncSlotConnection,
    slot_tls=connections.AsyncSlotSSLConnection,
    embedded=connections.AsyncEmbeddedConnection,
    embedded_pool=connections.AsyncEmbeddedPool,
    sentinel=connections.AsyncSentinels,
    sentinel_pool=reuse.AsyncSentinelPool,
    retry=redis.asyncio.retry.Retry,
)


def make_pool(url: StoreURL, namespace: str, given: Mapping[str, Any]) -> redis.ConnectionPool:
    """Make a pool for the synchronous client."""
    pool: redis.ConnectionPool = _make(_BLOCKING, url, namespace, given, ServerCheck().on_connect)
    return pool


def make_async_pool(
    url: StoreURL, namespace: str, given: Mapping[str, Any]
) -> redis.asyncio.ConnectionPool:
    """Make a pool for the asyncio client."""
    on_connect = ServerCheck().on_connect_async
    pool: redis.asyncio.ConnectionPool = _make(_ASYNC, url, namespace, given, on_connect)
    return pool


def _make(
    classes: _Classes, url: StoreURL, namespace: str, given: Mapping[str, Any], on_connect: Any
) -> Any:
    options = _options(url, given)
    options["retry"] = classes.retry(NoBackoff(), 0)
    options["redis_connect_func"] = on_connect
    if url.kind == "embedded":
        server = EmbeddedServer(url.path)
        pool = classes.embedded_pool(classes.embedded, server=server, **options)
    elif url.kind == "sentinel":
        sentinels, own = _sentinels(url, options)
        manager = classes.sentinel(url.hosts, sentinel_kwargs=sentinels)
        pool = classes.sentinel_pool(url.service, manager, ssl=url.tls, **own)
    elif url.kind == "cluster":
        finder = SlotFinder(url.hosts, namespace)
        kind = classes.slot_tls if url.tls else classes.slot
        pool = classes.pool(kind, slot=finder, **options)
    elif url.kind == "unix":
        pool = classes.pool(classes.unix, path=url.path, **options)
    else:
        pool = classes.pool(classes.tls if url.tls else classes.tcp, **options)
    _try_options(url, pool)
    return pool


def check_on_connect(pool: redis.ConnectionPool | redis.asyncio.ConnectionPool) -> None:
    """Check the server on each connection of a caller's pool, unless it has a connect function."""
    check = ServerCheck()
    asynchronous = isinstance(pool, redis.asyncio.ConnectionPool)
    on_connect: Any = check.on_connect_async if asynchronous else check.on_connect
    pool.connection_kwargs.setdefault("redis_connect_func", on_connect)


def _options(url: StoreURL, given: Mapping[str, Any]) -> dict[str, Any]:
    refused = sorted(_OURS.intersection((*given, *url.options)))
    if refused:
        raise StoreError(f"{', '.join(refused)} cannot be set: qless_py resends calls itself")
    options: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": SOCKET_TIMEOUT,
        # No limit: threads wait for replies, not for a free connection.
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
    """Split the options into those for the sentinels and those for the server."""
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
    """Make one connection without connecting it, so that an unknown option is reported at once."""
    try:
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, redis.RedisError) as error:
        # The message names the option, but not its value, which may be a password.
        unknown = str(error).partition("argument ")[2].strip("'")
        wrong = f"there is no option {unknown}" if unknown else _wrong_value(pool)
        raise StoreError(f"cannot use the options for {url}: {wrong}") from None


def _wrong_value(pool: redis.ConnectionPool | redis.asyncio.ConnectionPool) -> str:
    """Say which option has a value that a connection cannot be made with."""
    given = pool.connection_kwargs
    for name in given:
        try:
            pool.connection_class(**{one: given[one] for one in given if one != name})
        except (TypeError, ValueError, redis.RedisError):
            continue
        values = "; use none, optional or required" if name == "ssl_cert_reqs" else ""
        return f"the value of {name} is not valid{values}"
    return "their values are not valid"
