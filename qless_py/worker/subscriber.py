"""A subscription to what the store publishes for the workers of a supervisor."""

from __future__ import annotations

import contextlib
import json
import logging
import selectors
import time
from collections.abc import Iterable
from typing import Any, Final

from qless_py.handlers.retry import Backoff
from qless_py.protocol.settings import channel_prefix
from qless_py.store.outage import UNAVAILABLE
from qless_py.store.runner import database_of

logger = logging.getLogger(__name__)

SUBSCRIBED: Final = "subscribed"  # The event that says that nothing is missed from now on.
_RECONNECT: Final = Backoff.exponential(0.2, most=5.0)


class Subscriber:
    """A subscription to the channels of the present workers, read in the supervisor's loop.

    Messages may be missed: lease renewals find out about lost leases too, and heartbeats about
    commands.
    """

    def __init__(self, namespace: str, selector: selectors.BaseSelector) -> None:
        self._namespace = namespace
        self._prefix = f"{channel_prefix(namespace, 0)}:worker:"
        self._selector = selector
        self._pubsub: Any = None
        self._socket: Any = None
        self._workers: set[str] = set()
        self._failures = 0
        self._retry_at = 0.0

    def subscribe(self, redis: Any, workers: Iterable[str]) -> None:
        """Subscribe to the channels of these workers and no others."""
        wanted = set(workers)
        if redis is None or wanted == self._workers or time.monotonic() < self._retry_at:
            return
        self._prefix = f"{channel_prefix(self._namespace, database_of(redis))}:worker:"
        try:
            self._update(redis, wanted)
        except UNAVAILABLE as error:
            self._disconnect(error)

    def read(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the messages since the last call, each with its worker.

        The first one of a worker, and again after a lost connection, has the event SUBSCRIBED.
        """
        messages: list[tuple[str, dict[str, Any]]] = []
        try:
            while self._pubsub is not None:
                message = self._pubsub.get_message(timeout=0)
                if message is None:
                    break
                if message["type"] == "message":
                    messages.append((self._worker(message["channel"]), _parse(message["data"])))
                elif message["type"] == "subscribe":
                    messages.append((self._worker(message["channel"]), {"event": SUBSCRIBED}))
            self._select_connection()
        except UNAVAILABLE as error:
            self._disconnect(error)
        return messages

    def close(self) -> None:
        """End the subscription."""
        self._unregister()
        pubsub, self._pubsub, self._socket = self._pubsub, None, None
        self._workers = set()
        if pubsub is not None:
            with contextlib.suppress(*UNAVAILABLE):
                pubsub.close()

    def close_inherited(self) -> None:
        """Forget, in a new child, the connection of the supervisor."""
        connection, self._socket, self._pubsub = self._socket, None, None
        if connection is not None:
            connection.close()

    def _update(self, redis: Any, wanted: set[str]) -> None:
        if self._pubsub is None:
            self._pubsub = redis.pubsub()
        added = [self._prefix + name for name in sorted(wanted - self._workers)]
        removed = [self._prefix + name for name in sorted(self._workers - wanted)]
        if added:
            self._pubsub.subscribe(*added)
        if removed:
            self._pubsub.unsubscribe(*removed)
        self._select_connection()
        self._workers = wanted
        self._failures = 0

    def _select_connection(self) -> None:
        """Add the connection to the selector; redis-py replaces a lost one by itself."""
        if self._pubsub is None:
            return
        # redis-py has no public way to select on a connection together with something else.
        connection = self._pubsub.connection._sock  # noqa: SLF001
        if connection is self._socket:
            return
        self._unregister()
        if connection is not None:
            self._selector.register(connection, selectors.EVENT_READ)
        self._socket = connection

    def _unregister(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._socket)

    def _disconnect(self, error: Exception) -> None:
        logger.debug("subscription lost: %s", error)
        self._failures += 1
        self._retry_at = time.monotonic() + _RECONNECT.seconds(self._failures)
        self.close()

    def _worker(self, channel: Any) -> str:
        name = channel.decode() if isinstance(channel, bytes) else str(channel)
        return name.removeprefix(self._prefix)


def _parse(data: Any) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
