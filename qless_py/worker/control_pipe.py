"""Messages from the supervisor to a child, over a pipe that ends when the supervisor dies.

A child does not act on signals alone: a terminal or an init system sends them to the whole process
group, and then the supervisor decides what each child does. It writes a message into the pipe
first, and interrupts the child by a signal where a running handler must notice.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from qless_py.store.dedicated import readable

# After a live restart the children of the old program read these: their values never change.
STOP: Final = b"S"  # fetch no more jobs, and exit when the running ones have ended
RELEASE: Final = b"R"  # release the running jobs, and exit
LOST: Final = b"L"  # this lease is lost
RELEASED: Final = b"G"  # the job under this lease was released, unless it has started
LIMIT: Final = b"T"  # the job under this lease is over its hard limit
KILL: Final = b"K"  # kill the process of the job under this lease, or of all jobs without a lease
QUIET: Final = b"Q"  # fetch no more jobs until RESUME
RESUME: Final = b"C"  # fetch jobs again
FLUSH: Final = b"F"  # send the results that are kept back
PING: Final = b"B"  # answer, to show that this process still executes its code
AHEAD: Final = b"U"  # the jobs of the fetch whose reply was not read were released
REPEAT: Final = b"A"  # repeat the interrupts that were sent before
_CHUNK: Final = 65536


@dataclass(slots=True)
class ControlPipe:
    """The child's end: the messages that were received so far.

    Reading is safe in a signal handler that interrupts another read: the kernel hands each message
    to one of the two, and neither depends on which came first.
    """

    pipe: int
    stop: bool = False
    release: bool = False
    orphaned: bool = False
    quiet: bool = False
    flush: bool = False
    repeat: bool = False
    ahead_released: bool = False
    has_news: bool = False  # a message was read since the main loop last looked
    lost: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    over_limit: set[str] = field(default_factory=set)
    kill: set[str] = field(default_factory=set)
    on_ping: Callable[[], object] | None = None
    # Reentrant, for a signal handler that interrupts another read.
    lock: threading.RLock = field(default_factory=threading.RLock)

    def has_unread(self) -> bool:
        """Return whether messages have arrived that were not read; for any thread."""
        with self.lock:
            return bool(readable(0, self.pipe))

    def read(self) -> None:
        """Read the messages that have arrived, without blocking."""
        with self.lock:
            self._read()

    def _read(self) -> None:
        while not self.orphaned:
            try:
                chunk = os.read(self.pipe, _CHUNK)
            except BlockingIOError:
                return
            except InterruptedError:
                continue
            if not chunk:
                self.orphaned = self.stop = True
            self._parse(chunk)

    def wait(self, seconds: float, *more: int) -> list[int]:
        """Wait for a message or until one of `more` descriptors is readable; return the latter."""
        if self.orphaned:
            return []
        ready = readable(seconds, self.pipe, *more)
        if self.pipe in ready:
            self.read()
        return [descriptor for descriptor in ready if descriptor != self.pipe]

    def is_revoked(self, lease: str) -> bool:
        """Return whether a job that has not started must not start any more."""
        return lease in self.lost or lease in self.released

    def forget(self, lease: str) -> None:
        """Drop the messages about a job that has ended."""
        if self.lost or self.released or self.over_limit or self.kill:
            for leases in (self.lost, self.released, self.over_limit, self.kill):
                leases.discard(lease)

    def _parse(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            message, size = chunk[at : at + 1], chunk[at + 1]
            lease = chunk[at + 2 : at + 2 + size].decode()
            at += 2 + size
            self._receive(message, lease)

    def _receive(self, message: bytes, lease: str) -> None:
        self.has_news = self.has_news or message != PING
        match message:
            case b"L" | b"G" | b"T" | b"K":
                leases = {
                    LOST: self.lost,
                    RELEASED: self.released,
                    LIMIT: self.over_limit,
                    KILL: self.kill,
                }
                leases[message].add(lease)
            case b"Q":
                self.quiet = True
            case b"C":
                self.quiet = False
            case b"F":
                self.flush = True
            case b"A":
                self.repeat = True
            case b"U":
                self.ahead_released = True
            case b"B":
                if self.on_ping is not None:
                    self.on_ping()
            case _:
                self.stop = True
                self.release = self.release or message == RELEASE


def send(pipe: int, message: bytes, lease: str = "") -> bool:
    """Write one message to a child; return False if it no longer reads, or is gone."""
    encoded = lease.encode()
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        # Far below PIPE_BUF, so the message arrives as a whole or not at all.
        os.write(pipe, message + bytes([len(encoded)]) + encoded)
        return True
    return False
