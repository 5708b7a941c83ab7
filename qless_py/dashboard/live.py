"""Live numbers: one snapshot of the namespace for all viewers of a process, polled or streamed."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from flask import request
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as StoreTimeoutError
from werkzeug.wrappers import Response

from qless_py.auth.guard import RequestRejected
from qless_py.client.client import Client
from qless_py.errors import QlessError
from qless_py.overview.snapshot import Snapshot, read_snapshot
from qless_py.overview.tiles import Point, point

# Seconds. Some servers never notice that a viewer has left: then the stream ends after this time.
_MAX_STREAM_AGE: Final = 300.0
# Seconds between writes at most. A page whose numbers are not confirmed for three seconds shows
# their age, and a server notices that a viewer has left only when it writes.
_KEEPALIVE: Final = 1.0
_MAX_AGE: Final = 2.0  # Seconds: while the store is read, viewers get no older snapshot.
_SHORT_WAIT: Final = 0.25  # Seconds that a viewer waits for numbers newer than the previous ones.
_MIN_INTERVAL: Final = 0.25  # Seconds between two messages: nobody reads more than a few a second.
_RECONNECT_MS: Final = 3000
_COURSE: Final = 3600.0  # Seconds.
_POINT_EVERY: Final = 15.0  # Seconds.
_MAX_POINTS: Final = int(_COURSE / _POINT_EVERY)


class _Reading:
    """One read of the store in a thread of its own, for all viewers that wait for it."""

    def __init__(self, read: Callable[[], Snapshot]) -> None:
        self._read = read
        self._is_done = threading.Event()
        self._snapshot: Snapshot | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="qless-py-snapshot", daemon=True).start()

    @property
    def is_done(self) -> bool:
        return self._is_done.is_set()

    def _run(self) -> None:
        try:
            self._snapshot = self._read()
        except Exception as error:  # noqa: BLE001 - raised again in the threads that wait
            self._error = error
        finally:
            self._is_done.set()

    def wait(self, seconds: float) -> Snapshot:
        """Return the snapshot; raises what reading raised, or `TimeoutError` of redis-py."""
        if not self._is_done.wait(seconds):
            raise StoreTimeoutError(f"no answer for {seconds:g} s")
        if self._error is not None:
            raise self._error
        return cast("Snapshot", self._snapshot)


class SnapshotCache:
    """Reads the store at most every `refresh` seconds for any number of viewers.

    The viewer that starts to read waits for it. Others wait a moment and then get the previous
    snapshot, but none that is too old: if the store does not respond they get an error, never old
    numbers.
    Nothing is written to the store.
    """

    def __init__(self, client: Client, refresh: float, patience: float = 3.0) -> None:
        self._client = client
        self._refresh = refresh
        self._patience = patience
        self._lock = threading.Lock()
        self._reading: _Reading | None = None
        self._last: Snapshot | None = None
        self._read_at = 0.0
        self._points: deque[Point] = deque(maxlen=_MAX_POINTS)

    @property
    def points(self) -> list[Point]:
        """Counts of the last hour that the store does not keep, as far as this process saw them."""
        with self._lock:
            newest = self._points[-1].at if self._points else 0.0
            return [one for one in self._points if newest - one.at < _COURSE]

    def get(self) -> Snapshot:
        """Return a snapshot of the last `refresh` seconds; a slightly older one while it is read.

        Raises the error of the store, or `TimeoutError` of redis-py if it does not respond.
        """
        with self._lock:
            age = math.inf if self._last is None else time.monotonic() - self._read_at
            if self._last is not None and age < self._refresh:
                return self._last
            is_being_read = self._reading is not None and not self._reading.is_done
            is_fresh = age < max(_MAX_AGE, self._refresh * 2)
            previous = self._last if is_being_read and is_fresh else None
            if self._reading is None or not is_being_read:
                self._reading = _Reading(self._read_and_keep)
            reading = self._reading
        if previous is None:
            return reading.wait(self._patience)
        try:
            # A page that is loaded right after a change should show it.
            return reading.wait(_SHORT_WAIT)
        except StoreTimeoutError:
            return previous

    def last(self) -> tuple[Snapshot, float] | None:
        """Return the last snapshot, however old, and its age in seconds; None without any."""
        with self._lock:
            return None if self._last is None else (self._last, time.monotonic() - self._read_at)

    def recent(self) -> Snapshot | None:
        """Return the last snapshot without reading, None if there is none of the last seconds."""
        with self._lock:
            age = time.monotonic() - self._read_at
            is_fresh = age < max(_MAX_AGE, self._refresh * 2)
            return self._last if is_fresh else None

    def _read_and_keep(self) -> Snapshot:
        begun = time.monotonic()
        snapshot = read_snapshot(self._client)
        with self._lock:
            self._last, self._read_at = snapshot, begun
            if not self._points or abs(snapshot.at - self._points[-1].at) >= _POINT_EVERY:
                self._points.append(point(snapshot))
        return snapshot


class LiveStreams:
    """Streams snapshots as server-sent events (WHATWG HTML) to at most `limit` viewers at a time.

    Each stream occupies a thread of the server. A server with a single thread would be blocked by
    its first viewer, so there streams are rejected and pages poll instead.
    """

    def __init__(self, snapshots: SnapshotCache, limit: int, refresh: float) -> None:
        self.snapshots = snapshots
        self.interval = max(refresh, _MIN_INTERVAL)
        self.wait_event = threading.Event()  # Never set: a wait that tests can replace.
        self._free = threading.Semaphore(limit)

    def open(self) -> Response:
        """Return a stream as the response; raises `RequestRejected` if no thread is to spare."""
        if not request.environ.get("wsgi.multithread"):
            raise RequestRejected(503, "no-stream", "this server has one thread: poll instead")
        if not self._free.acquire(blocking=False):
            raise RequestRejected(503, "no-stream", "too many open streams: poll instead")
        response = Response(_Stream(self), mimetype="text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"
        return response

    def release(self) -> None:
        """Free the slot of a stream for another viewer."""
        self._free.release()


class _Stream:
    """The events sent to one viewer. The server closes it when the viewer leaves."""

    def __init__(self, streams: LiveStreams) -> None:
        self._streams = streams
        self._is_open = True
        self._events = self._generate()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._events)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._streams.release()

    def _generate(self) -> Iterator[bytes]:
        ends = time.monotonic() + _MAX_STREAM_AGE
        sent: dict[str, Any] = {}
        written_at = time.monotonic()
        yield f"retry: {_RECONNECT_MS}\n\n".encode()
        while time.monotonic() < ends and self._is_open:
            try:
                current = self._streams.snapshots.get().as_json()
                at = current.pop("at")
                if current != sent:
                    text = json.dumps(_changes(sent, current), separators=(",", ":"))
                    sent, written_at = current, time.monotonic()
                    yield f"id: {at:.3f}\nevent: snapshot\ndata: {text}\n\n".encode()
                elif time.monotonic() - written_at >= _KEEPALIVE:
                    written_at = time.monotonic()
                    yield b"event: unchanged\ndata: {}\n\n"
            except (RedisError, QlessError) as error:
                sent, written_at = {}, time.monotonic()
                line = json.dumps({"detail": " ".join(str(error).split())})
                yield f"event: away\ndata: {line}\n\n".encode()
            self._streams.wait_event.wait(self._streams.interval)
        self.close()


def _changes(sent: dict[str, Any], current: dict[str, Any]) -> dict[str, Any]:
    """Leave out queues that have not changed; removed queues become null.

    All of 200 queues would be 40 KB a second, too much for a page that stays open on a phone.
    """
    changes = dict(current)
    for part in ("queues", "heads"):
        before, after = sent.get(part, {}), current[part]
        removed = dict.fromkeys(name for name in before if name not in after)
        changed = {k: v for k, v in after.items() if k not in before or before[k] != v}
        changes[part] = {**removed, **changed}
    return changes
