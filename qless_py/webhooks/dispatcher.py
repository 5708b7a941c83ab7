"""Put a delivery for each event of the stream and each webhook that wants it.

Any number of dispatchers may run. Each reads the events behind the position in the store and puts
their deliveries together with the new position in one atomic call, which puts nothing if another
dispatcher has moved the position meanwhile. So no event is lost or delivered by two jobs, whenever
a dispatcher is killed.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from redis.exceptions import RedisError

from qless_py.client.client import Client
from qless_py.errors import QlessError
from qless_py.protocol import events, webhooks
from qless_py.protocol.events import Gap
from qless_py.protocol.webhooks import Delivery, WebhookStatus

logger = logging.getLogger(__name__)

_LIMIT: Final = 500  # Events that are read at once.
_IDLE: Final = 2.0  # Seconds of one wait for the next event; a webhook may be added meanwhile.
_PAUSE: Final = 5.0  # Seconds after a failure.


class Dispatcher:
    """Puts deliveries in a thread of its own, from `start` to `stop`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def step(self) -> bool:
        """Dispatch some events; return whether there were any."""
        return self._dispatch(self._client.webhooks.status())

    def run(self) -> None:
        """Dispatch until `stop` is called."""
        while not self._is_over.is_set():
            try:
                status = self._client.webhooks.status()
                if not self._dispatch(status):
                    self._wait(status)
            except Exception as error:  # noqa: BLE001 - the thread must survive
                # At the end of the process, connections are closed under a call.
                if not self._is_over.is_set():
                    _log_failure(error)
                    self._is_over.wait(_PAUSE)

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self.run, name="qless-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread within two seconds; a call that was sent takes effect."""
        self._is_over.set()

    def _dispatch(self, status: WebhookStatus) -> bool:
        if not status.webhooks or not status.behind:
            return False
        position = status.position
        page = self._client.events.read(position, limit=_LIMIT)
        deliveries, to, lost = _plan(status, page.events)
        if to is None:
            return False
        self._client.run(webhooks.dispatch(position, to, lost, deliveries))
        return True

    def _wait(self, status: WebhookStatus) -> None:
        """Wait for an event behind the newest of the status; it may be there by now."""
        if not status.webhooks or status.behind:
            self._is_over.wait(_IDLE if not status.webhooks else 0.01)
            return
        self._client.runner.wait_for_event(status.newest, _IDLE)


def _log_failure(error: Exception) -> None:
    is_expected = isinstance(error, QlessError | RedisError | OSError)
    logger.error(
        "cannot dispatch events to webhooks: %s", error, exc_info=None if is_expected else error
    )


def _plan(
    status: WebhookStatus, found: events.EventsRead
) -> tuple[list[Delivery], str | None, str]:
    """Return the deliveries of one call, the event that it ends with, and what was missed."""
    deliveries: list[Delivery] = []
    to: str | None = None
    lost = ""
    for event in found:
        if isinstance(event, Gap):
            lost, to = str(event.lost or "?"), event.id
            continue
        wanted = [
            webhooks.delivery(one.id, event)
            for one in status.webhooks
            if one.is_enabled and events.is_behind(event.id, one.since) and one.wants(event)
        ]
        if len(deliveries) + len(wanted) > webhooks.PER_CALL:
            break
        deliveries += wanted
        to = event.id
    return deliveries, to, lost
