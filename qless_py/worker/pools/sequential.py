"""A child that runs one job after the other, in its main thread."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from types import FrameType

from qless_py.protocol.queues import PopReply
from qless_py.worker.child_context import ChildContext, HeldJob, is_held_back
from qless_py.worker.fetch_ahead import FetchAhead
from qless_py.worker.pools.main_thread import MainThreadRunner
from qless_py.worker.prefetch import BATCH_SECONDS, KEEP_BACK, Prefetch
from qless_py.worker.start_check import StartCheck
from qless_py.worker.status_board import MAX_JOBS


class SequentialRunner:
    """Fetches short jobs in batches; the results of one and the fetch of the next go together."""

    def __init__(self, context: ChildContext) -> None:
        self._context = context
        self._runner = MainThreadRunner(context.executor, context.options.sandbox, context.control)
        # The board has room for two batches.
        self._prefetch = Prefetch(min(context.options.batch, MAX_JOBS // 2))
        self._ahead = FetchAhead(context)
        self._kept_since = 0.0
        self._check = StartCheck()
        self._may_flush = False

    def run(self) -> None:
        """Fetch and run jobs until the child must exit."""
        context = self._context
        context.executor.keep_loop()
        self._runner.listen(context.spec.interrupt, self.on_signal)
        reply: PopReply | None = None
        while True:
            is_quiet = not context.may_start()
            is_leaving = context.control.stop or context.is_due_for_recycling()
            if is_quiet or is_leaving:
                self._ahead.give_back()
            if is_leaving:
                return
            if is_quiet:
                context.acknowledger.exchange()
                context.board.mark_fetching()
                if not context.control.has_news:
                    context.control.wait(context.options.interval)
                reply = None
                continue
            if self._ahead.is_under_way:
                # Before the reply is read, so that the server never waits for this child.
                self._ask_ahead()
                jobs = self._ahead.take()
                if jobs:
                    self._run_batch(jobs, is_ahead=True)
                continue
            count = self._prefetch.next()
            reply = context.fetch(count) if reply is None else context.wait_and_fetch(reply, count)
            if reply is not None and reply.jobs:
                # A fetch that brought fewer jobs than asked has emptied the queues.
                self._ahead.was_full = len(reply.jobs) == count
                self._run_batch(context.hold(reply))
                reply = None

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Handle control messages in the middle of a job."""
        control = self._context.control
        control.read()
        # Outside of a handler a flush could get between the bytes of another pipeline.
        if control.flush and self._may_flush:
            self._context.acknowledger.flush()
        control.flush = False
        self._runner.interrupt()

    def _ask_ahead(self) -> None:
        """Fetch the next batch already if there may be one, and if it is likely to be short."""
        count = self._prefetch.next() if self._ahead.was_full else 1
        if count > 1:
            self._ahead.ask(count)

    def _run_batch(self, jobs: Sequence[HeldJob], *, is_ahead: bool = False) -> None:
        context = self._context
        self._check.fetched()
        if not self._ahead.is_under_way:
            self._ask_ahead()
        for number, held in enumerate(jobs):
            # The first one of a fetch that was waited for starts in any case: there is progress
            # even if other processes hold jobs back all the time.
            if (number or is_ahead) and is_held_back(held):
                context.release(jobs[number:])
                self._prefetch.restart()
                return
            expected = self._prefetch.expected(held.leased.klass)
            if expected > BATCH_SECONDS and self._ahead.is_under_way:
                self._ahead.give_back()
            if context.acknowledger.has_kept and self._is_too_late(expected):
                context.acknowledger.send_next()
            # Mark the job RUNNING before reading control messages. The supervisor, which may be
            # releasing it, does the reverse, so one side always sees the other.
            context.board.mark_running(held.slot)
            if self._check.is_due():
                if not context.may_start():
                    context.release(jobs[number:])
                    return
                if context.control.is_revoked(held.leased.lease):
                    context.release([held])
                    continue
            self._run_job(held)

    def _is_too_late(self, expected: float) -> bool:
        """Return whether kept results might wait too long for the end of a job of this length."""
        return time.monotonic() - self._kept_since + expected > KEEP_BACK

    def _run_job(self, held: HeldJob) -> None:
        context = self._context
        started = time.monotonic()
        held.job.watch(context.control)
        context.note_start(held.job)
        self._may_flush = True
        transition = self._runner.run(held.job, functools.partial(context.record_hard_limit, held))
        self._may_flush = False
        context.board.mark_acknowledging(held.slot)
        ended = time.monotonic()
        self._prefetch.record(held.leased.klass, ended - started)
        if not context.acknowledger.has_kept:
            self._kept_since = ended
        context.note_end(held.job, transition, ended - started)
        context.acknowledger.add(transition)
