"""Pops that wait for a job, as long as somebody still waits for the answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from qless_py.client import refill
from qless_py.client.client import Client
from qless_py.protocol import Call, JobRecord
from qless_py.protocol.queues import PopReply
from qless_py.store.dedicated import readable
from qless_py.store.wakeup import REPLY_MARGIN, WakeConnection

_LONGEST: Final = 2.0  # Seconds: a marker that another process took costs no more.


def pop(
    client: Client, make: Callable[[], Call[PopReply]], seconds: float, is_gone: Callable[[], bool]
) -> list[JobRecord]:
    """Pop by the calls that `make` makes; wait for the first job, unless the caller is gone.

    A caller that has left gets no job, which would only come back when its lease expires.
    """
    deadline = time.monotonic() + seconds
    connection = WakeConnection(client.redis.connection_pool)
    try:
        while True:
            reply = _pop(client, make())
            left = deadline - time.monotonic()
            if reply.jobs or left <= 0:
                return reply.jobs
            if not reply.more:
                _wait(connection, reply, left)
            if is_gone():
                return []
    finally:
        connection.release()


def _pop(client: Client, call: Call[PopReply]) -> PopReply:
    found: list[PopReply] = []

    def note(reply: PopReply) -> list[JobRecord]:
        client.settings.tick_requests.extend(reply.tick_requests)
        found.append(reply)
        return reply.jobs

    refill.pop(client, call.map(note))
    return found[-1]


def _wait(connection: WakeConnection, reply: PopReply, left: float) -> None:
    soon = _LONGEST if reply.next_in is None else reply.next_in / 1000
    span = min(left, _LONGEST, soon)

    def has_reply() -> bool:
        descriptor = connection.fileno()
        return descriptor is not None and bool(readable(span + REPLY_MARGIN, descriptor))

    connection.wait(reply.wake, span, has_reply)


def has_left(environ: Mapping[str, Any]) -> bool:
    """Return whether the client of a request has closed its connection, where this is known."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is None:
        return False
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
    except (BlockingIOError, InterruptedError):
        return False
    except (OSError, ValueError):  # ValueError: an encrypted socket cannot look ahead.
        return isinstance(connection, socket.socket) and connection.fileno() < 0
