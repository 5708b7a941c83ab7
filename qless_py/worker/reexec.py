"""Replacing the program of a running parent by a newer one, while its children finish their jobs.

The process stays the same, so whoever watches it sees nothing but new code. What the parent knows
of its children goes along in a file without a name: the new program keeps their leases, lets them
end, and forks children of its own at once.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Final, NoReturn

import msgpack

from qless_py.protocol import Call
from qless_py.worker import signals
from qless_py.worker.child_process import Member
from qless_py.worker.status_board import Board

logger = logging.getLogger(__name__)

_STATE: Final = "QLESS_PY_WORKER_STATE"  # The descriptor of what the program before left.
_TRIAL: Final = "QLESS_PY_WORKER_TRIAL"  # Set while a new program only shows that it starts.
_PATIENCE: Final = 60.0


def is_trial() -> bool:
    """Whether this program was only started to see whether it starts."""
    return _TRIAL in os.environ


def is_continued() -> bool:
    """Whether this program goes on with the children of another: it is a daemon already."""
    return _STATE in os.environ


class Trial:
    """A start of the new program in a process of its own, which ends where it would fork.

    Code that does not even start must not take the place of code that works.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._until = 0.0
        self._is_outdated = False

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return None if self._process is None else self._process.pid

    def begin(self) -> None:
        """Start the program as this one was started; once more, if such a start is under way.

        That one may have read the code as it was before.
        """
        if self._process is not None:
            logger.info("the new code is tried once more when it has been tried")
            self._is_outdated = True
            return
        self._until = time.monotonic() + _PATIENCE
        try:
            self._process = _started({**os.environ, _TRIAL: "1"})
        except (OSError, subprocess.SubprocessError) as error:
            _go_on(error)  # The interpreter was moved away, or there is no memory.

    def end(self) -> None:
        """End what is under way: nobody waits for it any more."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def has_passed(self) -> bool:
        """Whether the trial has ended well; one that ended badly is told of and forgotten."""
        if self._process is None:
            return False
        if time.monotonic() > self._until:
            self._process.kill()
        code = self._process.poll()
        if code is None:
            return False
        self._process = None
        if self._is_outdated:
            self._is_outdated = False
            self.begin()
            return False
        if code:
            logger.error("the new code does not start (exit %d), going on with the old", code)
        return code == 0


@dataclass(frozen=True, slots=True)
class Legacy:
    """What one program leaves to the next: children, calls that it owes, the probe's socket."""

    members: list[Member] = field(default_factory=list)
    owed: list[Call[Any]] = field(default_factory=list)
    is_quiet: bool = False
    probe: int | None = None


def replace(legacy: Legacy) -> None:
    """Become the new program; comes back only if that cannot be, and then nothing has changed."""
    members = legacy.members
    state = {
        "quiet": legacy.is_quiet,
        "owed": [[call.script, *call.args] for call in legacy.owed],
        "members": [_packed(member) for member in members],
        "probe": legacy.probe,
    }
    probe = () if legacy.probe is None else (legacy.probe,)
    kept = [*probe, *(d for m in members for d in (m.pipe, m.board.descriptor))]
    try:
        with _nameless() as file:
            file.write(msgpack.packb(state))
            file.flush()
            _become([*kept, file.fileno()], {**os.environ, _STATE: str(file.fileno())})
    except OSError as error:
        _go_on(error)
    for one in kept:
        os.set_inheritable(one, False)  # noqa: FBT003 - as it is defined


def _become(kept: list[int], environment: dict[str, str]) -> NoReturn:
    for one in kept:
        os.set_inheritable(one, True)  # noqa: FBT003 - as it is defined
    command = _command()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os.execve(command[0], command, environment)  # noqa: S606 - what runs here already


def _nameless() -> IO[bytes]:
    """Open a file without a name; in memory where that can be, as there may be no room else."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("qless-py"), "w+b")
    return tempfile.TemporaryFile()


def _started(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the program in a process that dies with this one."""

    def start(before: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - what runs here already
            _command(),
            env=environment,
            stdin=subprocess.DEVNULL,
            preexec_fn=before,  # noqa: PLW1509 - three calls, no locks
        )

    # The kernel looks at the thread that started it: only the main one lasts as long as we do.
    if threading.current_thread() is not threading.main_thread():
        return start()
    signals.prepare()
    with signals.held_back():
        return start(functools.partial(_set_apart, os.getpid()))


def _set_apart(parent: int) -> None:
    signals.deafen()
    signals.die_with(parent)
    release_signals()


def _go_on(error: Exception) -> None:
    logger.error("the new code cannot be started, going on with the old: %s", error)


def adopted() -> Legacy:
    """Give what the program before this one left.

    It is no longer named in the environment, so that no child of this process finds it.
    """
    text = os.environ.pop(_STATE, None)
    if text is None:
        return Legacy()
    descriptor = int(text)
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor, "rb") as file:
        state: dict[str, Any] = msgpack.unpackb(file.read())
    owed: list[Call[Any]] = [Call(one[0], tuple(one[1:]), _unread) for one in state["owed"]]
    probe = state["probe"]
    if probe is not None:
        os.set_inheritable(probe, False)  # noqa: FBT003 - as it is defined
    members = [_unpacked(one) for one in state["members"]]
    return Legacy(members, owed, bool(state["quiet"]), probe)


def hold_signals() -> None:
    """Have signals wait: until the new program has handlers of its own, they would kill it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals.PARENT)


def release_signals() -> None:
    """Take the signals that came while one program took the place of the other."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.PARENT)


def _command() -> list[str]:
    return [sys.executable, *sys.orig_argv[1:]]


def _packed(member: Member) -> dict[str, Any]:
    return {
        "index": member.index,
        "worker": member.worker,
        "nonce": member.nonce,
        "board": member.board.descriptor,
        "pipe": member.pipe,
        "pid": member.pid,
        "forked_at": member.forked_at,
        "told": member.told,
        "given_back": list(member.given_back),
        "doomed": member.doomed,
        "cause": member.cause,
    }


def _unpacked(packed: dict[str, Any]) -> Member:
    board = Board(packed.pop("board"))
    for descriptor in (board.descriptor, packed["pipe"]):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - as it is defined
    given_back = set(packed.pop("given_back"))
    return Member(board=board, given_back=given_back, **packed)


def _unread(reply: bytes | None) -> bytes | None:
    return reply
