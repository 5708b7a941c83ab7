"""A child that runs several jobs at once: in threads, in an event loop, or in processes.

Its main thread runs no job. It fetches jobs for free slots, hands them to a pool, sends the
results, and passes on the messages of the supervisor. When a thread of a pool has ended a job, it
takes the next one of the batch without waiting for the main thread.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final, Protocol

from qless_py.handlers.logs import Event
from qless_py.handlers.result import Transition
from qless_py.protocol.arguments import MAX_PER_CALL
from qless_py.protocol.queues import PopReply
from qless_py.worker import control_pipe
from qless_py.worker.child_context import ChildContext, HeldJob, is_held_back
from qless_py.worker.fetch_ahead import FetchAhead
from qless_py.worker.job_log import held_fields
from qless_py.worker.prefetch import KEEP_BACK, Prefetch
from qless_py.worker.start_check import StartCheck
from qless_py.worker.status_board import MAX_JOBS

logger = logging.getLogger(__name__)

_RETRY_START: Final = 1.0  # Seconds after a failed start until the next try, if no job ends before.
# By urgency: a job that was sent one of these is sent only stronger ones afterwards.
_URGENCY: Final = (
    control_pipe.STOP,
    control_pipe.LIMIT,
    control_pipe.LOST,
    control_pipe.RELEASE,
    control_pipe.KILL,
)


class Pool(Protocol):
    """The threads or processes that run the jobs."""

    def start(self, held: HeldJob) -> None:
        """Run a job in a free slot. Raises OSError or RuntimeError where that is impossible."""

    def collect(self) -> Sequence[tuple[HeldJob, Transition]]:
        """Return the jobs that have ended since the last call, with their results."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when a job has ended."""

    def follow(self, next_after: Callable[[HeldJob], HeldJob | None]) -> None:
        """Call this when a job has ended, in any thread; its slot runs the job that it returns."""

    def rearm(self) -> bool:
        """Make the descriptor readable at the next result; return whether there is one already."""

    def send(self, held: HeldJob, message: bytes) -> bool:
        """Pass a message on to a running job: STOP, LIMIT, LOST, RELEASE or KILL.

        Returns False if the pool does not know the job yet, or any more.
        """

    def repeat_interrupts(self) -> None:
        """Interrupt once more the jobs that were sent a message and may have missed it."""

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal that announces control messages."""

    @property
    def is_busy(self) -> bool:
        """Whether anything is left of a job that was started."""

    def close(self) -> None:
        """Close the pool; no job is running."""


class ConcurrentRunner:
    """Runs several jobs at once; a slot is filled again as soon as it is free."""

    def __init__(self, context: ChildContext, pool: Pool) -> None:
        self._context = context
        self._pool = pool
        self._sent: dict[str, bytes] = {}
        # Both are changed by the threads of a pool, too, under the lock.
        self._started: dict[str, float] = {}
        self._waiting: deque[HeldJob] = deque()
        self._lock = threading.Lock()
        self._full_until = 0.0
        self._seconds: dict[str, float] = {}
        self._kept_since = 0.0
        self._check = StartCheck()
        # The board has room for two batches behind the jobs that run.
        self._most_ahead = (MAX_JOBS - context.options.concurrency) // 2
        self._prefetch = Prefetch(context.options.batch, context.options.concurrency)
        self._ahead = FetchAhead(context)
        # The first job of a fetch that was waited for starts in any case: there is progress even if
        # other processes hold jobs back all the time.
        self._starts_anyway = False

    def run(self) -> None:
        """Fetch and run jobs until the child must exit."""
        context = self._context
        signal.signal(context.spec.interrupt, self._pool.on_signal)
        self._pool.follow(self.next_after)
        while True:
            may_start = context.may_start()
            context.acknowledger.poll()
            self._collect()
            self._pass_messages()
            is_exiting = context.control.stop or context.is_due_for_recycling()
            if not may_start:
                self._release_waiting()
            if not may_start or is_exiting:
                self._ahead.give_back()
            elif context.control.ahead_released:
                self._ahead.drop_released()
            if is_exiting and not context.held:
                break
            free = self._free()
            if may_start and free > 0 and (self._waiting or not is_exiting):
                self._fill(free)
            else:
                self._wait()
        self._pool.close()

    def _fill(self, free: int) -> None:
        """Start jobs in the free slots; fetch more when none is left of the last batch."""
        self._release_kept()
        if not self._waiting:
            jobs = self._fetch(free)
            with self._lock:
                self._check.fetched()
                self._waiting.extend(jobs)
            if jobs and not self._ahead.is_under_way:
                self._ask_ahead()
        while (held := self._take()) is not None:
            self._start(held)

    def _fetch(self, free: int) -> list[HeldJob]:
        """Fetch jobs for the free slots, and more if they are short; wait if there are none."""
        context = self._context
        if self._ahead.is_under_way:
            self._collect()  # What ended meanwhile leaves the board to the jobs of this reply.
            self._ask_ahead()
            return self._ahead.take()
        # The store leases no more in one call, and the board has no room for more.
        count = min(free + self._prefetch.next() - 1, MAX_PER_CALL - len(self._started))
        reply: PopReply | None = context.fetch(count)
        if reply is not None and not reply.jobs:
            if context.held or self._pool.is_busy:
                context.wait_for_jobs(reply, self._pool.fileno())
                return []
            reply = context.wait_and_fetch(reply, count)
        if reply is None or not reply.jobs:
            return []
        self._ahead.was_full = len(reply.jobs) == count
        self._starts_anyway = True
        return context.hold(reply)

    def _ask_ahead(self) -> None:
        """Fetch the next batch already if there may be one, and if it is likely to be short."""
        count = min(self._prefetch.next(), self._most_ahead) if self._ahead.was_full else 1
        if count > 1:
            self._ahead.ask(count)

    def _release_kept(self) -> None:
        """Release the waiting jobs that must not start."""
        with self._lock:
            waiting = list(self._waiting)
        if waiting and is_held_back(waiting[0]) and not self._starts_anyway:
            self._release_waiting()
            self._prefetch.restart()
            return
        revoked = [one for one in waiting if self._context.control.is_revoked(one.leased.lease)]
        if revoked:
            with self._lock:
                for one in revoked:
                    self._waiting.remove(one)
            self._context.release(revoked)

    def next_after(self, held: HeldJob) -> HeldJob | None:
        """Record the end of a job in its pool; return the job that its slot runs next.

        A pool whose threads call this goes from one short job to the next without the main thread.
        """
        self._record_end(held)
        return self._take()

    def _record_end(self, held: HeldJob) -> None:
        lease = held.leased.lease
        with self._lock:
            self._seconds[lease] = time.monotonic() - self._started.pop(lease)
        self._context.mark_acknowledging(held)

    def _take(self) -> HeldJob | None:
        """Return a waiting job for a free slot, marked as running, if there are both."""
        context, control = self._context, self._context.control
        with self._lock:
            if not self._waiting or self._free() < 1:
                return None
            held = self._waiting[0]
            # As in a sequential child: mark the job RUNNING before looking for messages. Only the
            # main thread reads them.
            context.mark_running(held)
            is_kept = (
                (self._check.is_due() and control.has_unread())
                or control.stop
                or control.quiet
                or control.is_revoked(held.leased.lease)
                or (is_held_back(held) and not self._starts_anyway)
            )
            if is_kept:
                context.mark_waiting(held)
                return None
            self._starts_anyway = False
            self._waiting.popleft()
            self._started[held.leased.lease] = time.monotonic()
        held.job.watch(control)
        context.note_start(held.job)
        return held

    def _start(self, held: HeldJob) -> None:
        context, lease = self._context, held.leased.lease
        try:
            self._pool.start(held)
        except (OSError, RuntimeError) as error:
            # No more processes, threads, descriptors or memory: running jobs continue.
            fields = held_fields(held.leased, context.spec.worker)
            logger.error(Event("job cannot be started, releasing it", **fields, error=error))  # noqa: TRY400 - the traceback would add nothing
            self._full_until = time.monotonic() + _RETRY_START
            with self._lock:
                del self._started[lease]
                self._waiting.appendleft(held)
            self._release_waiting()

    def _release_waiting(self) -> None:
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
            self._starts_anyway = False
        if waiting:
            self._context.release(waiting)

    def _free(self) -> int:
        """Return the number of free slots: 0 for a while after a job could not be started."""
        if time.monotonic() < self._full_until:
            return 0
        return self._context.options.concurrency - len(self._started)

    def _collect(self) -> None:
        for held, transition in self._pool.collect():
            self._full_until = 0.0
            lease = held.leased.lease
            self._sent.pop(lease, None)
            if lease in self._started:  # In a pool whose slots are filled by this thread only.
                self._record_end(held)
            seconds = self._seconds.pop(lease)
            if not self._context.acknowledger.has_kept:
                self._kept_since = time.monotonic()
            self._prefetch.record(held.leased.klass, seconds)
            self._context.note_end(held.job, transition, seconds)
            self._context.acknowledger.add(transition)

    def _wait(self) -> None:
        context, seconds = self._context, self._context.options.interval
        kept_for = time.monotonic() - self._kept_since
        if self._waiting and context.acknowledger.has_kept and kept_for < KEEP_BACK:
            seconds = KEEP_BACK - kept_for  # Further short jobs end meanwhile, without this thread.
        else:
            context.acknowledger.send()
            if self._pool.rearm():
                return
        if not context.held:
            context.board.mark_fetching()
        replies = context.acknowledger.descriptor
        more = () if replies is None else (replies,)
        if not context.control.has_news:
            context.control.wait(seconds, self._pool.fileno(), *more)

    def _pass_messages(self) -> None:
        """Pass on to the running jobs what the supervisor has sent."""
        control = self._context.control
        if control.repeat:
            control.repeat = False
            self._pool.repeat_interrupts()
        if not (control.stop or control.over_limit or control.lost or control.kill):
            return
        with self._lock:
            started = list(self._started)
        for lease in started:
            message = self._message(lease)
            sent = self._sent.get(lease)
            if message is not None and (
                sent is None or _URGENCY.index(message) > _URGENCY.index(sent)
            ):
                held = self._context.held.get(lease)
                if held is not None and self._pool.send(held, message):
                    self._sent[lease] = message
        control.kill.discard("")

    def _message(self, lease: str) -> bytes | None:
        """Return the most urgent message for the job under this lease."""
        control = self._context.control
        if lease in control.kill or "" in control.kill:
            return control_pipe.KILL
        if control.release:
            return control_pipe.RELEASE
        if lease in control.lost:
            return control_pipe.LOST
        if lease in control.over_limit:
            return control_pipe.LIMIT
        return control_pipe.STOP if control.stop else None
