"""The children of one parent: born, replaced, buried."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from qless_py.handlers.retry import Backoff
from qless_py.worker import control_pipe as orders
from qless_py.worker.child_process import Birth, Member, fork
from qless_py.worker.options import WorkerOptions
from qless_py.worker.shutdown import OBEY
from qless_py.worker.status_board import Activity, Note

logger = logging.getLogger(__name__)

# A child that died younger than this, and not of a job, makes the next fork wait.
_YOUNG: Final = 1.0
_RESTART: Final = Backoff.exponential(first=0.1, most=10.0)


@dataclass(frozen=True, slots=True)
class Grave:
    """A child that has ended: how, and what its board said."""

    member: Member
    cause: str
    note: Note


class Family:
    """Keeps as many children as wanted. A retired one finishes beside the one that replaces it.

    `known` are the names under which the store knows children of this parent.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._members: dict[int, Member] = {}
        self._dismissed: set[int] = set()
        self.known: set[str] = set()
        self._failed_starts = 0
        self._fork_after = 0.0

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    @property
    def pids(self) -> set[int]:
        """The processes."""
        return set(self._members)

    @property
    def places(self) -> set[int]:
        """The indexes that are to be filled."""
        return set(range(self._options.children)) - self._dismissed

    @property
    def missing(self) -> list[int]:
        """The indexes that nobody fills."""
        filled = {one.index for one in self if not one.is_retired}
        return sorted(self.places - filled)

    def pause(self, now: float) -> float:
        """Give the seconds until a child may be born."""
        return max(0.0, self._fork_after - now) if self.missing else float("inf")

    def patience(self, now: float) -> float:
        """Give the seconds until a child that was told something must be told more."""
        times = [at for one in self for at in (one.kill_at, one.repeat_at) if at is not None]
        return min(times, default=float("inf")) - now

    def fill(self, live: Callable[[Birth], int], close_inherited: Callable[[], None]) -> None:
        """Fork the children that are missing, unless the last ones died too quickly."""
        if time.monotonic() < self._fork_after:
            return
        for index in self.missing:
            try:
                member = fork(index, self._name(index), live, close_inherited)
            except OSError as error:  # No more processes, or no memory: those there are go on.
                logger.error("cannot fork: %s", error)  # noqa: TRY400 - the place says nothing
                self._failed_starts += 1
                self._fork_after = time.monotonic() + _RESTART.seconds(self._failed_starts)
                return
            self.add(member)
            logger.info("child %s has pid %d", member.worker, member.pid)

    def add(self, member: Member) -> None:
        """Take in a child."""
        self._members[member.pid] = member
        self.known.add(member.worker)

    def adopt(self, members: Iterable[Member]) -> None:
        """Take in the children of the program before: they end their jobs and leave."""
        for member in members:
            logger.info("taking over child %s, pid %d", member.worker, member.pid)
            self.add(member)
            self.retire(member)

    def greet(self) -> bool:
        """Whether a child has made itself known since this was last asked."""
        fresh = [
            one
            for one in self
            if not one.is_known and one.board.read().activity is not Activity.STARTING
        ]
        for member in fresh:
            member.is_known = True
        return bool(fresh)

    def retire(self, member: Member) -> None:
        """Have a child leave when its jobs have ended; its place is free for another now."""
        if not member.is_retired:
            member.is_retired = True
            member.told = member.told or orders.STOP
            member.announce(orders.STOP, interrupt=True)

    def dismiss(self, member: Member) -> None:
        """Have a child leave, and nobody take its place."""
        if not member.is_retired:
            self._dismissed.add(member.index)
            self.retire(member)

    def kill_running(self) -> None:
        """Kill what runs jobs."""
        for member in self:
            if not member.board.read().running:
                continue
            if self._options.isolation == "job":
                member.announce(orders.KILL)
            else:
                member.kill("killed by USR1")

    def lead(self, order: bytes | None) -> None:
        """Tell the children how the stop goes on; kill those that did not obey in time."""
        now = time.monotonic()
        for member in self:
            if order is not None and member.told != order:
                member.told = order
                member.announce(order, interrupt=True)
                member.is_stopped = order == orders.RELEASE
                # Who holds nothing has no reason to stay, and may be waiting for a lost store.
                member.kill_at = now + OBEY
            member.repeat(now)
            if member.kill_at is not None and now >= member.kill_at:
                member.kill_at = None
                if member.is_stopped or not member.board.read().held:
                    logger.warning("%s did not obey, killing pid %d", member.worker, member.pid)
                    member.kill("killed at the end of its grace")

    def is_idle(self) -> bool:
        """Whether all children were idle at one moment."""
        first, second = ([one.board.read() for one in self] for _ in range(2))
        # Nobody moved between the two looks, so there was a moment at which all were idle at once,
        # and a job put by one of them before would have kept that one or another busy.
        return first == second and all(note.is_idle for note in first)

    def bury(self) -> Iterator[Grave]:
        """Take leave of the children that have ended."""
        for member in self:
            cause = member.reap()
            if cause is None:
                continue
            note = member.board.read()
            # Else it died of a job, which must not keep the next one waiting; its own tries do end.
            is_at_fault = not note.running and not member.board.ended
            del self._members[member.pid]
            member.close()
            now = time.monotonic()
            if cause != "exit 0" and is_at_fault and now - member.forked_at < _YOUNG:
                self._failed_starts += 1
                self._fork_after = now + _RESTART.seconds(self._failed_starts)
            else:
                self._failed_starts = 0
            yield Grave(member, cause, note)

    def close(self) -> None:
        """Close, in a fresh child, what the parent keeps for its other children."""
        for member in self:
            member.close()

    def _name(self, index: int) -> str:
        """Find a name that no living child has."""
        taken = {one.worker for one in self}
        number = 0
        while (name := self._options.worker_name(os.getpid(), index, number)) in taken:
            number += 1
        return name
