"""Wrong passwords and tokens are counted: who sends too many waits before the next is looked at.

Counted by address (of IPv6, by network of 64 bits), but a browser that was let in before is counted
for itself, so that nobody behind the same proxy is locked out by a stranger who guesses.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from flask import Request

from qless_py.dashboard.auth.guard import COOKIE

logger = logging.getLogger("qless_py.dashboard.audit")

PERIOD: Final = 60.0
_MOST_KEPT: Final = 4096
_HOST_BITS: Final = 64


class Attempts:
    """The wrong ones of the last minute; `limit` of them may be sent in it, 0 is any number.

    Remembers a few thousand senders and browsers at most, and forgets the oldest first.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._welcome: OrderedDict[str, None] = OrderedDict()

    def wait(self, request: Request) -> float:
        """Give the seconds until this sender is listened to again, 0 if it is."""
        if not self._limit or "Authorization" not in request.headers:
            return 0.0
        with self._lock:
            count, ends = self._wrong.get(self._sender(request), (0, 0.0))
            return max(ends - self._clock(), 0.0) if count >= self._limit else 0.0

    def failed(self, request: Request) -> None:
        """Count a request that nobody knew, if it brought a password or a token."""
        if not self._limit or "Authorization" not in request.headers:
            return
        now = self._clock()
        with self._lock:
            key = self._sender(request)
            count, ends = self._wrong.pop(key, (0, 0.0))
            count, ends = (count + 1, ends) if ends > now else (1, now + PERIOD)
            is_last = count == self._limit
            self._wrong[key] = (count, now + PERIOD if is_last else ends)
            _bound(self._wrong)
        if is_last:
            logger.warning(
                "%d wrong passwords or tokens from %s: no more are looked at for %g s",
                count,
                request.remote_addr,
                PERIOD,
            )

    def passed(self, request: Request) -> None:
        """Remember the browser of somebody who was let in."""
        cookie = request.cookies.get(COOKIE)
        if not self._limit or not cookie or "Authorization" not in request.headers:
            return
        with self._lock:
            self._welcome[cookie] = None
            self._welcome.move_to_end(cookie)
            _bound(self._welcome)

    def _sender(self, request: Request) -> str:
        cookie = request.cookies.get(COOKIE, "")
        return f"browser {cookie}" if cookie in self._welcome else _network(request.remote_addr)


def _bound(kept: OrderedDict[str, tuple[int, float]] | OrderedDict[str, None]) -> None:
    while len(kept) > _MOST_KEPT:
        kept.popitem(last=False)


def _network(address: str | None) -> str:
    """Give the address, or the network in which one machine may choose its address."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> _HOST_BITS << _HOST_BITS, _HOST_BITS)))
