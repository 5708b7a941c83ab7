"""Signals: one descriptor the parent can select on, and children that die with their parent."""

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
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Final, Self

# What a parent reacts to. A child gets the same ones when a whole process group is signalled.
PARENT: Final = (
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
GROUP: Final = PARENT[1:]
_PR_SET_PDEATHSIG: Final = 1

# What signal.getsignal looks up: it makes an enumeration of it first, for longer than a short job
# takes.
handler_of: Final[Callable[[int], object]] = importlib.import_module("_signal").getsignal

Handler = Callable[[int, FrameType | None], object]


class SignalPipe:
    """The signals that arrived, readable like a file; nothing is done inside a handler."""

    def __init__(self, signals: Iterable[signal.Signals] = PARENT) -> None:
        self._signals = tuple(signals)
        self._reader, self._writer = socket.socketpair()
        self._before: dict[int, Handler | int | None] = {}
        self._wakeup_before = -1
        for end in (self._reader, self._writer):
            end.settimeout(0)

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._signals:
            # Only a handler written in Python makes the interpreter write to the wake-up pipe.
            self._before[number] = signal.signal(number, _notice)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self.close()

    def fileno(self) -> int:
        """Give the descriptor that becomes readable when a signal arrives."""
        return self._reader.fileno()

    def take(self) -> list[int]:
        """Give the signals that arrived since the last call, in order."""
        with contextlib.suppress(BlockingIOError):
            return list(self._reader.recv(4096))
        return []

    def wake(self) -> None:
        """Make the descriptor readable without a signal."""
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"\0")

    def close(self) -> None:
        """Close both ends without touching any handler: what a forked child does."""
        self._reader.close()
        self._writer.close()


def without_order(numbers: list[int]) -> list[int]:
    """Give signals of one moment so that their order does not matter, as the kernel keeps none.

    Of a pause and its end the end holds: whoever sends both wants jobs to run.
    """
    if signal.SIGCONT in numbers:
        return [one for one in numbers if one != signal.SIGUSR2]
    return numbers


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold the signals back for the time of a fork.

    A fresh fork still has its parent's handlers and wake-up pipe: a signal for the whole group
    would be written there by both, and a second TERM means something else than a first one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*PARENT, *GROUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def deafen() -> None:
    """Make a fresh fork deaf to the signals meant for its whole group.

    Handlers, not SIG_IGN: a program that the job starts must not inherit the deafness.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in GROUP:
        signal.signal(number, _notice)


def deafen_again(but: signal.Signals) -> None:
    """Put back what a handler has changed and left changed, for signals other than this one."""
    for number in GROUP:
        if number not in (but, signal.SIGTTIN) and handler_of(number) is not _notice:
            signal.signal(number, _notice)


def dump_stacks() -> None:
    """Have TTIN print what all threads are doing, also when the interpreter is held."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # No usable standard error.
        faulthandler.register(signal.SIGTTIN, file=sys.stderr, all_threads=True)


def restore() -> None:
    """Give the signals of the group back the meaning that they have in any Python program."""
    faulthandler.unregister(signal.SIGTTIN)
    signal.set_wakeup_fd(-1)
    for number in GROUP:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def prepare() -> None:
    """Look up what `die_with` calls, before the first fork instead of after each."""
    _prctl()


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (Linux); leave if it already has.

    Elsewhere the end of the orders' pipe tells it, at the latest between two jobs.
    """
    prctl = _prctl()
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It ended between the fork and the line above.
        os._exit(1)


@functools.cache
def _prctl() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    found: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return found


def _notice(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up pipe has the number already."""
