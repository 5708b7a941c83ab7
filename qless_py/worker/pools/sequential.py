"""A child that runs one job after the other, in its main thread."""

from __future__ import annotations

import time
from typing import Final

from qless_py.client.job import Job
from qless_py.protocol.queues import PopReply
from qless_py.worker.child_context import Desk, Row
from qless_py.worker.pools.interrupt import Inside
from qless_py.worker.prefetch import Pace

# Verdicts may wait for one another for so long, and only as far as the next jobs are known to be
# short: none waits for a job that may take long.
_TOGETHER: Final = 0.005
_LOOK: Final = 0.001
_OURS: Final = 0.5


class Serial(Inside):
    """Takes short jobs in batches; the verdicts on one and the request for the next go together."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.orders, desk.handlers, desk.options.sandbox)
        self._desk = desk
        self._pace = Pace(desk.options.batch)
        self._row: Row | None = None
        self._kept_at = 0.0
        self._taken_at = 0.0
        self._looked_at = 0.0
        self._may_flush = False

    def run(self) -> None:
        """Take and run jobs until told to leave."""
        self.listen(self._desk.birth.interrupt)
        desk = self._desk
        reply: PopReply | None = None
        while True:
            is_quiet = not desk.may_start()
            if desk.orders.stop or desk.is_spent():
                return
            if is_quiet:
                desk.post.exchange()
                desk.board.ask()
                if not desk.orders.fresh:
                    desk.orders.wait(desk.options.interval)
                reply = None
                continue
            count = self._pace.next()
            reply = desk.take(count) if reply is None else desk.take_later(reply, count)
            if reply is not None and reply.jobs:
                self._batch(reply)
                reply = None

    def on_order(self) -> None:
        """Send verdicts behind which a job turned out to be long."""
        # Elsewhere it would get in between what is being sent or read on the same connection.
        if self._orders.flush and self._may_flush:
            self._desk.post.flush()
        self._orders.flush = False

    def _batch(self, reply: PopReply) -> None:
        desk = self._desk
        rows = desk.hold(reply)
        self._taken_at = self._looked_at = time.monotonic()
        for number, row in enumerate(rows):
            if desk.post.has_kept and self._may_last(row):
                desk.post.push()
            # First the note, then the look at the orders: a parent that gives a job of ours back
            # does it the other way round, so one of us sees what the other does.
            desk.board.start(row.at)
            if self._must_look():
                if not desk.may_start():
                    desk.give_back(rows[number:])
                    return
                if desk.orders.is_gone(row.held.lease):
                    desk.give_back([row])
                    continue
            self._run(row)

    def enter(self, job: Job) -> None:  # noqa: ARG002 - the row has it
        """Note the limit of the job on the board."""
        if self._row is not None:
            self._desk.note_limit(self._row)

    def _must_look(self) -> bool:
        """Whether it is time to look for orders; the look is a system call.

        A parent gives jobs back only in the stead of a child whose board has stood still for a
        second, so those of a younger batch are certainly ours.
        """
        now = time.monotonic()
        if now - self._looked_at < _LOOK and now - self._taken_at < _OURS:
            return False
        self._looked_at = now
        return True

    def _may_last(self, row: Row) -> bool:
        """Whether verdicts that are kept might have to wait too long for the end of this job."""
        waited = time.monotonic() - self._kept_at
        return waited + self._pace.expected(row.job.klass_name) > _TOGETHER

    def _run(self, row: Row) -> None:
        desk = self._desk
        started = time.monotonic()
        self._row = row
        row.job.watch(desk.orders)
        self._may_flush = True
        verdict = self.perform(row.job)
        self._may_flush = False
        desk.board.settle(row.at)
        ended = time.monotonic()
        self._pace.note(row.job.klass_name, ended - started)
        if not desk.post.has_kept:
            self._kept_at = ended
        desk.post.add(verdict)
