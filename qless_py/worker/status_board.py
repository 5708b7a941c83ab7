"""Shared memory on which a child notes the jobs it holds, so that its parent knows at any moment.

A note costs the child no system call and wakes nobody, and it is still there when the child was
killed in the middle of a job. There are two pages; the child writes the one not in use, then turns
a single word, so a death between two instructions leaves the older note, never half of one. How far
each job of a page has come stands in single bytes beside it.

The memory has a descriptor, so that a parent that replaces its own program finds it again.
"""

from __future__ import annotations

import contextlib
import enum
import mmap
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgpack

MOST: Final = 112  # Jobs on one page.
PAGE: Final = 56 * 1024  # Room for as many jobs with the longest names.
_WORDS: Final = 64  # Bytes in front of the pages: state, jobs ended, beats, memory in use.
_MARKS: Final = MOST  # Bytes at the head of a page: how far each job has come,
_TIMES: Final = 2 * 8 * MOST  # when its handler was entered, and its hard limit.
_HEAD: Final = _MARKS + _TIMES
_STEP: Final = 8  # State: version, then 1 bit page, 3 bits activity.
_MASK: Final = (1 << 55) - 1


class Activity(enum.IntEnum):
    """What a child is doing."""

    STARTING = 0
    ASKING = 1
    IDLE = 2
    HOLDING = 3


class Stage(enum.IntEnum):
    """How far a job has come in its child."""

    HELD = 0
    RUNNING = 1
    SETTLING = 2
    ENDED = 3


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
class Running:
    """A job whose handler is being run: since when, and its hard limit; `None` if not known yet."""

    held: Held
    since: float
    limit: float | None


@dataclass(frozen=True, slots=True)
class Note:
    """What a board says: what the child does, and the jobs it holds, each with its stage."""

    version: int
    activity: Activity
    held: tuple[Held, ...] = ()
    stages: tuple[Stage, ...] = ()
    times: tuple[tuple[float, float], ...] = ()

    @property
    def running(self) -> tuple[Running, ...]:
        """The jobs whose handlers are being run and that have no verdict yet."""
        return tuple(
            Running(one, since, limit or None)
            for one, at, (since, limit) in zip(self.held, self.stages, self.times, strict=True)
            if at is Stage.RUNNING
        )

    @property
    def waiting(self) -> tuple[Held, ...]:
        """The jobs whose handlers were not entered yet."""
        return self._at(Stage.HELD)

    @property
    def settling(self) -> tuple[Held, ...]:
        """The jobs whose verdicts the store has not yet been seen to take."""
        return self._at(Stage.SETTLING)

    @property
    def is_idle(self) -> bool:
        """Whether the store had nothing to give and nothing is held."""
        return self.activity is Activity.IDLE and not self.held

    def _at(self, stage: Stage) -> tuple[Held, ...]:
        return tuple(one for one, at in zip(self.held, self.stages, strict=True) if at is stage)


