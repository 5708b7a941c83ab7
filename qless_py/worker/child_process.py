"""A child as the supervisor sees it: its process, its status board, and how to reach it."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from qless_py.handlers.logs import Event
from qless_py.worker import control_pipe, exit_hooks, signals
from qless_py.worker.stack_file import StackFile
from qless_py.worker.status_board import LeasedJob, Status, StatusBoard

logger = logging.getLogger(__name__)

_REPEAT: Final = 0.1  # Seconds after which an interrupt is repeated.


@dataclass(slots=True)
class ChildProcess:
    """One forked child.

    `nonce` is drawn for each fork and is part of its leases. `leave_message` is the strongest of
    STOP and RELEASE that it was sent. A retired child is replaced while it finishes its jobs;
    `is_releasing` is set once it was sent RELEASE. `released` are leases that the
    supervisor released on its behalf. `kill_deadlines` are the leases that were interrupted, with
    the time at which the process is killed if they are still running; `postponed_kills` are those
    whose first deadline has passed. `cause` is reported for the jobs that the child dies with. A
    retired child gets RELEASE at `release_at`. `ahead_checked` is the version of the board at which
    the jobs of an unread reply were looked for, and for how long that must have stayed before they
    are looked for again.
    """

    index: int
    worker: str
    nonce: str
    board: StatusBoard
    pipe: int
    pid: int
    forked_at: float
    leave_message: bytes | None = None
    is_releasing: bool = False
    is_retired: bool = False
    is_quiet: bool = False
    is_started: bool = False
    kill_at: float | None = None
    release_at: float | None = None
    stacks: StackFile | None = None
    repeat_at: float | None = None
    cause: str = ""
    released: set[str] = field(default_factory=set)
    kill_deadlines: dict[str, float] = field(default_factory=dict)
    postponed_kills: set[str] = field(default_factory=set)
    flushed: set[str] = field(default_factory=set)
    ahead_checked: tuple[int, float] = (0, 0.0)
    _changed_at: float = 0.0
    _last_seen: tuple[object, ...] = ()

    def send(self, message: bytes, lease: str = "", *, interrupt: bool = False) -> bool:
        """Send a control message; with `interrupt` also a signal, so a running handler sees it."""
        is_sent = control_pipe.send(self.pipe, message, lease)
        if interrupt:
            self.signal(signal.SIGTERM)
            self.repeat_at = time.monotonic() + _REPEAT
        return is_sent

    def repeat_interrupt(self, now: float) -> None:
        """Send the signal of an earlier message once more when it is due.

        A signal that arrives right before a handler starts to wait in the kernel does not end that
        wait. Messages that were handled are not handled again.
        """
        if self.repeat_at is not None and now >= self.repeat_at:
            control_pipe.send(self.pipe, control_pipe.REPEAT)
            self.signal(signal.SIGTERM)
            self.repeat_at = None

    def set_quiet(self, *, is_quiet: bool) -> None:
        """Stop or resume fetching jobs in the child."""
        self.is_quiet = is_quiet
        self.send(control_pipe.QUIET if is_quiet else control_pipe.RESUME)

    def leased(self) -> tuple[LeasedJob, ...]:
        """Return the jobs that the child holds and that were not released on its behalf."""
        held = self.board.read().held
        if not self.released:
            return held
        self.released.intersection_update(one.lease for one in held)
        return tuple(one for one in held if one.lease not in self.released)

    def unchanged_for(self, status: Status, now: float) -> float:
        """Return the seconds for which the board has not changed, as far as it was observed."""
        seen = (status.version, status.stages)
        if seen != self._last_seen:
            self._last_seen, self._changed_at = seen, now
        return now - self._changed_at

    def signal(self, number: signal.Signals) -> None:
        """Send a signal. The pid cannot be reused before the child is reaped."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self, cause: str) -> None:
        """Kill the child; `cause` is reported for the jobs it was running."""
        self.cause = self.cause or cause
        self.signal(signal.SIGKILL)

    def poll(self) -> str | None:
        """Reap the child if it has exited: return `signal 9` or `exit 1`, None while it runs."""
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return exit_cause(status) if pid else None
        return "exit unknown"  # Somebody else has waited for the child.

    def close(self) -> None:
        """Close what the supervisor keeps open for the child."""
        with contextlib.suppress(OSError):
            os.close(self.pipe)
        if self.stacks is not None:
            self.stacks.close()
        self.board.close()


@dataclass(frozen=True, slots=True)
class SpawnSpec:
    """What a new child is given; `interrupt` is the signal that announces control messages.

    `stacks` is the descriptor into which it writes its stacks; without one, to standard error.
    """

    worker: str
    nonce: str
    board: StatusBoard
    pipe: int
    parent: int
    interrupt: signal.Signals = signal.SIGTERM
    stacks: int | None = None
    index: int = 0


def exit_cause(status: int) -> str:
    """Return a status of `waitpid` as `signal 9` or `exit 1`."""
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit {code}"


def fork(
    index: int,
    worker: str,
    make_board: Callable[[str, str], StatusBoard],
    main: Callable[[SpawnSpec], int],
    close_inherited: Callable[[], None],
) -> ChildProcess:
    """Fork a child that runs `main` and exits with the code that it returns.

    `make_board` returns the status board for its name and nonce. `close_inherited` runs first in
    the child and closes what belongs to the supervisor alone.
    """
    parent, nonce = os.getpid(), secrets.token_hex(6)
    with contextlib.ExitStack() as on_failure:
        board = make_board(worker, nonce)
        on_failure.callback(board.close)
        stacks = StackFile()
        on_failure.callback(stacks.close)
        reader, writer = os.pipe()
        for end in (reader, writer):
            on_failure.callback(os.close, end)
            os.set_blocking(end, False)
        spec = SpawnSpec(
            worker,
            nonce,
            board,
            reader,
            parent,
            stacks=stacks.descriptor,
            index=index,
        )
        _flush_streams()
        with signals.blocked():
            pid = os.fork()
            if pid == 0:
                signals.ignore_group_signals()
        on_failure.pop_all()
    if pid == 0:
        os.close(writer)
        _run_child(parent, spec, main, close_inherited)
    os.close(reader)
    now = time.monotonic()
    return ChildProcess(index, worker, spec.nonce, board, writer, pid, now, stacks=stacks)


def _run_child(
    parent: int,
    spec: SpawnSpec,
    main: Callable[[SpawnSpec], int],
    close_inherited: Callable[[], None],
) -> NoReturn:
    code = 1
    try:
        signals.die_with_parent(parent)
        exit_hooks.forget_inherited()
        close_inherited()
        code = main(spec)
    except BaseException:
        logger.exception(Event("child failed", worker=spec.worker))
    finally:
        try:
            exit_hooks.run()
            _flush_streams()
        finally:
            os._exit(code)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
