"""A child that runs several jobs at once: in threads, in an event loop, or in processes.

Its main thread runs no job. It fetches jobs for free slots, hands them to a pool, sends the
results, and passes on the messages of the supervisor.
"""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Sequence
from types import FrameType
from typing import Final, Protocol

from qless_py.handlers.logs import Event
from qless_py.handlers.result import Transition
from qless_py.protocol.arguments import MAX_PER_CALL
from qless_py.protocol.queues import PopReply
from qless_py.worker import control_pipe
from qless_py.worker.child_context import ChildContext, HeldJob, is_held_back
from qless_py.worker.job_log import held_fields
from qless_py.worker.prefetch import Prefetch

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

    def send(self, held: HeldJob, message: bytes) -> None:
        """Pass a message on to a running job: STOP, LIMIT, LOST, RELEASE or KILL."""

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
        self._started: dict[str, float] = {}
        self._waiting: deque[HeldJob] = deque()
        self._full_until = 0.0
        self._prefetch = Prefetch(context.options.batch)

    def run(self) -> None:
        """Fetch and run jobs until the child must exit."""
        context = self._context
        signal.signal(context.spec.interrupt, self._pool.on_signal)
        while True:
            may_start = context.may_start()
            context.acknowledger.poll()
            self._collect()
            self._pass_messages()
            if not may_start:
                self._release_waiting()
            is_exiting = context.control.stop or context.is_due_for_recycling()
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
        if self._waiting and is_held_back(self._waiting[0]):
            self._release_waiting()
            self._prefetch.restart()
        if not self._waiting:
            context = self._context
            # The store leases no more in one call, and the board has no room for more.
            count = min(free + self._prefetch.next() - 1, MAX_PER_CALL - len(self._started))
            reply: PopReply | None = context.fetch(count)
            if reply is not None and not reply.jobs:
                if context.held or self._pool.is_busy:
                    context.wait_for_jobs(reply, self._pool.fileno())
                    return
                reply = context.wait_and_fetch(reply, count)
            if reply is None or not reply.jobs:
                return
            self._waiting.extend(context.hold(reply))
        while self._waiting and self._free() > 0:
            self._start(self._waiting.popleft())

    def _start(self, held: HeldJob) -> None:
        # As in a sequential child: first mark the job RUNNING, then read the messages.
        context, lease = self._context, held.leased.lease
        context.board.mark_running(held.slot)
        if not context.may_start() or context.control.is_revoked(lease):
            context.release([held])
            return
        held.job.watch(context.control)
        context.note_start(held.job)
        try:
            self._pool.start(held)
        except (OSError, RuntimeError) as error:
            # No more processes, threads, descriptors or memory: running jobs continue.
            fields = held_fields(held.leased, context.spec.worker)
            logger.error(Event("job cannot be started, releasing it", **fields, error=error))  # noqa: TRY400 - the traceback would add nothing
            self._full_until = time.monotonic() + _RETRY_START
            context.release([held, *self._waiting])
            self._waiting.clear()
        else:
            self._started[lease] = time.monotonic()

    def _release_waiting(self) -> None:
        if self._waiting:
            self._context.release(list(self._waiting))
            self._waiting.clear()

    def _free(self) -> int:
        """Return the number of free slots: 0 for a while after a job could not be started."""
        if time.monotonic() < self._full_until:
            return 0
        return self._context.options.concurrency - len(self._started)

    def _collect(self) -> None:
        for held, transition in self._pool.collect():
            self._full_until = 0.0
            self._context.board.mark_acknowledging(held.slot)
            lease = held.leased.lease
            self._sent.pop(lease, None)
            seconds = time.monotonic() - self._started.pop(lease)
            self._prefetch.record(held.job.klass_name, seconds)
            self._context.note_end(held.job, transition, seconds)
            self._context.acknowledger.add(transition)

    def _wait(self) -> None:
        context = self._context
        context.acknowledger.send()
        if not context.held:
            context.board.mark_fetching()
        replies = context.acknowledger.descriptor
        more = () if replies is None else (replies,)
        if not context.control.has_news:
            context.control.wait(context.options.interval, self._pool.fileno(), *more)

    def _pass_messages(self) -> None:
        """Pass on to the running jobs what the supervisor has sent."""
        control = self._context.control
        if control.repeat:
            control.repeat = False
            self._pool.repeat_interrupts()
        if not (control.stop or control.over_limit or control.lost or control.kill):
            return
        for lease in self._started:
            message = self._message(lease)
            sent = self._sent.get(lease)
            if message is not None and (
                sent is None or _URGENCY.index(message) > _URGENCY.index(sent)
            ):
                self._sent[lease] = message
                self._pool.send(self._context.held[lease], message)
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
