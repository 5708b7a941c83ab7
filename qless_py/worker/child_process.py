"""A child as its parent sees it: where it runs, what its board says, how to reach it."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from qless_py.worker import control_pipe as orders
from qless_py.worker import signals
from qless_py.worker.status_board import Board, Held, Note

logger = logging.getLogger(__name__)

_REPEAT: Final = 0.1  # Seconds after which an interruption is repeated.


@dataclass(slots=True)
class Member:
    """One forked child. `nonce` is drawn for each fork and makes its leases its own.

    `told` is the strongest order to leave that it was given; a `retired` one is to be replaced.
    """

    index: int
    worker: str
    nonce: str
    board: Board
    pipe: int
    pid: int
    forked_at: float
    told: bytes | None = None
    is_stopped: bool = False
    is_retired: bool = False
    is_quiet: bool = False
    is_known: bool = False
    kill_at: float | None = None
    repeat_at: float | None = None
    cause: str = ""
    given_back: set[str] = field(default_factory=set)
    doomed: dict[str, float] = field(default_factory=dict)
    postponed: set[str] = field(default_factory=set)
    flushed: set[str] = field(default_factory=set)
    _since: float = 0.0
    _seen: tuple[object, ...] = ()

    def announce(self, order: bytes, lease: str = "", *, interrupt: bool = False) -> bool:
        """Give an order; with `interrupt` also a signal, so that a running handler sees it."""
        is_sent = orders.announce(self.pipe, order, lease)
        if interrupt:
            self.signal(signal.SIGTERM)
            self.repeat_at = time.monotonic() + _REPEAT
        return is_sent

    def repeat(self, now: float) -> None:
        """Interrupt once more, when it is time for that, whoever was interrupted.

        A signal that comes right before a handler begins to wait in the kernel does not end that
        wait: it is heard afterwards. Obeyed orders are not obeyed again.
        """
        if self.repeat_at is not None and now >= self.repeat_at:
            orders.announce(self.pipe, orders.AGAIN)
            self.signal(signal.SIGTERM)
            self.repeat_at = None

    def hush(self, *, is_quiet: bool) -> None:
        """Have the child take no more jobs, or take jobs again."""
        self.is_quiet = is_quiet
        self.announce(orders.QUIET if is_quiet else orders.RESUME)

    def held(self) -> tuple[Held, ...]:
        """Give the jobs that the child holds and that were not given back in its stead."""
        held = self.board.read().held
        if not self.given_back:
            return held
        self.given_back.intersection_update(one.lease for one in held)
        return tuple(one for one in held if one.lease not in self.given_back)

    def still_for(self, note: Note, now: float) -> float:
        """Give for how many seconds the board has said the same, as far as was looked."""
        seen = (note.version, note.stages)
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since

    def signal(self, number: signal.Signals) -> None:
        """Send a signal. The pid is ours until it was reaped, so it hits nobody else."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self, cause: str) -> None:
        """Kill the child; `cause` is what will be said of the jobs that it was at."""
        self.cause = self.cause or cause
        self.signal(signal.SIGKILL)

    def reap(self) -> str | None:
        """Give how the child ended, `signal 9` or `exit 1`, or None while it lives."""
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:
                return None
            code = os.waitstatus_to_exitcode(status)
            return f"signal {-code}" if code < 0 else f"exit {code}"
        return "exit unknown"  # Somebody else waited for our child.

    def close(self) -> None:
        """Give back what the parent kept for the child."""
        with contextlib.suppress(OSError):
            os.close(self.pipe)
        self.board.close()


@dataclass(frozen=True, slots=True)
class Birth:
    """What a fresh child is given; `interrupt` is the signal that says that there are orders."""

    worker: str
    nonce: str
    board: Board
    pipe: int
    parent: int
    interrupt: signal.Signals = signal.SIGTERM


def fork(
    index: int, worker: str, live: Callable[[Birth], int], close_inherited: Callable[[], None]
) -> Member:
    """Fork a child that runs `live` and ends with what it returns.

    `close_inherited` runs first in the child and closes what belongs to the parent alone.
    """
    parent = os.getpid()
    with contextlib.ExitStack() as in_vain:
        board = Board()
        in_vain.callback(board.close)
        reader, writer = os.pipe()
        for end in (reader, writer):
            in_vain.callback(os.close, end)
            os.set_blocking(end, False)
        birth = Birth(worker, secrets.token_hex(6), board, reader, parent)
        _flush()
        with signals.held_back():
            pid = os.fork()
            if pid == 0:
                signals.deafen()
        in_vain.pop_all()
    if pid == 0:
        os.close(writer)
        _be_child(parent, birth, live, close_inherited)
    os.close(reader)
    return Member(index, worker, birth.nonce, board, writer, pid, time.monotonic())


def _be_child(
    parent: int, birth: Birth, live: Callable[[Birth], int], close_inherited: Callable[[], None]
) -> NoReturn:
    code = 1
    try:
        signals.die_with(parent)
        close_inherited()
        code = live(birth)
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's code
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
