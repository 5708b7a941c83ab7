"""A child: takes jobs, runs their handlers, tells the store what came of them.

It keeps its board up to date, from which its parent renews its leases and, should it die, knows
which job it was at. The verdict on one batch and the request for the next travel together.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

from redis.exceptions import RedisError

import qless_py
from qless_py import protocol
from qless_py.client import Client
from qless_py.errors import (
    DeadWorkerError,
    ImmediateStop,
    JobNotFoundError,
    LostLeaseError,
    StaleRequestError,
    StoreError,
)
from qless_py.job import Job
from qless_py.protocol import Call
from qless_py.protocol.queues import PopReply
from qless_py.worker import copies, perform
from qless_py.worker.backoff import Backoff
from qless_py.worker.board import Held
from qless_py.worker.doorbell import LONGEST, Doorbell
from qless_py.worker.member import Birth
from qless_py.worker.options import WorkerOptions
from qless_py.worker.orders import Orders
from qless_py.worker.pace import Pace
from qless_py.worker.perform import Verdict

logger = logging.getLogger(__name__)

AWAY: Final = (RedisError, StoreError, OSError)  # What being without a store looks like.


class _Leave(Exception):  # noqa: N818 - the way out of a wait, not an error
    """There is no more reason to wait for the store."""


def live(options: WorkerOptions, birth: Birth) -> int:
    """Be a child until told to stop; gives the exit code of the process."""
    return Child(options, birth).run()


class Child:
    """One child process. It ends when told by its parent, or when its parent is gone."""

    def __init__(self, options: WorkerOptions, birth: Birth) -> None:
        self._options = options
        self._birth = birth
        self._board = birth.board
        self._orders = Orders(birth.pipe)
        self._pace = Pace(options.batch)
        self._handlers = perform.Handlers(perform.options(options))
        self._position = 0
        self._inside: Job | None = None
        self._original = copies.Original()
        self._client = Client(options.url, namespace=options.namespace, worker_name=birth.worker)
        self._doorbell = Doorbell(self._client.redis, self._orders)

    def run(self) -> int:
        """Take and run jobs."""
        signal.signal(signal.SIGTERM, self._on_term)
        copies.set_free()
        last: Verdict | None = None
        try:
            self._send([self._registration()])
            while not self._is_stopped():
                reply = self._pop(last)
                last = self._work(reply)
            self._settle(last)
            self._board.ask()  # Nothing is held any more.
        except _Leave:
            pass
        except DeadWorkerError:
            logger.warning("%s was reported dead; a new process takes over", self._birth.worker)
            return 1
        self._doorbell.close()
        self._client.close()
        return 0

    def _is_stopped(self) -> bool:
        self._orders.read()
        return self._orders.stop

    def _registration(self) -> Call[None]:
        info = {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "host": self._options.host,
            "queues": list(self._options.queues),
            "started_at": round(time.time(), 3),
            "version": qless_py.__version__,
        }
        packed = json.dumps(info, separators=(",", ":")).encode()
        return protocol.workers.register(self._birth.worker, self._birth.nonce, packed)

    def _pop(self, last: Verdict | None) -> PopReply:
        pop = protocol.queues.pop(
            self._options.queues, self._birth.worker, self._pace.next(), self._birth.nonce
        )
        if last is None or last.call is None:
            self._board.ask()
            answers = self._send([pop])
        else:
            answers = self._send([last.call, pop])
            self._check(last, answers[0])
        reply: PopReply | Exception = answers[-1]
        if isinstance(reply, DeadWorkerError):
            raise reply
        if isinstance(reply, Exception):
            logger.error("cannot take jobs: %s", reply)
            return PopReply([], int(1000 * LONGEST), more=False, wake=[])
        return reply

    def _work(self, reply: PopReply) -> Verdict | None:
        """Run a batch, or wait when there is none; gives the verdict not yet sent."""
        if not reply.jobs:
            if not reply.more:
                self._board.idle()
                self._wait(reply)
            return None
        taken = time.monotonic()
        jobs = [Job(self._client, record) for record in reply.jobs]
        self._board.hold([self._held(job, taken) for job in jobs])
        for position, job in enumerate(jobs):
            # First the note, then the look at the orders: a parent that gives a job of ours back
            # does it the other way round, so one of us sees what the other does.
            self._board.start(position)
            if self._is_stopped():
                self._give_back(jobs[position:])
                break
            if job.lease in self._orders.lost:
                self._give_back([job])
                self._board.end(position)
                continue
            verdict = self._perform(position, job)
            if position == len(jobs) - 1:
                return verdict
            self._settle(verdict)
            self._board.end(position)
        return None

    def _give_back(self, jobs: Sequence[Job]) -> None:
        """Release jobs that were not started; refused for those that are no longer ours."""
        self._send([protocol.jobs.release(job.jid, job.lease) for job in jobs])
        self._orders.lost.difference_update(job.lease for job in jobs)

    def _held(self, job: Job, taken: float) -> Held:
        length = job.expires_at - (job.popped_at or job.expires_at)
        return Held(job.jid, job.lease, job.queue_name, taken, max(length, 0.1))

    def _perform(self, position: int, job: Job) -> Verdict:
        self._position = position
        started = time.monotonic()
        try:
            verdict = self._judged(job)
        except (ImmediateStop, LostLeaseError) as error:
            # The signal came just as the handler was raising something of its own.
            verdict = perform.raised(job, error)
        self._board.settle(position)
        self._pace.note(time.monotonic() - started)
        return verdict

    def _judged(self, job: Job) -> Verdict:
        try:
            self._inside = job
            result = self._handlers.run(job)
            self._inside = None
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises fails its job
            self._inside = None
            self._original.end_copy(error)
            return perform.raised(job, error)
        self._original.end_copy()
        return perform.returned(job, result)

    def _settle(self, verdict: Verdict | None) -> None:
        if verdict is not None and verdict.call is not None:
            self._check(verdict, self._send([verdict.call])[0])

    def _check(self, verdict: Verdict, answer: Any) -> None:
        """Look at what the store said to a verdict."""
        job = verdict.job
        if isinstance(answer, (LostLeaseError, JobNotFoundError, StaleRequestError)):
            logger.info("the verdict on %s came too late or twice: %s", job.jid, answer)
        elif isinstance(answer, Exception):
            logger.warning("the verdict on %s was refused: %s", job.jid, answer)
            again = self._send([perform.refused(job, answer).call])[0]
            if isinstance(again, Exception):
                logger.error("%s cannot be failed either: %s", job.jid, again)

    def _wait(self, reply: PopReply) -> None:
        try:
            self._doorbell.wait(reply.wake, reply.next_in)
        except AWAY as error:
            logger.debug("the wait ended early: %s", error)

    def _send(self, calls: Sequence[Call[Any] | None]) -> list[Any]:
        """Send calls in one round trip, again and again while the store is away."""
        backoff = Backoff()
        wanted = [call for call in calls if call is not None]
        while True:
            try:
                return self._client.run_many(wanted)
            except AWAY as error:
                wait = backoff.next()
                logger.warning("no store (%s), trying again in %.2f s", error, wait)
                self._orders.wait(wait)
            if self._orders.orphaned or self._orders.release:
                raise _Leave

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        """Obey what the parent announced; a TERM that it did not announce is not for us."""
        job = self._inside
        if job is None:
            return  # Whatever was announced stays in the pipe and ends a wait.
        self._orders.read()
        if self._orders.release:
            self._inside = None
            raise ImmediateStop
        if job.lease in self._orders.lost:
            if job.state != "running":
                self._board.settle(self._position)  # It has a verdict and may end in peace.
                return
            self._inside = None
            raise LostLeaseError(f"{job.jid} was canceled, timed out or given to another worker")
