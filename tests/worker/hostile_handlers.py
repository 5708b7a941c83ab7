"""Handlers that count their runs, and handlers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from qless_py import Job, Retry
from tests.worker import handlers


def counted(job: Job) -> str:
    """Leave a line in a file, after a little while."""
    threading.Event().wait(job["seconds"])
    note(job)
    return job.jid


def note(job: Job) -> None:
    book = os.open(job["book"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(book, f"{job.jid}\n".encode())
    os.close(book)


def leaves_a_process(job: Job) -> int:
    """Fork a process that keeps open whatever it has, give its pid or die."""
    left = os.fork()
    if left == 0:
        while True:
            signal.pause()
    if job.data:
        os._exit(1)
    return left


async def forks_async(job: Job) -> tuple[int, int]:
    return handlers.forks(job)


class LeasedJob(io.StringIO):
    """A stream that another thread was writing at the fork: its lock is never released."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with self._lock:
            return super().write(text)

    def flush(self) -> None:
        with self._lock:
            super().flush()

    def hold(self) -> None:
        self._lock.acquire()


def forks_while_others_write(job: Job) -> tuple[int, int]:
    held = LeasedJob()
    held.hold()
    with contextlib.redirect_stderr(held):
        return handlers.forks(job)


class Surrounded:
    """Forks inside middleware, which is left once and not by the copy."""

    @staticmethod
    @contextlib.contextmanager
    def noted(job: Job) -> Iterator[None]:
        try:
            yield
        finally:
            note(job)

    middleware = (noted,)

    def perform(self, job: Job) -> tuple[int, int]:
        return handlers.forks(job)


async def ends_the_loop(_job: Job) -> None:
    async def exits() -> None:
        sys.exit(3)

    task = asyncio.create_task(exits())
    await asyncio.wait([task])


def misbehaves(job: Job) -> None:
    """Do what the data names."""
    DEEDS[job["deed"]](job)


def _raises(error: BaseException) -> Callable[[Job], None]:
    def deed(_job: Job) -> None:
        raise error

    return deed


def _closes_all(_job: Job) -> None:
    os.closerange(0, 1024)


def _ignores_signals(_job: Job) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGURG):
        with contextlib.suppress(ValueError):  # Another thread may not.
            signal.signal(number, signal.SIG_DFL)


def _prints(_job: Job) -> None:
    for _ in range(50):
        sys.stdout.write("x" * 100_000)
        sys.stderr.write("y" * 100_000)


def _walks(job: Job) -> None:
    os.chdir("/")
    Path(str(job.sandbox), "left").touch()


DEEDS: dict[str, Callable[[Job], object]] = {
    "BaseException": _raises(BaseException("of all")),
    "KeyboardInterrupt": _raises(KeyboardInterrupt()),
    "GeneratorExit": _raises(GeneratorExit()),
    "MemoryError": _raises(MemoryError()),
    "SystemExit": lambda _job: sys.exit(),
    "closes": _closes_all,
    "exits": lambda _job: os._exit(0),
    "aborts": lambda _job: os.abort(),
    "signals": _ignores_signals,
    "walks": _walks,
    "timeout": lambda _job: socket.setdefaulttimeout(0.001),
    "prints": _prints,
}
HARMLESS = ("signals", "walks", "timeout", "prints")
FATAL = ("closes", "exits", "aborts")
RAISING = tuple(one for one in DEEDS if one not in (*HARMLESS, *FATAL))


async def misbehaves_async(job: Job) -> None:
    """The same in an event loop."""
    misbehaves(job)


def naps(_job: Job) -> None:
    threading.Event().wait(0.5)


def breeds(job: Job) -> None:
    """Put two more, each of them two more, and be run once more in between."""
    if job.retries_left == job.original_retries:
        job.retry()
    elif job["depth"] > 0:
        for _ in range(2):
            job.put("work", breeds, {"depth": job["depth"] - 1})


def retries_later(_job: Job) -> None:
    raise Retry(3600)
