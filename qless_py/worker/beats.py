"""What a parent says of each of its workers with every beat."""

from __future__ import annotations

import json
import os
import time

import qless_py
from qless_py.worker.member import Member
from qless_py.worker.options import WorkerOptions
from qless_py.worker.recycling import memory


def info(options: WorkerOptions, member: Member, state: str) -> bytes:
    """Describe a child: where it is, what it may do, how busy it is. Memory is bytes."""
    note = member.board.read()
    if member.is_retired:
        state = "stopping"
    elif member.is_quiet:
        state = "quiet"
    told = {
        "host": options.host,
        "pid": member.pid,
        "parent": os.getpid(),
        "version": qless_py.__version__,
        "queues": list(options.queues),
        "slots": options.concurrency,
        "busy": len(note.running),
        "jobs": member.board.ended,
        "rss": memory(member.pid),
        "state": state,
        "started_at": round(time.time() - (time.monotonic() - member.forked_at), 3),
    }
    return json.dumps(told, separators=(",", ":")).encode()
