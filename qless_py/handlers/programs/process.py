"""One run of a program: fed, listened to, and ended with all the processes that it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

_CHUNK: Final = 65536
# How often the exception of another thread, which cannot wake a sleeper, is looked for.
_GLANCE: Final = 0.5
_LAST_WORDS: Final = 1.0
_DIES_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a program may run, what is kept of what it says, and how it is ended.

    After `seconds` its process group gets TERM, and KILL `interval` seconds later.
    """

    seconds: float | None
    interval: float
    output: int
    errors: int


@dataclass(slots=True)
class Kept:
    """What a stream said: its first bytes, or its last ones."""

    most: int
    is_end: bool
    data: bytearray = field(default_factory=bytearray)

    def add(self, chunk: bytes) -> None:
        """Take more."""
        self.data += chunk if self.is_end else chunk[: max(0, self.most - len(self.data))]
        if self.is_end:
            del self.data[: max(0, len(self.data) - self.most)]


class Process:
    """A program that runs. When it is left, it and its process group have ended, come what may.

    On Linux it is killed, too, when the process that started it dies.
    """

    def __init__(
        self,
        argv: Sequence[str],
        given: bytes,
        environment: Mapping[str, str],
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._given = memoryview(given)
        self.output = Kept(limits.output, is_end=False)
        self.errors = Kept(limits.errors, is_end=True)
        self.timed_out = False
        self._code: int | None = None
        self._deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._process = subprocess.Popen(  # noqa: S603 - the program that the operator named
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
            preexec_fn=_die_with_parent if _PRCTL else None,  # noqa: PLW1509 - one call, no locks
        )

    def __enter__(self) -> Self:
        return self

    def wait(self) -> int | None:
        """Feed it, listen, and wait for its end.

        Gives its exit code, below 0 for a signal, `None` if somebody else has taken its end.
        """
        with selectors.DefaultSelector() as selector, _ended(self._process.pid) as ended:
            for stream, mode in (
                (self._process.stdin, selectors.EVENT_WRITE),
                (self._process.stdout, selectors.EVENT_READ),
                (self._process.stderr, selectors.EVENT_READ),
            ):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    selector.register(stream.fileno(), mode, stream)
            if ended is not None:
                selector.register(ended, selectors.EVENT_READ)
            # A process that it left behind may hold the streams open: its own end is what counts.
            while not self._has_ended():
                glance = _GLANCE if ended is not None else _GLANCE / 10
                self._turn(selector, min(self._left(), glance))
                self._enforce()
            until = time.monotonic() + _LAST_WORDS
            while self._turn(selector, 0.0) and time.monotonic() < until:
                pass
        return self._code

    def _turn(self, selector: selectors.BaseSelector, wait: float) -> bool:
        """Serve the streams that are ready; tells whether there was one."""
        ready = [key for key, _ in selector.select(wait) if key.data is not None]
        for key in ready:
            if not self._serve(key.fd, key.data):
                selector.unregister(key.fd)
                key.data.close()
        return bool(ready)

    def _serve(self, number: int, stream: Any) -> bool:
        """Write to it or read from it; False when that is over."""
        try:
            if stream is self._process.stdin:
                self._given = self._given[os.write(number, self._given[:_CHUNK]) :]
                return bool(self._given)
            chunk = os.read(number, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False  # It does not want to know more.
        (self.output if stream is self._process.stdout else self.errors).add(chunk)
        return bool(chunk)

    def _has_ended(self) -> bool:
        """Look without reaping it, so that its number still means its group, and no other."""
        try:
            seen = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        if seen is None:
            return False
        self._code = seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status
        return True

    def _left(self) -> float:
        if self._deadline is None:
            return float("inf")
        return max(0.0, self._deadline - time.monotonic())

    def _enforce(self) -> None:
        """End it when its time is over: TERM first, KILL an interval later."""
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        self._signal(signal.SIGKILL if self.timed_out else signal.SIGTERM)
        self.timed_out = True
        self._deadline = time.monotonic() + self._limits.interval

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if not self._has_ended():
            self._signal(signal.SIGTERM)
            self._wait_briefly(min(self._limits.interval, _LAST_WORDS))
        self._signal(signal.SIGKILL)  # Also what it left behind in its group.
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def _wait_briefly(self, seconds: float) -> None:
        """Wait for its end, as long as this."""
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector, _ended(self._process.pid) as ended:
            if ended is not None:
                selector.register(ended, selectors.EVENT_READ)
            while not self._has_ended() and (left := until - time.monotonic()) > 0:
                selector.select(min(left, _GLANCE / 10))


@contextlib.contextmanager
def _ended(process: int) -> Iterator[int | None]:
    """Give a descriptor that can be read once the process has ended, where there are such."""
    try:
        descriptor = os.pidfd_open(process)
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _prctl() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)


# Looked up before any fork: in the child nothing but the call itself may happen.
_PRCTL: Final = _prctl()


def _die_with_parent() -> None:
    _PRCTL(_DIES_WITH_PARENT, signal.SIGKILL)
