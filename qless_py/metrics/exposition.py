"""The response to a scrape: text in the format that the monitor accepts."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import exposition

from qless_py.client.client import Client
from qless_py.metrics import snapshot
from qless_py.metrics.cached import Cached
from qless_py.metrics.collector import StoreCollector
from qless_py.metrics.snapshot import Limits, Snapshot

OPEN_METRICS: Final = "application/openmetrics-text"

Body = tuple[bytes, str]


class Scrapes:
    """The snapshot that all monitors of a client share, and its text, rendered once per format."""

    def __init__(self, client: Client) -> None:
        patient = client.with_patience(0)
        self._snapshots = Cached(lambda: snapshot.read(patient), snapshot.down)
        self._lock = threading.Lock()
        self._bodies: dict[tuple[Limits, bool], Body] = {}
        self._rendered: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """Return a snapshot of the last second."""
        return self._snapshots.get()

    def body(self, limits: Limits, accept: str) -> Body:
        """Return the text of the snapshot and its content type."""
        found = self.snapshot()
        key = (limits, accepts_open_metrics(accept))
        with self._lock:
            if self._rendered is not found:
                self._bodies, self._rendered = {}, found
            if key not in self._bodies:
                self._bodies[key] = render(StoreCollector(found, limits), accept)
            return self._bodies[key]


_scrapes: weakref.WeakKeyDictionary[Client, Scrapes] = weakref.WeakKeyDictionary()
_scrapes_lock: Final = threading.Lock()


def scrapes_of(client: Client) -> Scrapes:
    """Return the cached exposition that all endpoints of this process share for a client."""
    with _scrapes_lock:
        found = _scrapes.get(client)
        if found is None:
            found = _scrapes[client] = Scrapes(client)
        return found


def expose(client: Client, accept: str = "", limits: Limits | None = None) -> Body:
    """Return the metrics of the store and their content type.

    `accept` is the header of the request: OpenMetrics if it asks for that, else the text format
    0.0.4. A reading is reused for a second. An unavailable store raises nothing: `qless_up`
    is 0.
    """
    return scrapes_of(client).body(limits or Limits(), accept)


def accepts_open_metrics(accept: str) -> bool:
    """Return whether an Accept header asks for OpenMetrics."""
    for given in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in given.split(";"))
        if kind == OPEN_METRICS and "q=0" not in parameters:
            return True
    return False


def render(collector: Any, accept: str) -> Body:
    """Return the metrics of a collector and their content type.

    The library sees no part of the header: a version that it does not know would raise.
    """
    chosen = OPEN_METRICS if accepts_open_metrics(accept) else ""
    encode: Callable[[Any], bytes]
    encode, content_type = exposition.choose_encoder(chosen)
    return encode(collector), content_type
