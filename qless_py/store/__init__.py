"""From a URL to a connection, and calls that are safe to resend.

`connect` and `connect_async` return an ordinary client of redis-py with its retries switched off:
after a lost reply they would run a script twice. `Runner` and `AsyncRunner` send calls over it, and
resend them so that each takes effect once.
"""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio

from qless_py.errors import StoreError
from qless_py.store import pools
from qless_py.store.embedded.server import EmbeddedServer
from qless_py.store.urls import (
    PLACE_OPTIONS,
    StoreURL,
    options_url,
    parse,
    redacted,
    resolve,
)

__all__ = [
    "EmbeddedServer",
    "StoreURL",
    "connect",
    "connect_async",
    "parse",
    "redacted",
    "resolve",
]


def connect(
    url: str | None = None,
    *,
    namespace: str = "ql",
    connection_pool: redis.ConnectionPool | None = None,
    **options: Any,
) -> redis.Redis:
    """Return a client for the URL, by default the one of `resolve`; it connects when first used.

    `options` are those of redis-py: with `host`, `port` or `unix_socket_path` they name the server
    instead of a URL. A `connection_pool` replaces all of them, and `namespace`
    determines the node in a cluster. The first connection to a server raises StoreError if the
    server is too old or would evict jobs. Close the client: that may stop an embedded server.
    """
    if connection_pool is not None:
        _refuse_both(url, options)
        pools.check_on_connect(connection_pool)
        return redis.Redis(connection_pool=connection_pool)
    target, options = _target(url, options)
    return redis.Redis.from_pool(pools.make_pool(target, namespace, options))


def connect_async(
    url: str | None = None,
    *,
    namespace: str = "ql",
    connection_pool: redis.asyncio.ConnectionPool | None = None,
    **options: Any,
) -> redis.asyncio.Redis:
    """Return the same for asyncio; nothing is awaited before the first command."""
    if connection_pool is not None:
        _refuse_both(url, options)
        pools.check_on_connect(connection_pool)
        return redis.asyncio.Redis(connection_pool=connection_pool)
    target, options = _target(url, options)
    return redis.asyncio.Redis.from_pool(pools.make_async_pool(target, namespace, options))


def _target(url: str | None, options: dict[str, Any]) -> tuple[StoreURL, dict[str, Any]]:
    """Return the store, and the options left: those of redis-py may name a server themselves."""
    place = options_url(options)
    if place is None:
        return parse(resolve(url)), options
    if url is not None:
        raise StoreError(f"the store is named twice, as {redacted(url)} and as {place}")
    return parse(place), {name: options[name] for name in options if name not in PLACE_OPTIONS}


def _refuse_both(url: str | None, options: dict[str, Any]) -> None:
    if url is not None or options:
        raise StoreError("a connection_pool has its own address and options: pass only the pool")
