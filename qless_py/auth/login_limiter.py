"""Rate limit of wrong passwords and tokens.

Failures are counted per IP address, for IPv6 per /64 network. A browser that has logged in before
is counted by itself, so a stranger behind the same proxy cannot lock its user out.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from flask import Request

from qless_py.auth.audit_log import LOGGER
from qless_py.auth.guard import COOKIE

PERIOD: Final = 60.0
_CAPACITY: Final = 4096
_HOST_BITS: Final = 64


class LoginLimiter:
    """Blocks a client for a minute after `limit` wrong passwords or tokens in a minute (0: never).

    Remembers the last 4096 clients and browsers.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._trusted_cookies: OrderedDict[str, None] = OrderedDict()

    def blocked_for(self, request: Request) -> float:
        """Return for how many seconds the client is still blocked, 0 if it is not."""
        if not self._limit or "Authorization" not in request.headers:
            return 0.0
        with self._lock:
            count, ends = self._failures.get(self._client_key(request), (0, 0.0))
            return max(ends - self._clock(), 0.0) if count >= self._limit else 0.0

    def record_failure(self, request: Request) -> None:
        """Count a request that was not authenticated, if it had a password or a token."""
        if not self._limit or "Authorization" not in request.headers:
            return
        now = self._clock()
        with self._lock:
            key = self._client_key(request)
            count, ends = self._failures.pop(key, (0, 0.0))
            count, ends = (count + 1, ends) if ends > now else (1, now + PERIOD)
            is_limit_reached = count == self._limit
            self._failures[key] = (count, now + PERIOD if is_limit_reached else ends)
            _evict_oldest(self._failures)
        if is_limit_reached:
            LOGGER.warning(
                "Login blocked: address=%s failures=%d seconds=%g",
                request.remote_addr,
                count,
                PERIOD,
            )

    def record_success(self, request: Request) -> None:
        """Remember the browser of an authenticated request."""
        cookie = request.cookies.get(COOKIE)
        if not self._limit or not cookie or "Authorization" not in request.headers:
            return
        with self._lock:
            self._trusted_cookies[cookie] = None
            self._trusted_cookies.move_to_end(cookie)
            _evict_oldest(self._trusted_cookies)

    def _client_key(self, request: Request) -> str:
        cookie = request.cookies.get(COOKIE, "")
        return (
            f"browser {cookie}"
            if cookie in self._trusted_cookies
            else _network(request.remote_addr)
        )


def _evict_oldest(kept: OrderedDict[str, tuple[int, float]] | OrderedDict[str, None]) -> None:
    while len(kept) > _CAPACITY:
        kept.popitem(last=False)


def _network(address: str | None) -> str:
    """Return an IPv4 address, or the /64 within which one machine can pick its IPv6 address."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> _HOST_BITS << _HOST_BITS, _HOST_BITS)))
