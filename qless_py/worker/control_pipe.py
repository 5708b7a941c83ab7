"""What a parent announces to a child, over a pipe that also tells the child that its parent died.

A child does not obey signals by themselves: a terminal or an init system sends them to the whole
process group, and then the parent alone must decide. It writes the order into the pipe first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from qless_py.store.readable import readable

STOP: Final = b"S"  # take no more jobs, and leave when the running ones have ended
RELEASE: Final = b"R"  # hand the running ones back, and leave
LOST: Final = b"L"  # this lease is no longer ours
BACK: Final = b"G"  # unless it has begun, the job under this lease was given back
LIMIT: Final = b"T"  # the job under this lease is over its limit
KILL: Final = b"K"  # end the process of the job under this lease; of all jobs, if none is named
QUIET: Final = b"Q"  # take no more jobs until further notice
RESUME: Final = b"C"  # take jobs again
FLUSH: Final = b"F"  # send what was kept back
BEAT: Final = b"B"  # show that this process still runs its code
AGAIN: Final = b"A"  # interrupt once more whom an order is for
_CHUNK: Final = 65536


@dataclass(slots=True)
class Orders:
    """The child's end: what was announced so far.

    Reading is safe in a signal handler that interrupts another read: the kernel hands each order
    to one of the two, and neither depends on which came first.
    """

    pipe: int
    stop: bool = False
    release: bool = False
    orphaned: bool = False
    quiet: bool = False
    flush: bool = False
    again: bool = False
    fresh: bool = False  # something was read since somebody looked whether anything is to be done
    lost: set[str] = field(default_factory=set)
    back: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    kill: set[str] = field(default_factory=set)
    on_beat: Callable[[], object] | None = None

    def read(self) -> None:
        """Take in what has been announced since; returns at once."""
        while not self.orphaned:
            try:
                chunk = os.read(self.pipe, _CHUNK)
            except BlockingIOError:
                return
            except InterruptedError:
                continue
            if not chunk:
                self.orphaned = self.stop = True
            self._take(chunk)

    def wait(self, seconds: float, *more: int) -> list[int]:
        """Sleep until an order comes or one of `more` descriptors can be read; gives the latter."""
        if self.orphaned:
            return []
        ready = readable(seconds, self.pipe, *more)
        if self.pipe in ready:
            self.read()
        return [descriptor for descriptor in ready if descriptor != self.pipe]

    def is_gone(self, lease: str) -> bool:
        """Whether a job that was not begun must not be begun any more."""
        return lease in self.lost or lease in self.back

    def forget(self, lease: str) -> None:
        """Drop what was announced of a job that has ended."""
        for leases in (self.lost, self.back, self.over, self.kill):
            leases.discard(lease)

    def _take(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            order, size = chunk[at : at + 1], chunk[at + 1]
            word = chunk[at + 2 : at + 2 + size].decode()
            at += 2 + size
            self._note(order, word)

    def _note(self, order: bytes, word: str) -> None:
        self.fresh = self.fresh or order != BEAT
        match order:
            case b"L" | b"G" | b"T" | b"K":
                of = {LOST: self.lost, BACK: self.back, LIMIT: self.over, KILL: self.kill}
                of[order].add(word)
            case b"Q":
                self.quiet = True
            case b"C":
                self.quiet = False
            case b"F":
                self.flush = True
            case b"A":
                self.again = True
            case b"B":
                if self.on_beat is not None:
                    self.on_beat()
            case _:
                self.stop = True
                self.release = self.release or order == RELEASE


def announce(pipe: int, order: bytes, word: str = "") -> bool:
    """Write one order for a child; False when it reads no more, or is gone."""
    encoded = word.encode()
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        # Far below PIPE_BUF, so it arrives as a whole or not at all.
        os.write(pipe, order + bytes([len(encoded)]) + encoded)
        return True
    return False
