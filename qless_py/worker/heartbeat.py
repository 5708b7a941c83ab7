"""What a parent says of its workers: with every beat, and to whoever asks its probe."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

from qless_py import package
from qless_py.worker.child_process import Member
from qless_py.worker.options import WorkerOptions
from qless_py.worker.process_table import Family
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
        "version": package.__version__,
        "queues": list(options.queues),
        "slots": options.concurrency,
        "busy": len(note.running),
        "jobs": member.board.ended,
        "rss": memory(member.pid),
        "state": state,
        "started_at": round(time.time() - (time.monotonic() - member.forked_at), 3),
    }
    return json.dumps(told, separators=(",", ":")).encode()


def state(family: Family, told: Mapping[str, bool]) -> dict[str, object]:
    """Say for a probe how the whole worker is, beside what is told of it."""
    is_able = told["store"] and not told["stopping"] and not told["quiet"]
    return {
        "ready": is_able and not family.missing,
        **told,
        "children": len(family),
        "wanted": len(family.places),
        "busy": sum(len(member.board.read().running) for member in family),
        "pid": os.getpid(),
    }
