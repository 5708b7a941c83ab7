"""Calls that the tests of both runners share."""

from __future__ import annotations

import redis

from qless_py import protocol
from qless_py.protocol import Call, puts, queues
from qless_py.protocol.puts import PutReply
from qless_py.protocol.queues import PopReply
from qless_py.store.resend import ResendPolicy

QUICK = ResendPolicy(limit=60.0, first_pause=0.005, longest_pause=0.05)
SHORT = ResendPolicy(limit=0.3, first_pause=0.005, longest_pause=0.05)


def put(jid: str) -> Call[PutReply]:
    """Put a job that must be new: a second effect would be refused and so be seen."""
    return puts.put_encoded("queue", jid, "Klass", b"{}", {"on_conflict": "raise"})


def plain_put(jid: str, klass: str = "Klass") -> Call[PutReply]:
    """Put a job without options."""
    return puts.put_encoded("queue", jid, klass, b"{}", {})


def pop(count: int = 1) -> Call[PopReply]:
    return queues.pop_records(["queue"], "worker", count)


def length() -> Call[int]:
    return protocol.queues.length("queue")


def request_series(connection: redis.Redis) -> set[bytes]:
    """Return the series of request ids whose replies the server remembers."""
    return {bytes(key).split(b":")[2] for key in connection.scan_iter("{ql}:request:*")}
