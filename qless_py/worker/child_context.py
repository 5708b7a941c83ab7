"""What every kind of child works with: the store, its status board, its messages, the handlers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py import package, protocol
from qless_py.client.client import Client
from qless_py.client.connection import PATIENCE_IN_JOBS
from qless_py.client.job import Job
from qless_py.errors import DeadWorkerError, StaleRequestError
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.logs import Event
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.handlers.result import Transition
from qless_py.protocol import Call, instrumentation
from qless_py.protocol.arguments import MAX_PER_CALL
from qless_py.protocol.queues import PopReply
from qless_py.store import holds
from qless_py.store.outage import UNAVAILABLE
from qless_py.worker.acknowledger import Acknowledger, Request, StopWaiting, UnconfirmedFetch
from qless_py.worker.child_process import SpawnSpec
from qless_py.worker.control_pipe import ControlPipe
from qless_py.worker.fetcher import Fetcher
from qless_py.worker.job_log import JobLog
from qless_py.worker.options import WorkerOptions
from qless_py.worker.recycling import Recycling
from qless_py.worker.status_board import LeasedJob

logger = logging.getLogger(__name__)

_MAX_KLASSES: Final = 1000
# The outcome of a job by the script that ended it, or the state that its handler left it in.
_OUTCOMES: Final = {
    "complete": "completed", "fail": "failed", "failed": "failed", "retry": "retried",
}  # fmt: skip
_BULK_INTERVAL: Final = 1.0  # Seconds after which a busy child looks for bulk actions to run.


@dataclass(slots=True)
class HeldJob:
    """A job that this child holds, and its slot on the status board.

    `hold_mark` is the mark of jobs held back when it was popped.
    """

    job: Job
    leased: LeasedJob
    slot: int
    hold_mark: int = 0


@dataclass(frozen=True, slots=True)
class Fetch:
    """A pop of up to `count` jobs that was sent, and the mark of jobs held back at that time."""

    request: Request
    count: int
    sent_at: float
    hold_mark: int


class ChildContext:
    """The resources of one child. Nothing here runs a job."""

    def __init__(self, options: WorkerOptions, spec: SpawnSpec) -> None:
        self.options = options
        self.spec = spec
        self.board = spec.board
        self.control = ControlPipe(spec.pipe, on_ping=spec.board.pong)
        self.client = Client(
            options.url,
            namespace=options.namespace,
            codec=options.codec,
            codecs=options.codecs,
            worker_name=spec.worker,
            patience=PATIENCE_IN_JOBS,
        )
        self.executor = Executor(_handler_options(options))
        self.acknowledger = Acknowledger(self.client, self.control, self._acknowledged)
        self.fetcher = Fetcher(self.acknowledger, self.control, options.interval)
        self.recycling = Recycling(options)
        self.job_log = JobLog(spec.worker, options.job_log)
        self.held: dict[str, HeldJob] = {}
        self._reserver = options.make_reserver()
        self._default_limits: set[tuple[str, str]] = set()
        self._asked = 0
        self._had_jobs = False
        self._hold_mark = holds.mark()
        self._bulk_at = 0.0
        self._lock = threading.Lock()
        self._no_jobs = PopReply([], None, more=False, wake=[])

    def register(self) -> None:
        """Register this worker in the store."""
        info = {
            "pid": os.getpid(),
            "parent": self.spec.parent,
            "host": self.options.host,
            "queues": list(self.options.queues),
            "started_at": round(time.time(), 3),
            "version": package.__version__,
            "slots": self.options.concurrency,
        }
        packed = json.dumps(info, separators=(",", ":")).encode()
        call = protocol.workers.register(self.spec.worker, self.spec.nonce, packed)
        (reply,) = self.acknowledger.exchange(call)
        if isinstance(reply, Exception):
            raise reply

    def close(self) -> None:
        """Send the remaining results, record that no job is held, and close the connections."""
        self.acknowledger.exchange()
        self.board.mark_fetching()
        self.acknowledger.close()
        self.fetcher.close()
        self.executor.close()
        self.client.close()

    def close_inherited(self) -> None:
        """Close, in a process forked from this one, the connections of this one.

        The connection pool finds out by itself that it is in another process.
        """
        self.acknowledger.close_inherited()
        self.fetcher.close_inherited()

    def may_start(self) -> bool:
        """Read the control messages and return whether they allow jobs to be started."""
        self.control.has_news = False
        self.control.read()
        return not (self.control.stop or self.control.quiet)

    @property
    def is_fetching_ahead(self) -> bool:
        """Whether the reply to a fetch was not read yet."""
        return self._asked > 0

    @property
    def may_fetch(self) -> bool:
        """Whether this child may fetch further jobs before it is to be replaced."""
        return self.recycling.remaining(self._fetched) > 0

    def note_start(self, job: Job) -> None:
        """Log that the handler of a job is about to be entered, and begin the span of the run."""
        # With a process for each job, that process follows the run.
        if instrumentation.current is not None and self.options.isolation != "job":
            instrumentation.current.begin(job)
        self.job_log.started(job)

    def note_end(self, job: Job, transition: Transition, seconds: float) -> None:
        """Log what became of a job, and end the span of the run."""
        self.job_log.ended(job, transition.call, seconds)
        if instrumentation.current is not None:
            instrumentation.current.end(job, transition.call)

    def is_due_for_recycling(self) -> bool:
        """Return whether this child is to be replaced and must fetch no more jobs."""
        return self.recycling.is_due(self.board.ended + len(self.held))

    def fetch(self, count: int) -> PopReply:
        """Send the results that are kept and fetch jobs without waiting for any.

        A reply without jobs contains the time to wait.
        """
        if not self.held:
            self.board.mark_fetching()
        try:
            *_, reply = self.acknowledger.exchange(*self._fetch_calls(count))
        except StopWaiting:
            raise UnconfirmedFetch from None
        return self._check(reply)

    def ask(self, count: int) -> Fetch:
        """Send the results that are kept and fetch jobs without waiting for the reply."""
        sent_at = time.monotonic()
        try:
            request = self.acknowledger.request(*self._fetch_calls(count))
        except StopWaiting:
            raise UnconfirmedFetch from None
        self._asked += count
        return Fetch(request, count, sent_at, self._hold_mark)

    def answer(self, fetch: Fetch) -> PopReply:
        """Return the reply to a fetch that was sent, and settle the results that it has passed."""
        try:
            *_, reply = self.acknowledger.answers(fetch.request)
        except StopWaiting:
            raise UnconfirmedFetch from None
        self._asked -= fetch.count
        return self._check(reply)

    def wait_and_fetch(self, reply: PopReply, count: int) -> PopReply | None:
        """Wait as an earlier reply requires and fetch jobs as soon as there are any.

        No result may be kept. Returns None when the caller should start over with `fetch`: after a
        control message, or when the store is unavailable.
        """
        if reply.more or reply.tick_requests or not reply.wake or self.options.burst:
            # During a burst the supervisor must not see a child as idle to which the server has
            # already leased a job.
            self.wait_for_jobs(reply)
            return None
        self.board.mark_idle()
        try:
            found = self.fetcher.fetch(self._pop(count), reply.wake, reply.next_in)
        except (*UNAVAILABLE, StaleRequestError):
            return None
        fetched = self._check(found)
        if self.control.stop or self.control.quiet:
            self.release(self.hold(fetched))
            return None
        return fetched

    def hold(self, reply: PopReply, fetch: Fetch | None = None) -> list[HeldJob]:
        """Record fetched jobs on the board, behind those that are held already.

        Without a `fetch` they come from the last one.
        """
        if fetch is None:
            taken_at, hold_mark = time.monotonic(), self._hold_mark
        else:
            taken_at, hold_mark = fetch.sent_at, fetch.hold_mark
        kept = list(self.held.values())
        added = []
        for slot, record in enumerate(reply.jobs, start=len(kept)):
            fields = record.fields
            duration = (record.expires_at - fields.get("popped_at", record.expires_at)) / 1000
            leased = LeasedJob(
                record.jid,
                fields["lease"],
                fields["queue"],
                taken_at,
                max(duration, 0.1),
                fields["klass"],
            )
            added.append(HeldJob(Job(self.client, record), leased, slot, hold_mark))
        with self._lock:  # A thread may be recording the limit of its job.
            self.board.hold(
                [*(one.leased for one in kept), *(one.leased for one in added)],
                [one.slot for one in kept],
            )
            for slot, held in enumerate(kept):
                held.slot = slot
        for held in added:
            self.held[held.leased.lease] = held
        return added

    def mark_running(self, held: HeldJob) -> None:
        """Record on the board, in any thread, that the handler of a job is entered."""
        with self._lock:
            self.board.mark_running(held.slot)

    def mark_waiting(self, held: HeldJob) -> None:
        """Record, in any thread, that the handler of a job was not entered after all."""
        with self._lock:
            self.board.mark_waiting(held.slot)

    def mark_acknowledging(self, held: HeldJob) -> None:
        """Record, in any thread, that the result of a job is known."""
        with self._lock:
            self.board.mark_acknowledging(held.slot)

    def wait_for_jobs(self, reply: PopReply, *more: int) -> None:
        """Wait until there may be jobs, a message comes, or one of `more` becomes readable."""
        if reply.more or reply.tick_requests:
            return
        if not self.held:
            self.board.mark_idle()
        with contextlib.suppress(*UNAVAILABLE):
            self.fetcher.wait(reply.wake, reply.next_in, more)

    def release(self, jobs: Sequence[HeldJob]) -> None:
        """Release jobs that were not started; the store refuses those that are no longer held."""
        calls = [protocol.jobs.release_lease(one.leased.jid, one.leased.lease) for one in jobs]
        self.acknowledger.exchange(*calls)
        for one in jobs:
            self._settle(one.leased.lease)

    def record_hard_limit(self, held: HeldJob) -> None:
        """Record the hard limit of a job on the board; finding it may import the handler.

        Nothing is recorded for a job that has the limit of the worker.
        """
        kind = (held.leased.klass, held.leased.queue)
        own = held.job.hard_limit
        if kind in self._default_limits and own is None:
            return
        _, limit = self.executor.limits(held.job)
        if limit == self.options.hard_limit and own is None:
            if len(self._default_limits) >= _MAX_KLASSES:  # Klasses may have any names.
                self._default_limits.clear()
            self._default_limits.add(kind)
            return
        with self._lock:
            self.board.set_hard_limit(held.slot, limit or float("inf"))

    def _check(self, reply: PopReply | Exception) -> PopReply:
        if isinstance(reply, DeadWorkerError):
            raise reply
        if isinstance(reply, Exception):
            logger.error(Event("cannot fetch jobs", worker=self.spec.worker, error=reply))
            return self._no_jobs
        if reply.jobs:
            logger.debug("jobs popped worker=%s count=%d", self.spec.worker, len(reply.jobs))
        self._had_jobs = bool(reply.jobs)
        self.client.settings.tick_requests.extend(reply.tick_requests)
        return reply

    @property
    def _fetched(self) -> int:
        """How many jobs this child has fetched, at most."""
        return self.board.ended + len(self.held) + self._asked

    def _fetch_calls(self, count: int) -> list[Call[Any]]:
        # The ticks that an earlier reply asked for travel along; their own replies do not matter.
        return [*protocol.recurring.answers(self.client.settings), self._pop(count)]

    def _pop(self, count: int) -> Call[PopReply]:
        self._hold_mark = holds.mark()
        most = self.recycling.remaining(self._fetched)
        count = max(1, min(count, most))
        reserver, spec = self._reserver, self.spec
        entries = [*reserver.entries()]
        has_room = len(entries) < MAX_PER_CALL and OPERATIONS_QUEUE not in entries
        if self._looks_for_bulk() and has_room:
            entries.append(OPERATIONS_QUEUE)
        return protocol.queues.pop_records(
            entries, spec.worker, count, spec.nonce, reserver.options()
        )

    def _looks_for_bulk(self) -> bool:
        """Return whether to look into the queue of bulk actions: when idle, else now and then."""
        now = time.monotonic()
        if self._had_jobs and now - self._bulk_at < _BULK_INTERVAL:
            return False
        self._bulk_at = now
        return True

    def _acknowledged(self, transition: Transition, reply: object) -> None:
        # Without a call the handler has ended the job itself, and its state says how.
        how = transition.job.state if transition.call is None else transition.call.script
        is_refused = isinstance(reply, Exception)
        self.board.count("other" if is_refused else _OUTCOMES.get(how, "other"))
        self._settle(transition.job.lease)

    def _settle(self, lease: str) -> None:
        held = self.held.pop(lease, None)
        if held is not None:
            self.board.mark_ended(held.slot)
        self.control.forget(lease)


def is_held_back(held: HeldJob) -> bool:
    """Return whether a job must be released before it starts.

    A handler may have blocked a throttle or paused a queue after it was popped.
    """
    return holds.mark() != held.hold_mark


def _handler_options(options: WorkerOptions) -> HandlerOptions:
    return HandlerOptions(
        imports=options.imports,
        allow_any=options.allow_any,
        middleware=options.middleware,
        soft_limit=options.soft_limit,
        hard_limit=options.hard_limit,
        performer=options.performer,
        retry=options.retry,
    )
