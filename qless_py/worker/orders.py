"""What a parent announces to a child, over a pipe that also tells the child that its parent died.

A child does not obey signals by themselves: a terminal or an init system sends them to the whole
process group, and then the parent alone must decide. It writes the order into the pipe first.
"""

from __future__ import annotations

import contextlib
import os
import select
from dataclasses import dataclass, field
from typing import Final

STOP: Final = b"S"
RELEASE: Final = b"R"
LOST: Final = b"L"
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
    lost: set[str] = field(default_factory=set)

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
        ready, _, _ = select.select([self.pipe, *more], [], [], max(0.0, seconds))
        if self.pipe in ready:
            self.read()
        return [descriptor for descriptor in ready if descriptor != self.pipe]

    def _take(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            order, size = chunk[at : at + 1], chunk[at + 1]
            word = chunk[at + 2 : at + 2 + size].decode()
            at += 2 + size
            if order == LOST:
                self.lost.add(word)
            else:
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
