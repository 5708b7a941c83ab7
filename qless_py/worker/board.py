"""Shared memory on which a child notes the jobs it holds, so that its parent knows at any moment.

A note costs the child no system call and wakes nobody, and it is still there when the child was
killed in the middle of a job. There are two pages; the child writes the one not in use, then turns
a single word, so a death between two instructions leaves the older note, never half of one.
"""

from __future__ import annotations

import enum
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgpack

PAGE: Final = 32 * 1024  # Room for 100 jobs with the longest names.
_WORDS: Final = 64  # Bytes in front of the pages: the state, then the number of jobs ended.
_STEP: Final = 20  # State: version, then 1 bit page, 3 bits activity, 16 bits position.
_MASK: Final = (1 << 43) - 1


class Activity(enum.IntEnum):
    """What a child is doing."""

    STARTING = 0
    ASKING = 1
    IDLE = 2
    HOLDING = 3
    RUNNING = 4
    SETTLING = 5


@dataclass(frozen=True, slots=True)
class Held:
    """A job that a child took: its lease, the lease's length, and when it was taken.

    Both are seconds; `since` is of the monotonic clock, which all processes of a machine share.
    """

    jid: str
    lease: str
    queue: str
    since: float
    length: float


@dataclass(frozen=True, slots=True)
class Note:
    """What a board says: jobs held and not yet ended, the first one being the current one."""

    version: int
    activity: Activity
    held: tuple[Held, ...] = ()

    @property
    def started(self) -> Held | None:
        """The job whose handler was entered and whose end is not yet known to be settled."""
        return self.held[0] if self.activity >= Activity.RUNNING and self.held else None

    @property
    def running(self) -> Held | None:
        """The job whose handler is being run and that has no verdict yet."""
        return self.held[0] if self.activity is Activity.RUNNING and self.held else None


class Board:
    """One child's board. Made before the fork; the child writes, the parent reads."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _WORDS + 2 * PAGE)
        self._view = memoryview(self._memory)
        # Stores of one machine word are not torn, neither by the reader nor by a kill.
        self._words = self._view[:_WORDS].cast("Q")

    def ask(self) -> None:
        """Note that nothing is held and the store is being asked for jobs."""
        self._turn(Activity.ASKING, 0)

    def idle(self) -> None:
        """Note that the store had nothing to give."""
        self._turn(Activity.IDLE, 0)

    def hold(self, held: Sequence[Held]) -> None:
        """Note the jobs of one batch, in the order in which they will run."""
        packed = msgpack.packb([[h.jid, h.lease, h.queue, h.since, h.length] for h in held])
        if len(packed) + 4 > PAGE:
            raise ValueError(f"a batch of {len(held)} jobs does not fit on a board")
        page = 1 - self._page(self._words[0])
        begin = _WORDS + page * PAGE
        self._view[begin : begin + 4] = len(packed).to_bytes(4, "big")
        self._view[begin + 4 : begin + 4 + len(packed)] = packed
        self._turn(Activity.HOLDING, 0, page)

    def start(self, position: int) -> None:
        """Note that the handler of the job at this position of the batch is entered."""
        self._turn(Activity.RUNNING, position)

    def settle(self, position: int) -> None:
        """Note that the verdict of this job is known and on its way to the store."""
        self._turn(Activity.SETTLING, position)

    def end(self, position: int) -> None:
        """Note that this job is off the child's hands; the rest of the batch is still held."""
        self._words[1] += 1
        self._turn(Activity.HOLDING, position + 1)

    @property
    def ended(self) -> int:
        """How many jobs the child has brought to an end."""
        return self._words[1]

    def read(self) -> Note:
        """Give the present note. Never blocks; a note overwritten while read is read again."""
        while True:
            state = self._words[0]
            packed = self._packed(self._page(state))
            if self._words[0] != state:
                continue
            activity = Activity(state >> 16 & 7)
            rows = msgpack.unpackb(packed) if activity >= Activity.HOLDING else []
            held = tuple(Held(*row) for row in rows[state & 0xFFFF :])
            return Note(state >> _STEP, activity, held)

    def close(self) -> None:
        """Give the memory back."""
        self._words.release()
        self._view.release()
        self._memory.close()

    def _packed(self, page: int) -> bytes:
        begin = _WORDS + page * PAGE
        size = min(int.from_bytes(self._view[begin : begin + 4], "big"), PAGE - 4)
        return bytes(self._view[begin + 4 : begin + 4 + size])

    def _turn(self, activity: Activity, position: int, page: int | None = None) -> None:
        state = self._words[0]
        side = self._page(state) if page is None else page
        version = ((state >> _STEP) + 1) & _MASK
        self._words[0] = version << _STEP | side << 19 | activity << 16 | position

    @staticmethod
    def _page(state: int) -> int:
        return state >> 19 & 1
