"""Raise an exception inside a running handler: timeouts, stops and lost leases.

Python offers a different means for each place in which a handler runs. In the main thread a signal
handler simply raises, which also ends a blocking system call. In any other thread the interpreter
raises as soon as the thread executes Python code again. A task is canceled where it awaits.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import Final, Self

from qless_py.errors import SoftLimitError

# Set in the tasks of a handler whose event loop runs nothing else: then an alarm can end the block
# of a task that never awaits, and hits no other job.
RUNS_ALONE: Final[ContextVar[bool]] = ContextVar("qless_py_runs_alone", default=False)
_SLACK: Final = 0.2  # Seconds that a loop has to cancel the block itself.


class InterruptibleBlock:
    """A `with` block in which other threads can raise an exception.

    `error` is the type that was sent last. One that was sent before the block is entered is raised
    on entry; one that is sent after the block was left has no effect.
    """

    __slots__ = ("_is_sent", "_lock", "_loop", "_task", "_thread", "error")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._task: asyncio.Task[object] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_sent = False
        self.error: type[BaseException] | None = None

    def __enter__(self) -> Self:
        with self._lock:
            self._thread = threading.get_ident()
            error = self.error
        if error is not None:
            raise error
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._thread = None
            error = self.error if self._is_sent else None
        if error is None:
            return
        # An exception that was sent and has not arrived must not hit the next job: it arrives at a
        # backward jump, so it arrives here. It is not revoked by sending None, because CPython 3.11
        # would then look for a pending exception at every jump for the rest of the process, and
        # loop for ever in a function that is traced or profiled.
        try:
            for _ in range(2):
                pass
        except error:
            pass

    def enter_task(self) -> None:
        """Move the block from a thread to the current task, which `interrupt` cancels from now on.

        The task gets a CancelledError, and `error` says what to report instead.
        """
        with self._lock:
            self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
            error = self.error
        if error is not None:
            raise error

    def interrupt(self, error: type[BaseException]) -> None:
        """Raise an exception of this type in the block."""
        with self._lock:
            self.error = error
            if self._task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
            elif self._thread is not None:
                self._is_sent = True
                _raise_in_thread(self._thread, error)


class SoftLimit:
    """Raise `SoftLimitError` in a `with` or `async with` block that runs for longer than this."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: _Alarm | _Timer | None = None
        self._timeout: asyncio.Timeout | None = None

    def _is_late(self) -> bool:
        """Return whether the loop has not canceled the block, since some task does not await."""
        return self._timeout is not None and not self._timeout.expired()

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        self._timer = (_Alarm if is_main else _Timer)(self._seconds)
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._timer is not None:
            self._timer.stop()

    async def __aenter__(self) -> Self:
        self._timeout = asyncio.timeout(self._seconds)
        await self._timeout.__aenter__()
        if RUNS_ALONE.get() and threading.current_thread() is threading.main_thread():
            self._timer = _Alarm(self._seconds, _SLACK, self._is_late)
            self._timer.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.stop()
        if self._timeout is None:
            return
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise _exceeded(self._seconds) from error


class _Alarm:
    """Interrupt the main thread by SIGALRM.

    There is only one alarm in a process. If one of the application is due earlier, it ends the
    block early with SoftLimitError. At the end of the block the application's alarm is set again
    for the time that is left of it.
    """

    def __init__(
        self, seconds: float, slack: float = 0.0, is_needed: Callable[[], bool] | None = None
    ) -> None:
        self._seconds = seconds
        self._slack = slack
        self._is_needed = is_needed

    def start(self) -> None:
        self._handler = signal.signal(signal.SIGALRM, self._on_alarm)
        self._started = time.monotonic()
        due_in = self._seconds + self._slack
        self._remaining = signal.setitimer(signal.ITIMER_REAL, due_in)[0]
        if 0 < self._remaining < due_in:
            signal.setitimer(signal.ITIMER_REAL, self._remaining)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        if self._remaining:
            remaining = self._remaining - (time.monotonic() - self._started)
            signal.setitimer(signal.ITIMER_REAL, max(remaining, 0.001))

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_needed is None or self._is_needed():
            raise _exceeded(self._seconds)


class _Timer:
    """Interrupt the current thread from a timer thread."""

    def __init__(self, seconds: float) -> None:
        self._block = InterruptibleBlock()
        self._timer = threading.Timer(seconds, self._block.interrupt, (SoftLimitError,))
        self._timer.daemon = True

    def start(self) -> None:
        self._block.__enter__()
        self._timer.start()

    def stop(self) -> None:
        self._block.__exit__()
        self._timer.cancel()


def _raise_in_thread(thread: int, error: type[BaseException]) -> None:
    """Raise an exception in a thread as soon as it executes Python code."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def _exceeded(seconds: float) -> SoftLimitError:
    return SoftLimitError(f"the handler ran for longer than its soft limit of {seconds:g} s")
