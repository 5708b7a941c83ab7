"""Jobs in threads, and those that are `async def` in one event loop beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Coroutine, Sequence
from types import FrameType

from qless_py.errors import GracefulStop, ImmediateStop, LostLeaseError, SoftLimitError
from qless_py.handlers.interrupt import Interruptible
from qless_py.worker import control_pipe as orders
from qless_py.worker import perform, sandbox
from qless_py.worker.child_context import Desk, Row
from qless_py.worker.perform import Verdict

logger = logging.getLogger(__name__)

_KINDS: dict[bytes, type[BaseException]] = {
    orders.STOP: GracefulStop,
    orders.LIMIT: SoftLimitError,
    orders.LOST: LostLeaseError,
    orders.RELEASE: ImmediateStop,
    orders.KILL: ImmediateStop,
}


class Threads:
    """A crew of threads, as many as there are places; each is started when it is first needed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._inbox: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._done: deque[tuple[Row, Verdict]] = deque()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._blocks: dict[str, Interruptible] = {}
        self._loop = _Loop()

    def start(self, row: Row) -> None:
        """Have a thread run the job."""
        if self._busy >= len(self._threads):
            name = f"qless-{len(self._threads)}"
            # A thread that does not let go of its job must not keep the process from ending.
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._busy += 1
        self._blocks[row.held.lease] = Interruptible()
        self._inbox.put(row)

    def finished(self) -> Sequence[tuple[Row, Verdict]]:
        """Give the jobs that have ended."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
        ended = []
        while self._done:
            ended.append(self._done.popleft())
        for row, _ in ended:
            self._busy -= 1
            self._blocks.pop(row.held.lease, None)
        return ended

    def fileno(self) -> int:
        """Give the end of a pipe into which a thread writes when its job has ended."""
        return self._reader

    def tell(self, row: Row, order: bytes) -> None:
        """Raise in the thread or the task of the job what the order means."""
        block = self._blocks.get(row.held.lease)
        if block is not None and (order != orders.STOP or row.job.is_stoppable):
            block.interrupt(_KINDS[order])

    def repeat(self) -> None:
        """Do nothing: what is raised in a thread arrives."""

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Do nothing: what was ordered has made the pipe readable, too."""

    @property
    def is_busy(self) -> bool:
        """Whether a thread or a task runs a job."""
        return self._busy > 0

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()
        self._loop.close()

    def _serve(self) -> None:
        while (row := self._inbox.get()) is not None:
            block = self._blocks[row.held.lease]
            try:
                verdict = self._verdict(row, block)
            except BaseException as error:  # noqa: BLE001 - an interruption that came too late
                verdict = perform.raised(row.job, error)
            if verdict is not None:
                self._end(row, verdict)

    def _verdict(self, row: Row, block: Interruptible) -> Verdict | None:
        job, handlers = row.job, self._desk.handlers
        is_elsewhere = False
        try:
            with block:
                self._desk.note_limit(row)
                if handlers.is_async(job):
                    is_elsewhere = True
                    self._loop.run(self._awaited(row, block))
                    return None
                with sandbox.of(self._desk.options.sandbox, job):
                    result = handlers.run(job)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises fails its job
            return None if is_elsewhere else perform.raised(job, error)
        return perform.returned(job, result)

    async def _awaited(self, row: Row, block: Interruptible) -> None:
        job = row.job
        try:
            with sandbox.of(self._desk.options.sandbox, job):
                block.enter_task()
                result = await self._desk.handlers.arun(job)
        except asyncio.CancelledError as error:
            verdict = perform.raised(job, block.error() if block.error else error)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises fails its job
            verdict = perform.raised(job, error)
        else:
            verdict = perform.returned(job, result)
        self._end(row, verdict)

    def _end(self, row: Row, verdict: Verdict) -> None:
        self._done.append((row, verdict))
        # A full pipe is readable, which is all that is wanted.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"x")


class _Loop:
    """An event loop in a thread of its own, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[object] = set()

    def run(self, coroutine: Coroutine[object, object, None]) -> None:
        """Begin a coroutine; nobody waits for it."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="qless-loop", daemon=True
                )
                self._thread.start()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._tasks.add(future)
        future.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Stop the loop."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped: a task that exits lets it end for all others, too."""
    while True:
        try:
            loop.run_forever()
        except BaseException:
            logger.exception("a task that a handler has started would end the event loop")
        else:
            return
