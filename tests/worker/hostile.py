"""Handlers that count what they do, and handlers that do what no handler should."""

from __future__ import annotations

import os
import threading

from qless_py import Job


def counted(job: Job) -> str:
    """Leave a line in a file, after a little while."""
    threading.Event().wait(job["seconds"])
    note(job)
    return job.jid


def note(job: Job) -> None:
    book = os.open(job["book"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(book, f"{job.jid}\n".encode())
    os.close(book)
