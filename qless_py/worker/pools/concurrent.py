"""A child that runs several jobs at once: in threads, as tasks of an event loop, or in processes.

Its main thread runs no job. It takes jobs for whatever is free, hands them to its crew, sends the
verdicts, and passes on what the parent orders.
"""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Sequence
from types import FrameType
from typing import Protocol

from qless_py.protocol.checks import MOST_AT_ONCE
from qless_py.protocol.queues import PopReply
from qless_py.worker import control_pipe as orders
from qless_py.worker.child_context import Desk, Row
from qless_py.worker.perform import Verdict
from qless_py.worker.prefetch import Pace

logger = logging.getLogger(__name__)

_RELIEF = 1.0  # Seconds without room after which a start is tried again, though no job has ended.
# The order of urgency: what was told of a job is not told again, and nothing weaker after it.
_URGENCY = (orders.STOP, orders.LIMIT, orders.LOST, orders.RELEASE, orders.KILL)


class Crew(Protocol):
    """Those who run the jobs."""

    def start(self, row: Row) -> None:
        """Have a job run; there is room for it. OSError or RuntimeError where that cannot be."""

    def finished(self) -> Sequence[tuple[Row, Verdict]]:
        """Give the jobs that have ended since, each with its verdict."""

    def fileno(self) -> int:
        """Give a descriptor that is readable when a job has ended."""

    def tell(self, row: Row, order: bytes) -> None:
        """Pass an order on to a running job: STOP, LIMIT, LOST, RELEASE or KILL."""

    def repeat(self) -> None:
        """Interrupt those once more who were told something and may not have heard it."""

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Take the signal that says that there are orders."""

    @property
    def is_busy(self) -> bool:
        """Whether anything is left of a job that was started."""

    def close(self) -> None:
        """End everything that is left; no job is running."""


class Crowd:
    """Several jobs at once; each place is filled again as soon as it is free."""

    def __init__(self, desk: Desk, crew: Crew) -> None:
        self._desk = desk
        self._crew = crew
        self._told: dict[str, bytes] = {}
        self._begun: dict[str, float] = {}
        self._waiting: deque[Row] = deque()
        self._full_until = 0.0
        self._pace = Pace(desk.options.batch)

    def run(self) -> None:
        """Take jobs and have them run until told to leave."""
        desk = self._desk
        signal.signal(desk.birth.interrupt, self._crew.on_signal)
        while True:
            may_start = desk.may_start()
            desk.post.poll()
            self._collect()
            self._pass_on()
            if self._waiting and not may_start:
                desk.give_back(list(self._waiting))
                self._waiting.clear()
            is_leaving = desk.orders.stop or desk.is_spent()
            if is_leaving and not desk.rows:
                break
            free = self._free()
            if may_start and free > 0 and (self._waiting or not is_leaving):
                self._fill(free)
            else:
                self._wait()
        self._crew.close()

    def _fill(self, free: int) -> None:
        """Start jobs in the free places; ask for more when none is left that was taken ahead."""
        if not self._waiting:
            desk = self._desk
            # Neither does the store hand out more at once, nor is there room for more on the board.
            count = min(free + self._pace.next() - 1, MOST_AT_ONCE - len(self._begun))
            reply: PopReply | None = desk.take(count)
            if reply is not None and not reply.jobs:
                if desk.rows or self._crew.is_busy:
                    desk.rest(reply, self._crew.fileno())
                    return
                reply = desk.take_later(reply, count)
            if reply is None or not reply.jobs:
                return
            self._waiting.extend(desk.hold(reply))
        while self._waiting and self._free() > 0:
            self._start(self._waiting.popleft())

    def _start(self, row: Row) -> None:
        # As in a serial child: first the note, then the look at the orders.
        desk, lease = self._desk, row.held.lease
        desk.board.start(row.at)
        if not desk.may_start() or desk.orders.is_gone(lease):
            desk.give_back([row])
            return
        row.job.watch(desk.orders)
        try:
            self._crew.start(row)
        except (OSError, RuntimeError) as error:
            # No more processes, threads, descriptors or memory: what runs goes on.
            logger.error("%s cannot be started, giving it back: %s", row.held.jid, error)  # noqa: TRY400
            self._full_until = time.monotonic() + _RELIEF
            desk.give_back([row, *self._waiting])
            self._waiting.clear()
        else:
            self._begun[lease] = time.monotonic()

    def _free(self) -> int:
        """Count the free places; none are free while there is no room for what is there."""
        if time.monotonic() < self._full_until:
            return 0
        return self._desk.options.concurrency - len(self._begun)

    def _collect(self) -> None:
        for row, verdict in self._crew.finished():
            self._full_until = 0.0
            self._desk.board.settle(row.at)
            lease = row.held.lease
            self._told.pop(lease, None)
            self._pace.note(row.job.klass_name, time.monotonic() - self._begun.pop(lease))
            self._desk.post.add(verdict)

    def _wait(self) -> None:
        desk = self._desk
        desk.post.send()
        if not desk.rows:
            desk.board.ask()
        answers = desk.post.descriptor
        more = () if answers is None else (answers,)
        if not desk.orders.fresh:
            desk.orders.wait(desk.options.interval, self._crew.fileno(), *more)

    def _pass_on(self) -> None:
        """Tell the running jobs what the parent has ordered."""
        given = self._desk.orders
        if given.again:
            given.again = False
            self._crew.repeat()
        if not (given.stop or given.over or given.lost or given.kill):
            return
        for lease in self._begun:
            row = self._desk.rows[lease]
            wanted = self._order(lease)
            told = self._told.get(lease)
            if wanted is not None and (
                told is None or _URGENCY.index(wanted) > _URGENCY.index(told)
            ):
                self._told[lease] = wanted
                self._crew.tell(row, wanted)
        given.kill.discard("")

    def _order(self, lease: str) -> bytes | None:
        given = self._desk.orders
        if lease in given.kill or "" in given.kill:
            return orders.KILL
        if given.release:
            return orders.RELEASE
        if lease in given.lost:
            return orders.LOST
        if lease in given.over:
            return orders.LIMIT
        return orders.STOP if given.stop else None