class Board:
    """One child's board. Made before the fork; the child writes, the parent reads.

    With a `descriptor` it is the memory that another program left open.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        size = _WORDS + 2 * PAGE
        self.descriptor = _memory(size) if descriptor is None else descriptor
        try:
            self._memory = mmap.mmap(self.descriptor, size)
        except BaseException:
            os.close(self.descriptor)
            raise
        self._view = memoryview(self._memory)
        # Stores of one machine word are not torn, neither by the reader nor by a kill.
        self._words = self._view[:_WORDS].cast("Q")
        self._marks: list[memoryview] = []
        self._times: list[memoryview[float]] = []
        for page in range(2):
            begin = _WORDS + page * PAGE
            self._marks.append(self._view[begin : begin + _MARKS])
            self._times.append(self._view[begin + _MARKS : begin + _HEAD].cast("d"))

    def ask(self) -> None:
        """Note that the store is being asked for jobs, and that no others are held."""
        self._turn(Activity.ASKING)

    def idle(self) -> None:
        """Note that the store had nothing to give, and that nothing is held."""
        self._turn(Activity.IDLE)

    def hold(self, held: Sequence[Held], before: Sequence[int] = ()) -> None:
        """Note the jobs that are held from now on, each at its row.

        The first ones may have been held before: `before` are the rows that they had.
        """
        packed = msgpack.packb([_row(one) for one in held])
        if len(held) > MOST or len(packed) + 4 > PAGE - _HEAD:
            raise ValueError(f"{len(held)} jobs do not fit on a board")
        page = 1 - self._page(self._words[0])
        begin = _WORDS + page * PAGE + _HEAD
        self._view[begin : begin + 4] = len(packed).to_bytes(4, "big")
        self._view[begin + 4 : begin + 4 + len(packed)] = packed
        self._marks[page][:] = bytes(_MARKS)
        for row, old in enumerate(before):
            self._marks[page][row] = self._marks[1 - page][old]
            self._times[page][2 * row : 2 * row + 2] = self._times[1 - page][2 * old : 2 * old + 2]
        self._turn(Activity.HOLDING, page)

    def start(self, row: int) -> None:
        """Note that the handler of the job at this row is entered."""
        page = self._words[0] >> 7 & 1
        times = self._times[page]
        times[2 * row], times[2 * row + 1] = time.monotonic(), 0.0
        self._marks[page][row] = 1

    def limit(self, row: int, seconds: float) -> None:
        """Note after how many seconds the job of this row must have ended; infinity is no limit."""
        self._times[self._words[0] >> 7 & 1][2 * row + 1] = seconds

    def settle(self, row: int) -> None:
        """Note that the verdict of this job is known and on its way to the store."""
        self._marks[self._words[0] >> 7 & 1][row] = 2

    def end(self, row: int) -> None:
        """Note that this job is off the child's hands."""
        self._marks[self._words[0] >> 7 & 1][row] = 3
        self._words[1] += 1

    def beat(self) -> None:
        """Answer a parent that asks whether this process still runs its code."""
        self._words[2] += 1

    @property
    def ended(self) -> int:
        """How many jobs the child has brought to an end."""
        return self._words[1]

    @property
    def beats(self) -> int:
        """How often the child has answered."""
        return self._words[2]

    def read(self) -> Note:
        """Give the present note. Never blocks; a note overwritten while read is read again."""
        while True:
            state = self._words[0]
            page = self._page(state)
            packed = self._packed(page)
            marks, times = bytes(self._marks[page]), self._times[page].tolist()
            if self._words[0] != state:
                continue
            activity = Activity(state >> 4 & 7)
            rows = msgpack.unpackb(packed) if activity is Activity.HOLDING else []
            left = [i for i in range(len(rows)) if marks[i] != Stage.ENDED]
            return Note(
                state >> _STEP,
                activity,
                tuple(Held(*rows[i]) for i in left),
                tuple(Stage(marks[i]) for i in left),
                tuple((times[2 * i], times[2 * i + 1]) for i in left),
            )

    def close(self) -> None:
        """Give the memory back."""
        for times in self._times:
            times.release()
        for view in (*self._marks, self._words, self._view):
            view.release()
        self._memory.close()
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    def _packed(self, page: int) -> bytes:
        begin = _WORDS + page * PAGE + _HEAD
        size = min(int.from_bytes(self._view[begin : begin + 4], "big"), PAGE - _HEAD - 4)
        return bytes(self._view[begin + 4 : begin + 4 + size])

    def _turn(self, activity: Activity, page: int | None = None) -> None:
        state = self._words[0]
        side = self._page(state) if page is None else page
        version = ((state >> _STEP) + 1) & _MASK
        self._words[0] = version << _STEP | side << 7 | activity << 4

    @staticmethod
    def _page(state: int) -> int:
        return state >> 7 & 1


def _row(one: Held) -> list[str | float]:
    return [one.jid, one.lease, one.queue, one.since, one.length]


def _memory(size: int) -> int:
    """Make a file that exists only while somebody has it open."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("qless-board")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, size)
    return descriptor
