"""Shared memory in which a child records the jobs it holds, readable by its supervisor at any time.

Writing costs the child no system call, wakes nobody up, and survives a child that is killed in the
middle of a job. There are two pages: the child writes the one that is not in use and then flips a
single word, so a kill between two instructions leaves the previous record, never half of one. The
stage of each job of a page is a single byte beside it.

The memory has a descriptor, so a supervisor that replaces its own program finds it again. A child
of the old program continues to write to it: the layout never changes.
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
from typing import Any, Final, NamedTuple

import msgpack

MAX_JOBS: Final = 112  # Jobs on one page.
PAGE: Final = 56 * 1024  # Room for as many jobs with the longest names.
# The header before the pages holds words: state, jobs ended, pongs, and jobs by outcome, which a
# child of older code leaves at 0. A page begins with one byte for each job, its stage, and two
# doubles, when its handler was entered and its hard limit. Then follow the length of the packed
# jobs, in 4 bytes, and the packed jobs.
_HEADER: Final = 64
OUTCOMES: Final = ("completed", "failed", "retried", "other")
_FIRST_OUTCOME: Final = 3
_OUTCOME_WORDS: Final = {name: word for word, name in enumerate(OUTCOMES, _FIRST_OUTCOME)}
_STAGES: Final = MAX_JOBS
_TIMES: Final = 2 * 8 * MAX_JOBS
_PAGE_HEADER: Final = _STAGES + _TIMES
_PACKED_FIELDS: Final = 5  # Of a leased job, without its klass.
_KLASSES: Final = b"klass"  # In front of the klasses, which follow the jobs if there is room.
# State word: version, then 1 bit page, 3 bits activity, 3 bits unused, 1 bit fetching ahead.
_VERSION_SHIFT: Final = 8
_VERSION_MASK: Final = (1 << 55) - 1
SIZE: Final = _HEADER + 2 * PAGE


class Activity(enum.IntEnum):
    """What a child is doing."""

    STARTING = 0
    FETCHING = 1
    IDLE = 2
    HOLDING = 3


class Stage(enum.IntEnum):
    """How far a job has come in its child."""

    HELD = 0
    RUNNING = 1
    ACKNOWLEDGING = 2
    ENDED = 3


# As plain numbers, which are written to memory faster.
_HELD, _RUNNING, _ACKNOWLEDGING, _ENDED = (int(one) for one in Stage)


class LeasedJob(NamedTuple):
    """A job that a child fetched at `taken_at`, with a lease of `duration` seconds.

    `taken_at` is on the monotonic clock, which all processes of a machine share. `klass` is empty
    if the board had no room for it.
    """

    jid: str
    lease: str
    queue: str
    taken_at: float
    duration: float
    klass: str = ""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job whose handler is running; `hard_limit` is None while it is not known yet."""

    leased: LeasedJob
    started_at: float
    hard_limit: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """The content of a board: what the child does, and the jobs it holds, each with its stage.

    `is_ahead` says that there may be jobs in a reply of the store that the child has not read.
    """

    version: int
    activity: Activity
    held: tuple[LeasedJob, ...] = ()
    stages: tuple[Stage, ...] = ()
    times: tuple[tuple[float, float], ...] = ()
    is_ahead: bool = False

    @property
    def running(self) -> tuple[RunningJob, ...]:
        """The jobs whose handlers are running and have no result yet."""
        return tuple(
            RunningJob(one, started_at, hard_limit or None)
            for one, stage, (started_at, hard_limit) in zip(
                self.held, self.stages, self.times, strict=True
            )
            if stage is Stage.RUNNING
        )

    @property
    def not_started(self) -> tuple[LeasedJob, ...]:
        """The jobs whose handlers were not entered yet."""
        return self._at(Stage.HELD)

    @property
    def acknowledging(self) -> tuple[LeasedJob, ...]:
        """The jobs that have a result which the store has not acknowledged yet."""
        return self._at(Stage.ACKNOWLEDGING)

    @property
    def is_idle(self) -> bool:
        """Whether the store had no job to give and none is held."""
        return self.activity is Activity.IDLE and not self.held

    def _at(self, stage: Stage) -> tuple[LeasedJob, ...]:
        return tuple(one for one, at in zip(self.held, self.stages, strict=True) if at is stage)


