"""One reader of the event stream for all streams of this process.

A thread reads new events and hands them to a bounded queue for each stream. A stream that begins in
the past, or is too slow for its queue, reads from the store itself until it has caught up, so it
misses nothing that the store still keeps; what the store no longer keeps is a `Gap`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Hashable, Iterator
from typing import Final

from redis.exceptions import RedisError

from qless_py.client.client import Client
from qless_py.errors import QlessError
from qless_py.protocol import events
from qless_py.protocol.events import EventsRead, Gap

logger = logging.getLogger(__name__)

QUEUED: Final = 1000  # Events that wait for one stream.
_PAGE: Final = 500
_TURN: Final = 2.0  # Seconds of one wait of the reader.
_PAUSE: Final = 1.0  # Seconds after the store did not respond.
# Events gather for this many seconds per stream, within a limit, before they are read and sent
# together: what a stream costs is per turn, not per event.
_GATHER: Final = 0.005
_LONGEST_GATHER: Final = 0.25


class EventSubscription:
    """The events behind a position, in their order; used by one thread."""

    def __init__(self, fanout: EventFanout, after: str) -> None:
        self._fanout = fanout
        self._after = after
        self._live: queue.SimpleQueue[EventsRead] = queue.SimpleQueue()
        self._waiting = 0  # Events in that queue, whose pages come from another thread.
        self._lock = threading.Lock()
        self.is_live = False
        self._is_ended = threading.Event()

    @property
    def position(self) -> str:
        """The id behind which the next event comes."""
        return self._after

    def take(self, timeout: float) -> EventsRead:
        """Return the next events, or none after `timeout` seconds.

        Streams that are up to date get the same page, the same object. Raises
        `EventStreamOffError` if the stream is off, and an error of redis-py while the store does
        not respond to a stream that is catching up.
        """
        page = self._take_live(timeout) if self.is_live else self._catch_up()
        if page:
            self._after = page[-1].id
        return page

    def offer(self, page: EventsRead) -> bool:
        """Hand over new events; return whether this stream is fast enough."""
        with self._lock:
            if self._waiting + len(page) > QUEUED:
                return False
            self._waiting += len(page)
        self._live.put(page)
        return True

    def end(self) -> None:
        """Make the stream read from the store again: it was too slow, or the reader ends."""
        self._is_ended.set()
        self._live.put(())  # Wakes it.

    def _take_live(self, timeout: float) -> EventsRead:
        page: EventsRead = ()
        if not self._is_ended.is_set():
            with contextlib.suppress(queue.Empty):
                page = self._live.get(timeout=timeout)
        with self._lock:
            self._waiting -= len(page)
        if self._is_ended.is_set() and not page:
            self._live = queue.SimpleQueue()
            self._waiting = 0
            self.is_live = False
            self._is_ended.clear()
        if not page or isinstance(page[0], Gap) or events.is_behind(page[0].id, self._after):
            return page
        # The first ones may have come while this stream was catching up.
        return tuple(one for one in page if events.is_behind(one.id, self._after))

    def _catch_up(self) -> EventsRead:
        page = self._fanout.client.events.read(self._after, limit=_PAGE)
        if not page.events:
            self._after = page.last
            self.is_live = self._fanout.join(self)
        return page.events


class EventFanout:
    """Reads new events as long as a stream wants them; at most `most` streams at once."""

    def __init__(self, client: Client, most: int) -> None:
        self.client = client
        self._most = most
        # What streams have in common: the text of a page for a filter, by whatever names both.
        self.texts: dict[Hashable, bytes] = {}
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._open: set[EventSubscription] = set()
        self._live: set[EventSubscription] = set()
        self._position = ""
        self._reader: threading.Thread | None = None

    @property
    def streams(self) -> int:
        """The number of open streams."""
        return len(self._open)

    @contextlib.contextmanager
    def subscribed(self, after: str) -> Iterator[EventSubscription]:
        """Yield a subscription that ends with the block; see `open` and `close`."""
        found = self.open(after)
        if found is None:
            raise QlessError("too many event streams")
        try:
            yield found
        finally:
            self.close(found)

    def open(self, after: str) -> EventSubscription | None:
        """Return a subscription, or None if there are too many."""
        with self._lock:
            if self._pid != os.getpid():  # A fork has neither the thread nor the streams.
                self._begin()
            if len(self._open) >= self._most:
                return None
            found = EventSubscription(self, after)
            self._open.add(found)
            return found

    def close(self, subscription: EventSubscription) -> None:
        """End a subscription; its place is free at once."""
        with self._lock:
            self._open.discard(subscription)
            self._live.discard(subscription)

    def join(self, subscription: EventSubscription) -> bool:
        """Hand new events to a subscription from now on, unless the reader is ahead of it."""
        with self._lock:
            if not self._live:
                self._position = subscription.position
            elif events.is_behind(self._position, subscription.position):
                return False
            self._live.add(subscription)
            if self._reader is None:
                self._reader = threading.Thread(
                    target=self._read, name="qless-event-streams", daemon=True
                )
                self._reader.start()
            return True

    def _read(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                if not self._live:
                    self._reader = None
                    return
                position = self._position
            try:
                page = self.client.events.read(position, limit=_PAGE, wait=_TURN)
            except QlessError as error:
                logger.warning("event streams end: %s", error)
                self._end_all()
                continue
            except (RedisError, OSError, ValueError) as error:  # ValueError: closed meanwhile
                logger.warning("cannot read events: %s", error)
                pause.wait(_PAUSE)
                continue
            self._hand_out(position, page)
            pause.wait(min(_LONGEST_GATHER, _GATHER * len(self._live)))

    def _hand_out(self, position: str, page: events.EventPage) -> None:
        with self._lock:
            if self._position != position:  # All streams have left, and another has come.
                return
            self._position = page.last
            for one in list(self._live):
                if page.events and not one.offer(page.events):
                    self._live.discard(one)
                    one.end()

    def _end_all(self) -> None:
        with self._lock:
            ended, self._live = self._live, set()
        for one in ended:
            one.end()
