"""A limit of time for a handler: it is told by an exception, wherever it is."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from qless_py.errors import SoftLimitError
from qless_py.protocol import arguments as options
from qless_py.protocol.arguments import Seconds


class Timeout:
    """Middleware that raises `SoftLimitError` in a handler that runs for longer than so.

    A handler in the main thread is interrupted by a signal, `async def` is cancelled where it
    awaits, another thread gets the exception as soon as it is back in Python. What ignores the
    exception goes on: only a hard limit, at which the process is killed, ends it for certain.
    """

    def __init__(self, seconds: Seconds) -> None:
        self._seconds = options.span("seconds", seconds, 0.001) / 1000

    def __call__(self, _job: Any) -> SoftLimit:
        """Give the limit for one run."""
        return SoftLimit(self._seconds)


class SoftLimit:
    """The limit of one run, entered as `with` or as `async with`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._alarm: _Signal | _Injection | None = None
        self._timeout: asyncio.Timeout | None = None

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        self._alarm = (_Signal if is_main else _Injection)(self._seconds)
        self._alarm.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._alarm is not None:
            self._alarm.stop()

    async def __aenter__(self) -> Self:
        self._timeout = asyncio.timeout(self._seconds)
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timeout is None:
            return
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise _error(self._seconds) from error


class _Signal:
    """Interrupts the main thread. An alarm that was set before goes on when this one ends."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def start(self) -> None:
        self._before = signal.signal(signal.SIGALRM, self._ring)
        self._started = time.monotonic()
        self._left = signal.setitimer(signal.ITIMER_REAL, self._seconds)[0]
        if 0 < self._left < self._seconds:
            signal.setitimer(signal.ITIMER_REAL, self._left)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        if self._left:
            rest = self._left - (time.monotonic() - self._started)
            signal.setitimer(signal.ITIMER_REAL, max(rest, 0.001))

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        raise _error(self._seconds)


class _Injection:
    """Raises in this thread from another one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._thread = ctypes.c_ulong(threading.get_ident())
        self._lock = threading.Lock()
        self._is_over = False

    def start(self) -> None:
        self._timer = threading.Timer(self._seconds, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        with self._lock:
            self._is_over = True
        self._timer.cancel()
        # What was raised at the last moment and has not arrived must not hit the next job.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, None)

    def _ring(self) -> None:
        with self._lock:
            if not self._is_over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    self._thread, ctypes.py_object(SoftLimitError)
                )


def _error(seconds: float) -> SoftLimitError:
    return SoftLimitError(f"the handler ran for longer than its soft limit of {seconds:g} s")