class StatusBoard:
    """The board of one child, made before the fork: the child writes, the supervisor reads.

    With a `descriptor` it is that memory: of a file, or left open by the previous program.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _allocate(SIZE) if descriptor is None else descriptor
        try:
            self._memory = mmap.mmap(self.descriptor, SIZE)
        except BaseException:
            os.close(self.descriptor)
            raise
        self._view = memoryview(self._memory)
        # Reads and writes of one machine word are not torn, not even by a kill.
        self._words = self._view[:_HEADER].cast("Q")
        self._stages: list[memoryview] = []
        self._times: list[memoryview[float]] = []
        for page in range(2):
            begin = _HEADER + page * PAGE
            self._stages.append(self._view[begin : begin + _STAGES])
            self._times.append(self._view[begin + _STAGES : begin + _PAGE_HEADER].cast("d"))
        # Of the process that writes: its page, so that no mark has to look it up.
        self._page = self._words[0] >> 7 & 1

    def mark_fetching(self) -> None:
        """Record that the store is being asked for jobs and that none is held."""
        self._flip(Activity.FETCHING)

    def mark_idle(self) -> None:
        """Record that the store had no job to give and that none is held."""
        self._flip(Activity.IDLE)

    def mark_ahead(self, *, is_ahead: bool) -> None:
        """Record whether there is a fetch whose reply was not read; each call is a new version."""
        self._words[0] = self._words[0] & ~1 | is_ahead
        self._flip(Activity(self._words[0] >> 4 & 7))

    def hold(self, held: Sequence[LeasedJob], kept_slots: Sequence[int] = ()) -> None:
        """Record the jobs that are held from now on, each in the slot of its position.

        The first ones may have been held before, in `kept_slots`: they keep their stages and times.
        """
        packed = msgpack.packb([one[:_PACKED_FIELDS] for one in held])
        if len(held) > MAX_JOBS or len(packed) + 4 > PAGE - _PAGE_HEADER:
            raise ValueError(f"{len(held)} jobs do not fit on a status board")
        page = 1 - self._page
        begin = _HEADER + page * PAGE + _PAGE_HEADER
        self._view[begin : begin + 4] = len(packed).to_bytes(4, "big")
        self._view[begin + 4 : begin + 4 + len(packed)] = packed
        self._write_klasses(held, begin + 4 + len(packed), (page + 1) * PAGE + _HEADER)
        stages, old_stages = self._stages[page], self._stages[1 - page]
        times, old_times = self._times[page], self._times[1 - page]
        stages[:] = bytes(_STAGES)
        for slot, old in enumerate(kept_slots):
            stages[slot] = old_stages[old]
            times[2 * slot : 2 * slot + 2] = old_times[2 * old : 2 * old + 2]
        self._page = page
        self._flip(Activity.HOLDING)

    def _write_klasses(self, held: Sequence[LeasedJob], begin: int, end: int) -> None:
        """Write the klasses behind the jobs, where programs that do not know them never look."""
        packed = msgpack.packb([one.klass for one in held])
        room = end - begin - len(_KLASSES) - 2
        if len(packed) > room:
            packed = b""
        whole = _KLASSES + len(packed).to_bytes(2, "big") + packed
        self._view[begin : begin + len(whole)] = whole

    def mark_running(self, slot: int) -> None:
        """Record that the handler of the job in this slot is entered."""
        times = self._times[self._page]
        times[2 * slot], times[2 * slot + 1] = time.monotonic(), 0.0
        self._stages[self._page][slot] = _RUNNING

    def mark_waiting(self, slot: int) -> None:
        """Record that the handler of the job in this slot was not entered after all."""
        self._stages[self._page][slot] = _HELD

    def set_hard_limit(self, slot: int, seconds: float) -> None:
        """Record after how many seconds the job in this slot must have ended, or infinity."""
        self._times[self._page][2 * slot + 1] = seconds

    def mark_acknowledging(self, slot: int) -> None:
        """Record that the result of this job is known and on its way to the store."""
        self._stages[self._page][slot] = _ACKNOWLEDGING

    def mark_ended(self, slot: int) -> None:
        """Record that the child no longer holds this job."""
        self._stages[self._page][slot] = _ENDED
        self._words[1] += 1

    def count(self, outcome: str) -> None:
        """Count the end of a job by its outcome, one of `OUTCOMES`."""
        self._words[_OUTCOME_WORDS[outcome]] += 1

    @property
    def outcomes(self) -> dict[str, int]:
        """The jobs that ended in the child, by outcome."""
        return {name: self._words[word] for name, word in _OUTCOME_WORDS.items()}

    def pong(self) -> None:
        """Answer a PING of the supervisor."""
        self._words[2] += 1

    @property
    def ended(self) -> int:
        """The number of jobs that the child has held and no longer holds."""
        return self._words[1]

    @property
    def pongs(self) -> int:
        """The number of answers to a PING."""
        return self._words[2]

    def read(self) -> Status:
        """Return the present status without blocking; one overwritten meanwhile is read again."""
        while True:
            state = self._words[0]
            page = state >> 7 & 1
            begin = _HEADER + page * PAGE + _PAGE_HEADER
            size = int.from_bytes(self._view[begin : begin + 4], "big")
            size = min(size, PAGE - _PAGE_HEADER - 4)
            packed = bytes(self._view[begin + 4 : begin + 4 + size])
            rest = bytes(self._view[begin + 4 + size : _HEADER + (page + 1) * PAGE])
            stages, times = bytes(self._stages[page]), self._times[page].tolist()
            if self._words[0] != state:
                continue
            activity = Activity(state >> 4 & 7)
            rows: list[list[Any]] = []
            if activity is Activity.HOLDING:
                rows = msgpack.unpackb(packed)
            left = [slot for slot in range(len(rows)) if stages[slot] != Stage.ENDED]
            klasses = _klasses(rest, len(rows)) if left else []
            return Status(
                state >> _VERSION_SHIFT,
                activity,
                tuple(LeasedJob(*[*rows[slot], klasses[slot]]) for slot in left),
                tuple(Stage(stages[slot]) for slot in left),
                tuple((times[2 * slot], times[2 * slot + 1]) for slot in left),
                bool(state & 1),
            )

    def close(self) -> None:
        """Release the memory."""
        for times in self._times:
            times.release()
        for view in (*self._stages, self._words, self._view):
            view.release()
        self._memory.close()
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    def _flip(self, activity: Activity) -> None:
        """Make the page of the writer the one that is read, with a new version."""
        state = self._words[0]
        version = ((state >> _VERSION_SHIFT) + 1) & _VERSION_MASK
        self._words[0] = version << _VERSION_SHIFT | self._page << 7 | activity << 4 | state & 1


def _klasses(rest: bytes, count: int) -> list[str]:
    """Return the klasses of the jobs in front of these bytes, empty if they are not there."""
    at = len(_KLASSES)
    size = int.from_bytes(rest[at : at + 2], "big")
    if rest[:at] == _KLASSES and size:
        with contextlib.suppress(ValueError, msgpack.exceptions.UnpackException):
            found = msgpack.unpackb(rest[at + 2 : at + 2 + size])
            if isinstance(found, list) and len(found) == count:
                return [str(one) for one in found]
    return [""] * count


def _allocate(size: int) -> int:
    """Create a file without a name, which exists as long as a process has it open."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("qless-board")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, size)
    return descriptor
