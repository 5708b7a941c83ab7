"""Signals: a descriptor that the supervisor can select on, and children that die with it."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import functools
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Final, Self

# What a supervisor reacts to. A child gets the same ones when a whole process group is signaled.
SUPERVISOR: Final = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
    signal.SIGTTIN,
)
GROUP: Final = SUPERVISOR[1:]
_PR_SET_PDEATHSIG: Final = 1

Handler = Callable[[int, FrameType | None], object]

# signal.getsignal without its conversion to an enum, which takes longer than a short job.
_handler_of: Final[Callable[[int], Handler | int | None]] = importlib.import_module(
    "_signal"
).getsignal


class SignalPipe:
    """The signals that arrived, readable like a file. Nothing is done inside a signal handler."""

    def __init__(self, signals: Iterable[signal.Signals] = SUPERVISOR) -> None:
        self._signals = tuple(signals)
        self._reader, self._writer = socket.socketpair()
        self._before: dict[int, Handler | int | None] = {}
        self._wakeup_before = -1
        for end in (self._reader, self._writer):
            end.settimeout(0)

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._signals:
            # The interpreter writes to the wake-up pipe only for signals with a handler in Python.
            self._before[number] = signal.signal(number, _do_nothing)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a signal arrives."""
        return self._reader.fileno()

    def take(self) -> list[int]:
        """Return the signals that arrived since the last call, in order."""
        with contextlib.suppress(BlockingIOError):
            return list(self._reader.recv(4096))
        return []

    def wake(self) -> None:
        """Make the descriptor readable without a signal."""
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"\0")

    def close(self) -> None:
        """Close both ends without changing any handler, as a forked child does."""
        self._reader.close()
        self._writer.close()


def without_conflicts(numbers: list[int]) -> list[int]:
    """Drop USR2 (quiet) if CONT (resume) arrived with it.

    The kernel keeps no order among pending signals, and a sender of both wants jobs to run.
    """
    if signal.SIGCONT in numbers:
        return [one for one in numbers if one != signal.SIGUSR2]
    return numbers


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Block the signals during a fork.

    A new fork still has the handlers and the wake-up pipe of its parent: a signal to the whole
    group would be written there by both, and a second TERM means more than the first one.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SUPERVISOR)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def ignore_group_signals() -> None:
    """Ignore, in a new fork, the signals that are sent to its whole group.

    By handlers, not SIG_IGN, which the programs that a job starts would inherit.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in GROUP:
        signal.signal(number, _do_nothing)


class Handlers:
    """The handlers of some signals, which `restore` installs again after each job."""

    def __init__(self, handlers: Mapping[int, Handler | int | None]) -> None:
        # A plain number is passed on faster than one of the enum.
        self._numbers = [int(number) for number in handlers]
        self._handlers = [*handlers.values()]

    @classmethod
    def present(cls, numbers: Iterable[int]) -> Self:
        """Return those that are installed now."""
        return cls({number: _handler_of(number) for number in numbers})

    def restore(self) -> None:
        """Undo what the code of a job did to them."""
        if [*map(_handler_of, self._numbers)] == self._handlers:
            return
        for number, handler in zip(self._numbers, self._handlers, strict=True):
            # None stands for one that was not installed by Python, which cannot install it again.
            if _handler_of(number) != handler and handler is not None:
                signal.signal(number, handler)


def of_child(number: signal.Signals, on_signal: Handler) -> Handlers:
    """Return the handlers of a child: of the signal for its messages, the others are ignored."""
    handlers: dict[int, Handler | int | None] = {number: on_signal}
    for one in GROUP:
        if one not in (number, signal.SIGTTIN):
            handlers[one] = _do_nothing
    return Handlers(handlers)


def enable_stack_dumps(descriptor: int | None = None) -> None:
    """Write the stacks of all threads on TTIN, even while one of them holds the interpreter.

    They go to a descriptor or to standard error.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):  # No usable standard error.
        file = sys.stderr if descriptor is None else descriptor
        faulthandler.register(signal.SIGTTIN, file=file, all_threads=True)


def restore_defaults() -> None:
    """Reset the signals of the group to what they do in any Python program."""
    faulthandler.unregister(signal.SIGTTIN)
    signal.set_wakeup_fd(-1)
    for number in GROUP:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def load_prctl() -> None:
    """Look up the call of `die_with_parent` once before the first fork, not after each."""
    _prctl()


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends (Linux); exit if it already has.

    Elsewhere the child notices the end of the control pipe, at the latest between two jobs.
    """
    prctl = _prctl()
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # The parent ended between the fork and the line above.
        os._exit(1)


@functools.cache
def _prctl() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    found: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return found


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the interpreter has written the number to the wake-up pipe."""
