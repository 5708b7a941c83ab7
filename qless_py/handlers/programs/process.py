"""Run a program once: feed it, capture its output, and end it with every process it started."""

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
# An exception sent by another thread does not wake a select, so none waits longer than this.
_MAX_SELECT: Final = 0.5
_DRAIN_TIMEOUT: Final = 1.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a program's run.

    After `seconds` its process group gets TERM, and KILL `interval` seconds later. Of its standard
    output the first `output` bytes are kept, of its standard error the last `errors` bytes.
    """

    seconds: float | None
    interval: float
    output: int
    errors: int


@dataclass(slots=True)
class Capture:
    """The first or the last bytes that a stream carried."""

    most: int
    is_end: bool
    data: bytearray = field(default_factory=bytearray)

    def add(self, chunk: bytes) -> None:
        """Add what was read, within the limit."""
        self.data += chunk if self.is_end else chunk[: max(0, self.most - len(self.data))]
        if self.is_end:
            del self.data[: max(0, len(self.data) - self.most)]


class Process:
    """A running program; at the end of the `with` block its whole process group has ended.

    On Linux it is also killed when the process that started it dies.
    """

    def __init__(
        self,
        argv: Sequence[str],
        stdin: bytes,
        environment: Mapping[str, str],
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._stdin = memoryview(stdin)
        self.output = Capture(limits.output, is_end=False)
        self.errors = Capture(limits.errors, is_end=True)
        self.timed_out = False
        self._code: int | None = None
        self._deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._process = subprocess.Popen(  # noqa: S603 - configured by the operator
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
        """Wait for the program while writing its input and reading its output.

        Return its exit code, negative for a signal, or None if someone else has reaped it.
        """
        with (
            selectors.DefaultSelector() as selector,
            _exit_descriptor(self._process.pid) as descriptor,
        ):
            for stream, mode in (
                (self._process.stdin, selectors.EVENT_WRITE),
                (self._process.stdout, selectors.EVENT_READ),
                (self._process.stderr, selectors.EVENT_READ),
            ):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    selector.register(stream.fileno(), mode, stream)
            if descriptor is not None:
                selector.register(descriptor, selectors.EVENT_READ)
            # Processes that it leaves behind may hold its streams open: wait for its exit instead.
            while not self._has_ended():
                longest = _MAX_SELECT if descriptor is not None else _MAX_SELECT / 10
                self._serve_ready(selector, min(self._left(), longest))
                self._enforce()
            until = time.monotonic() + _DRAIN_TIMEOUT
            while self._serve_ready(selector, 0.0) and time.monotonic() < until:
                pass
        return self._code

    def _serve_ready(self, selector: selectors.BaseSelector, wait: float) -> bool:
        """Read and write the streams that are ready; return whether any was."""
        ready = [key for key, _ in selector.select(wait) if key.data is not None]
        for key in ready:
            if not self._serve(key.fd, key.data):
                selector.unregister(key.fd)
                key.data.close()
        return bool(ready)

    def _serve(self, number: int, stream: Any) -> bool:
        """Write to or read from a stream; return False at its end."""
        try:
            if stream is self._process.stdin:
                self._stdin = self._stdin[os.write(number, self._stdin[:_CHUNK]) :]
                return bool(self._stdin)
            chunk = os.read(number, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False  # The program has closed its input.
        (self.output if stream is self._process.stdout else self.errors).add(chunk)
        return bool(chunk)

    def _has_ended(self) -> bool:
        """Return whether it exited. It is not reaped, so that its pid still names its group."""
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
        """After the time limit, send TERM, and KILL an interval later."""
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
            self._wait_briefly(min(self._limits.interval, _DRAIN_TIMEOUT))
        self._signal(signal.SIGKILL)  # Also ends processes that it left behind in its group.
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def _wait_briefly(self, seconds: float) -> None:
        """Wait up to `seconds` for its exit."""
        until = time.monotonic() + seconds
        with (
            selectors.DefaultSelector() as selector,
            _exit_descriptor(self._process.pid) as descriptor,
        ):
            if descriptor is not None:
                selector.register(descriptor, selectors.EVENT_READ)
            while not self._has_ended() and (left := until - time.monotonic()) > 0:
                selector.select(min(left, _MAX_SELECT / 10))


@contextlib.contextmanager
def _exit_descriptor(pid: int) -> Iterator[int | None]:
    """Open a descriptor that becomes readable when a process exits, where the system has them."""
    try:
        descriptor = os.pidfd_open(pid)
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


# Looked up before any fork: between fork and exec nothing but the call itself is safe.
_PRCTL: Final = _prctl()


def _die_with_parent() -> None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
