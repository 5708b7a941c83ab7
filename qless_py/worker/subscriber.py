"""What the store publishes for the workers of a parent, heard in the parent's own loop."""

from __future__ import annotations

import contextlib
import json
import logging
import selectors
import time
from collections.abc import Iterable
from typing import Any, Final

from redis.exceptions import RedisError

from qless_py.errors import StoreError
from qless_py.handlers.retry import Backoff

logger = logging.getLogger(__name__)

SUBSCRIBED: Final = "subscribed"  # Tells that all that is published from now on is heard.

_AWAY: Final = (RedisError, StoreError, OSError)
_RECONNECT: Final = Backoff.exponential(first=0.2, most=5.0)


class Ear:
    """A subscription to the channels of the present workers.

    It may miss what is published: heartbeats tell of lost leases, too, and beats of commands.
    """

    def __init__(self, namespace: str, selector: selectors.BaseSelector) -> None:
        self._prefix = f"{{{namespace}}}:worker:"
        self._selector = selector
        self._pubsub: Any = None
        self._socket: Any = None
        self._heard_of: set[str] = set()
        self._failures = 0
        self._try_at = 0.0

    def listen(self, redis: Any, workers: Iterable[str]) -> None:
        """Hear of these workers from now on, and of no others."""
        wanted = set(workers)
        if redis is None or wanted == self._heard_of or time.monotonic() < self._try_at:
            return
        try:
            self._subscribe(redis, wanted)
        except _AWAY as error:
            self._lose(error)

    def hear(self) -> list[tuple[str, dict[str, Any]]]:
        """Give what was published since: the worker, and what it is told.

        Says, too, from when on a worker is heard of: at first, and again after a lost connection.
        """
        heard: list[tuple[str, dict[str, Any]]] = []
        try:
            while self._pubsub is not None:
                message = self._pubsub.get_message(timeout=0)
                if message is None:
                    break
                if message["type"] == "message":
                    heard.append((self._worker(message["channel"]), _object(message["data"])))
                elif message["type"] == "subscribe":
                    heard.append((self._worker(message["channel"]), {"event": SUBSCRIBED}))
            self._watch()
        except _AWAY as error:
            self._lose(error)
        return heard

    def close(self) -> None:
        """Hear no more."""
        self._unwatch()
        pubsub, self._pubsub, self._socket = self._pubsub, None, None
        self._heard_of = set()
        if pubsub is not None:
            with contextlib.suppress(*_AWAY):
                pubsub.close()

    def drop(self) -> None:
        """Forget, in a fresh fork, the connection that is the parent's."""
        found, self._socket, self._pubsub = self._socket, None, None
        if found is not None:
            found.close()

    def _subscribe(self, redis: Any, wanted: set[str]) -> None:
        if self._pubsub is None:
            self._pubsub = redis.pubsub()
        fresh = [self._prefix + name for name in sorted(wanted - self._heard_of)]
        stale = [self._prefix + name for name in sorted(self._heard_of - wanted)]
        if fresh:
            self._pubsub.subscribe(*fresh)
        if stale:
            self._pubsub.unsubscribe(*stale)
        self._watch()
        self._heard_of = wanted
        self._failures = 0

    def _watch(self) -> None:
        """Select on the connection, which the library renews by itself when it was lost."""
        if self._pubsub is None:
            return
        # There is no public way to select on it beside something else.
        found = self._pubsub.connection._sock  # noqa: SLF001
        if found is self._socket:
            return
        self._unwatch()
        if found is not None:
            self._selector.register(found, selectors.EVENT_READ)
        self._socket = found

    def _unwatch(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._socket)

    def _lose(self, error: Exception) -> None:
        logger.debug("hearing nothing for a while: %s", error)
        self._failures += 1
        self._try_at = time.monotonic() + _RECONNECT.seconds(self._failures)
        self.close()

    def _worker(self, channel: Any) -> str:
        name = channel.decode() if isinstance(channel, bytes) else str(channel)
        return name.removeprefix(self._prefix)


def _object(data: Any) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
