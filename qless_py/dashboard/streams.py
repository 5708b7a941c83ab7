"""The live stream: one snapshot for all readers, each of which costs a thread of the server.

WHATWG HTML, Server-sent events. A server that can serve one request at a time would be taken by
its first reader, so it refuses streams, and pages poll instead.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from flask import request
from redis.exceptions import RedisError
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard.auth.guard import Refusal
from qless_py.errors import QlessError

if TYPE_CHECKING:
    from qless_py.dashboard.context import Dashboard

LIFE: Final = 300.0  # Some servers do not notice a reader who left; then this ends the stream.
BEAT: Final = 2.0  # A server notices that a reader has left when it writes to them, not before.
LEAST: Final = 0.25  # Seconds between two messages: nobody reads more than a few a second.
_RETRY: Final = 3000


class Seats:
    """How many streams a process may serve, and how many it does."""

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    def take(self) -> bool:
        """Take a seat, if one is free."""
        return self._free.acquire(blocking=False)

    def leave(self) -> None:
        """Give it back."""
        self._free.release()


def open_stream(board: Dashboard) -> Answer:
    """Answer with a stream of snapshots; refuses when there is no thread to spare."""
    if not request.environ.get("wsgi.multithread"):
        raise Refusal(503, "no-stream", "this server has one thread: poll instead")
    if not board.seats.take():
        raise Refusal(503, "no-stream", "all streams are taken: poll instead")
    answer = Answer(_Stream(board), mimetype="text/event-stream")
    answer.headers["X-Accel-Buffering"] = "no"
    return answer


class _Stream:
    """The events of one reader. Closed by the server when the reader leaves."""

    def __init__(self, board: Dashboard) -> None:
        self._board = board
        self._is_open = True
        self._events = self._write()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._events)

    def close(self) -> None:
        """Give the seat back, once."""
        if self._is_open:
            self._is_open = False
            self._board.seats.leave()

    def _write(self) -> Iterator[bytes]:
        ends = time.monotonic() + LIFE
        told: dict[str, Any] = {}
        beat = time.monotonic()
        yield f"retry: {_RETRY}\n\n".encode()
        while time.monotonic() < ends and self._is_open:
            try:
                taken = self._board.snapshots.get().as_json()
                at = taken.pop("at")
                if taken != told:
                    text = json.dumps(_news(told, taken), separators=(",", ":"))
                    told, beat = taken, time.monotonic()
                    yield f"id: {at:.3f}\nevent: snapshot\ndata: {text}\n\n".encode()
            except (RedisError, QlessError) as error:
                told, beat = {}, time.monotonic()
                line = json.dumps({"detail": " ".join(str(error).split())})
                yield f"event: away\ndata: {line}\n\n".encode()
            if time.monotonic() - beat > BEAT:
                beat = time.monotonic()
                yield b": here\n\n"
            self._board.pause.wait(max(self._board.config.refresh, LEAST))
        self.close()


def _news(told: dict[str, Any], taken: dict[str, Any]) -> dict[str, Any]:
    """Leave out the queues of which the reader knows all; those that are gone are null.

    Of 200 queues that would be 40 kilobytes a second, for a telephone that is awake all night.
    """
    news = dict(taken)
    for part in ("queues", "heads"):
        before, after = told.get(part, {}), taken[part]
        gone = dict.fromkeys(name for name in before if name not in after)
        changed = {k: v for k, v in after.items() if k not in before or before[k] != v}
        news[part] = {**gone, **changed}
    return news
