"""Jobs in threads, and `async def` handlers in one event loop beside them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from types import FrameType
from typing import Final

from qless_py.errors import GracefulStop, ImmediateStop, LostLeaseError, SoftLimitError
from qless_py.handlers.executor import Executor
from qless_py.handlers.interrupt import InterruptibleBlock
from qless_py.handlers.result import Transition
from qless_py.worker import control_pipe, sandbox
from qless_py.worker.child_context import HeldJob

logger = logging.getLogger(__name__)

_ERRORS: Final[dict[bytes, type[BaseException]]] = {
    control_pipe.STOP: GracefulStop,
    control_pipe.LIMIT: SoftLimitError,
    control_pipe.LOST: LostLeaseError,
    control_pipe.RELEASE: ImmediateStop,
    control_pipe.KILL: ImmediateStop,
}


class ThreadPool:
    """As many threads as there are slots; each is started when it is first needed.

    `on_start` is called with each job in its thread, before the handler is entered.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        folder: sandbox.Folder = None,
        on_start: Callable[[HeldJob], None] | None = None,
    ) -> None:
        self._executor = executor
        self._folder = folder
        self._on_start = on_start
        self._inbox: queue.SimpleQueue[HeldJob | None] = queue.SimpleQueue()
        self._done: deque[tuple[HeldJob, Transition]] = deque()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._lock = threading.Lock()
        self._is_notified = False
        self._next_after: Callable[[HeldJob], HeldJob | None] = _nothing
        self._blocks: dict[str, InterruptibleBlock] = {}
        self._loop = _EventLoop()

    def follow(self, next_after: Callable[[HeldJob], HeldJob | None]) -> None:
        """Call this in the thread of each job at its end, and run there the job it returns."""
        self._next_after = next_after

    def start(self, held: HeldJob) -> None:
        """Run the job in a thread."""
        if self._busy >= len(self._threads):
            name = f"qless-{len(self._threads)}"
            # A daemon: a thread that does not finish its job must not keep the process alive.
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        with self._lock:
            self._busy += 1
        self._blocks[held.leased.lease] = InterruptibleBlock()
        self._inbox.put(held)

    def collect(self) -> Sequence[tuple[HeldJob, Transition]]:
        """Return the jobs that have ended, with their results."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
        ended = []
        while self._done:
            ended.append(self._done.popleft())
        for held, _ in ended:
            self._blocks.pop(held.leased.lease, None)
        return ended

    def fileno(self) -> int:
        """Return the end of a pipe into which a thread writes when its job has ended."""
        return self._reader

    def rearm(self) -> bool:
        """Have the next result wake the main thread; return whether there is one already."""
        self._is_notified = False
        return bool(self._done)

    def send(self, held: HeldJob, message: bytes) -> bool:
        """Raise in the thread or the task of the job what the message calls for."""
        block = self._blocks.get(held.leased.lease)
        if block is None:
            return False
        if message != control_pipe.STOP or held.job.is_stoppable:
            block.interrupt(_ERRORS[message])
        return True

    def repeat_interrupts(self) -> None:
        """Do nothing: an exception that was raised in a thread arrives."""

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Do nothing: the message has made the control pipe readable as well."""

    @property
    def is_busy(self) -> bool:
        """Whether a thread or a task runs a job."""
        return self._busy > 0

    def close(self) -> None:
        """End the threads; each is waited for."""
        self.abandon()
        for thread in self._threads:
            thread.join()
        self._loop.close()
        os.close(self._reader)
        os.close(self._writer)

    def abandon(self) -> None:
        """Let each thread end after its job, without waiting for any of them.

        The pipe stays open: a thread that ends later writes into it.
        """
        for _ in self._threads:
            self._inbox.put(None)

    def _serve(self) -> None:
        while (first := self._inbox.get()) is not None:
            held: HeldJob | None = first
            while held is not None:
                held = self._perform(held)

    def _perform(self, held: HeldJob) -> HeldJob | None:
        """Run a job and return the one that follows it in its slot; None if a task runs it."""
        block = self._blocks[held.leased.lease]
        try:
            transition = self._run(held, block)
        except BaseException as error:  # noqa: BLE001 - an interrupt that came too late
            transition = Transition.raised(held.job, error)
        return None if transition is None else self._end(held, transition)

    def _run(self, held: HeldJob, block: InterruptibleBlock) -> Transition | None:
        """Run a job; returns None if a task of the event loop runs it."""
        job, executor = held.job, self._executor
        is_task = False
        try:
            with block:
                if executor.is_async(job):
                    is_task = True
                    self._loop.start(self._arun(held, block))
                    return None
                if self._on_start is not None:
                    self._on_start(held)
                with sandbox.for_job(self._folder, job):
                    value = executor.run(job)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises fails its job
            return None if is_task else Transition.raised(job, error)
        return Transition.returned(job, value)

    async def _arun(self, held: HeldJob, block: InterruptibleBlock) -> None:
        job = held.job
        try:
            with sandbox.for_job(self._folder, job):
                block.enter_task()
                if self._on_start is not None:
                    self._on_start(held)
                value = await self._executor.arun(job)
        except asyncio.CancelledError as error:
            transition = Transition.raised(job, block.error() if block.error else error)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises fails its job
            transition = Transition.raised(job, error)
        else:
            transition = Transition.returned(job, value)
        following = self._end(held, transition)
        if following is None:
            return
        ended, next_one = held.leased, following.leased
        if (next_one.klass, next_one.queue) == (ended.klass, ended.queue):  # `async def`, too.
            self._loop.start_here(self._arun(following, self._blocks[next_one.lease]))
        else:
            self._inbox.put(following)

    def _end(self, held: HeldJob, transition: Transition) -> HeldJob | None:
        """Keep the result of a job for `collect`; return the job that follows it in its slot."""
        following = self._next_after(held)
        if following is None:
            with self._lock:
                self._busy -= 1
        else:
            self._blocks[following.leased.lease] = InterruptibleBlock()
        self._done.append((held, transition))
        # The main thread is woken when a slot is free, and once for results after `rearm`.
        if following is None or not self._is_notified:
            self._is_notified = True
            # A full pipe is readable already, which is all that matters.
            with contextlib.suppress(BlockingIOError):
                os.write(self._writer, b"x")
        return following


def _nothing(_held: HeldJob) -> None:
    """Have no job follow another one in its slot."""


class _EventLoop:
    """An event loop in a thread of its own, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[object] = set()
        self._context = contextvars.copy_context()

    def start(self, coroutine: Coroutine[object, object, None]) -> None:
        """Start a coroutine without waiting for it."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run_loop, args=(self._loop,), name="qless-loop", daemon=True
                )
                self._thread.start()
        self._loop.call_soon_threadsafe(self.start_here, coroutine)

    def start_here(self, coroutine: Coroutine[object, object, None]) -> None:
        """Do the same in the thread of the loop, for each with variables of its own."""
        if self._loop is not None:
            task = self._loop.create_task(coroutine, context=self._context.copy())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Stop the loop."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, even if a task of a handler exits."""
    while True:
        try:
            loop.run_forever()
        except BaseException:
            logger.exception("a task that a handler started tried to end the event loop")
        else:
            return
