"""What every kind of child works with: the store, its board, its orders, the handlers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from qless_py import package, protocol
from qless_py.client import refill
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.errors import DeadWorkerError, StaleRequestError
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.protocol import Call
from qless_py.protocol.checks import MOST_AT_ONCE
from qless_py.protocol.queues import PopReply
from qless_py.worker import perform
from qless_py.worker.acknowledger import AWAY, Leave, Post, Unsettled
from qless_py.worker.child_process import Birth
from qless_py.worker.control_pipe import Orders
from qless_py.worker.fetcher import Doorbell
from qless_py.worker.options import WorkerOptions
from qless_py.worker.recycling import Recycling
from qless_py.worker.status_board import Held

logger = logging.getLogger(__name__)

_KINDS: Final = 1000
_OPERATE: Final = 1.0  # Seconds after which a busy child looks for bulk actions to carry out.


@dataclass(slots=True)
class Row:
    """A job that this child holds, and where it stands on the board."""

    job: Job
    held: Held
    at: int


class Desk:
    """The means of one child. Nothing here runs a job."""

    def __init__(self, options: WorkerOptions, birth: Birth) -> None:
        self.options = options
        self.birth = birth
        self.board = birth.board
        self.orders = Orders(birth.pipe, on_beat=birth.board.beat)
        self.client = Client(options.url, namespace=options.namespace, worker_name=birth.worker)
        self.handlers = perform.Handlers(perform.options(options))
        self.post = Post(self.client, self.orders, self._settled)
        self.doorbell = Doorbell(self.post, self.orders, options.interval)
        self._reserver = options.make_reserver()
        self.recycling = Recycling(options)
        self.rows: dict[str, Row] = {}
        self._usual: set[tuple[str, str]] = set()
        self._had_jobs = False
        self._operated_at = 0.0
        self._lock = threading.Lock()
        self._empty = PopReply([], None, more=False, wake=[])

    def open(self) -> None:
        """Make this worker known."""
        info = {
            "pid": os.getpid(),
            "parent": self.birth.parent,
            "host": self.options.host,
            "queues": list(self.options.queues),
            "started_at": round(time.time(), 3),
            "version": package.__version__,
            "slots": self.options.concurrency,
        }
        packed = json.dumps(info, separators=(",", ":")).encode()
        call = protocol.workers.register(self.birth.worker, self.birth.nonce, packed)
        (answer,) = self.post.exchange(call)
        if isinstance(answer, Exception):
            raise answer

    def close(self) -> None:
        """Settle what is left, note that nothing is held, and give the connections back."""
        self.post.exchange()
        self.board.ask()
        self.post.close()
        self.doorbell.close()
        self.client.close()

    def drop(self) -> None:
        """Close, in a process forked from this one, what belongs to this one alone.

        The pool of connections sees by itself that it is in another process.
        """
        self.post.drop()
        self.doorbell.drop()

    def may_start(self) -> bool:
        """Whether jobs may be started, as far as the parent is concerned."""
        self.orders.fresh = False
        self.orders.read()
        return not (self.orders.stop or self.orders.quiet)

    def is_spent(self) -> bool:
        """Whether no more jobs are to be taken because of old age."""
        return self.recycling.is_spent(self.board.ended + len(self.rows))

    def take(self, count: int) -> PopReply:
        """Send what is kept and ask for jobs; the answer says how long to wait if there is none."""
        if not self.rows:
            self.board.ask()
        # Ticks that an earlier answer asked for travel along; their fate is no matter here.
        ticks = refill.answers(self.client.settings)
        try:
            *_, reply = self.post.exchange(*ticks, self._pop(count))
        except Leave:
            raise Unsettled from None
        return self._taken(reply)

    def take_later(self, reply: PopReply, count: int) -> PopReply | None:
        """Wait as that answer says and take jobs as soon as there are any; nothing may be kept.

        None when it is time to look around and ask anew: after an order, or without a store.
        """
        if reply.more or reply.questions or not reply.wake or self.options.burst:
            # In a burst the parent must not see as idle a child that the server has given a job.
            self.rest(reply)
            return None
        self.board.idle()
        try:
            found = self.doorbell.take(self._pop(count), reply.wake, reply.next_in)
        except (*AWAY, StaleRequestError):
            return None
        taken = self._taken(found)
        if self.orders.stop or self.orders.quiet:
            self.give_back(self.hold(taken))
            return None
        return taken

    def hold(self, reply: PopReply) -> list[Row]:
        """Note the jobs of an answer on the board, behind those that are held already."""
        now = time.monotonic()
        before = list(self.rows.values())
        added = []
        for at, record in enumerate(reply.jobs, start=len(before)):
            job = Job(self.client, record)
            length = job.expires_at - (job.popped_at or job.expires_at)
            held = Held(job.jid, job.lease, job.queue_name, now, max(length, 0.1))
            added.append(Row(job, held, at))
        with self._lock:  # A thread may be noting the limit of its job.
            self.board.hold(
                [*(one.held for one in before), *(one.held for one in added)],
                [one.at for one in before],
            )
            for at, row in enumerate(before):
                row.at = at
        for row in added:
            self.rows[row.held.lease] = row
        return added

    def rest(self, reply: PopReply, *more: int) -> None:
        """Wait until there may be jobs, an order comes, or one of these descriptors is readable."""
        if reply.more or reply.questions:
            return
        if not self.rows:
            self.board.idle()
        with contextlib.suppress(*AWAY):
            self.doorbell.wait(reply.wake, reply.next_in, more)

    def give_back(self, rows: Sequence[Row]) -> None:
        """Release jobs that were not started; refused for those that are no longer ours."""
        calls = [protocol.jobs.release(row.held.jid, row.held.lease) for row in rows]
        self.post.exchange(*calls)
        for row in rows:
            self._settled(row.held.lease)

    def note_limit(self, row: Row) -> None:
        """Note the hard limit of a job on the board; looking for it may import its handler.

        Nothing need be noted of a job that has the worker's.
        """
        kind = (row.job.klass_name, row.held.queue)
        if kind in self._usual and row.job.hard_limit is None:
            return
        _, hard = self.handlers.limits(row.job)
        if hard == self.options.hard_limit and row.job.hard_limit is None:
            if len(self._usual) >= _KINDS:  # They may have any names.
                self._usual.clear()
            self._usual.add(kind)
            return
        with self._lock:
            self.board.limit(row.at, hard or float("inf"))

    def _taken(self, reply: PopReply | Exception) -> PopReply:
        if isinstance(reply, DeadWorkerError):
            raise reply
        if isinstance(reply, Exception):
            logger.error("cannot take jobs: %s", reply)
            return self._empty
        self._had_jobs = bool(reply.jobs)
        self.client.settings.questions.extend(reply.questions)
        return reply

    def _pop(self, count: int) -> Call[PopReply]:
        most = self.recycling.left(self.board.ended + len(self.rows))
        count = max(1, min(count, most))
        reserver, birth = self._reserver, self.birth
        entries = [*reserver.entries()]
        if self._may_operate() and len(entries) < MOST_AT_ONCE and OPERATIONS_QUEUE not in entries:
            entries.append(OPERATIONS_QUEUE)
        return protocol.queues.pop(entries, birth.worker, count, birth.nonce, reserver.options())

    def _may_operate(self) -> bool:
        """Tell whether it is time to look into the reserved queue: when idle, else now and then."""
        now = time.monotonic()
        if self._had_jobs and now - self._operated_at < _OPERATE:
            return False
        self._operated_at = now
        return True

    def _settled(self, lease: str) -> None:
        row = self.rows.pop(lease, None)
        if row is not None:
            self.board.end(row.at)
        self.orders.forget(lease)
