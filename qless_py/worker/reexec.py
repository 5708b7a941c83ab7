"""Replace the program of a running supervisor by a newer one while its children finish their jobs.

The process id stays the same, so a service manager notices nothing. What the supervisor knows of
its children is passed on in an unnamed file: the new program renews their leases, lets them finish,
and forks children of its own at once.
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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, Any, Final, NoReturn

import msgpack

from qless_py.protocol import Call
from qless_py.worker import signals
from qless_py.worker.child_process import ChildProcess
from qless_py.worker.stack_file import StackFile
from qless_py.worker.status_board import StatusBoard

logger = logging.getLogger(__name__)

_STATE: Final = "QLESS_PY_WORKER_STATE"  # The descriptor of the file with the handover state.
_TRIAL: Final = "QLESS_PY_WORKER_TRIAL"  # Set for a program that only has to prove that it starts.
_TRIAL_TIMEOUT: Final = 60.0


def is_trial() -> bool:
    """Return whether this program was started only to find out whether it starts."""
    return _TRIAL in os.environ


def is_reexec() -> bool:
    """Return whether this program replaced another one and continues with its children."""
    return _STATE in os.environ


class TrialStart:
    """A start of the new program in a separate process that exits where it would fork children.

    Code that does not even start must not replace code that works.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0
        self._is_outdated = False

    @property
    def pid(self) -> int | None:
        """The process id while the trial runs."""
        return None if self._process is None else self._process.pid

    def begin(self) -> None:
        """Start the program with the command line of this one.

        A trial that is running may have read the code as it was before: another one follows it.
        """
        if self._process is not None:
            logger.info("new code will be tried once more after the running trial")
            self._is_outdated = True
            return
        self._deadline = time.monotonic() + _TRIAL_TIMEOUT
        try:
            self._process = _start({**os.environ, _TRIAL: "1"})
        except (OSError, subprocess.SubprocessError) as error:
            _log_failure(error)  # The interpreter was moved away, or memory is exhausted.

    def end(self) -> None:
        """Kill a running trial."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def has_passed(self) -> bool:
        """Return True once, when the trial has succeeded; a failed one is logged."""
        if self._process is None:
            return False
        is_late = time.monotonic() > self._deadline
        if is_late:
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
            how = f"not within {_TRIAL_TIMEOUT:g} s" if is_late else f"exit code {code}"
            logger.error("new code does not start, continuing with the old: %s", how)
        return code == 0


@dataclass(frozen=True, slots=True)
class HandoverState:
    """What one program hands over to the next.

    `pending` are calls that the store has not taken yet, `probe` is the descriptor of its socket.
    """

    children: list[ChildProcess] = field(default_factory=list)
    pending: list[Call[Any]] = field(default_factory=list)
    is_quiet: bool = False
    probe: int | None = None


def replace_program(state: HandoverState) -> None:
    """Become the new program. Return only if that fails, with everything as it was."""
    # The program that reads this may be older or newer: keys keep their names for good.
    packed = {
        "quiet": state.is_quiet,
        "owed": [[call.script, *call.args] for call in state.pending],
        "members": [_packed(child) for child in state.children],
        "probe": state.probe,
    }
    kept = [] if state.probe is None else [state.probe]
    for child in state.children:
        kept += (child.pipe, child.board.descriptor)
        if child.stacks is not None:
            kept.append(child.stacks.descriptor)
    try:
        with _unnamed_file() as file:
            file.write(msgpack.packb(packed))
            file.flush()
            _exec([*kept, file.fileno()], {**os.environ, _STATE: str(file.fileno())})
    except OSError as error:
        _log_failure(error)
    _set_inheritable(kept, is_inheritable=False)


def inherited_state() -> HandoverState:
    """Return what the program before this one handed over.

    Its descriptor is removed from the environment, so that no child of this process finds it.
    """
    text = os.environ.pop(_STATE, None)
    if text is None:
        return HandoverState()
    descriptor = int(text)
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor, "rb") as file:
        state: dict[str, Any] = msgpack.unpackb(file.read())
    pending: list[Call[Any]] = [Call(one[0], tuple(one[1:]), _undecoded) for one in state["owed"]]
    probe = state["probe"]
    if probe is not None:
        _set_inheritable([probe], is_inheritable=False)
    children = [_unpacked(one) for one in state["members"]]
    return HandoverState(children, pending, bool(state["quiet"]), probe)


def block_signals() -> None:
    """Block signals: they would kill the new program before it has handlers for them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals.SUPERVISOR)


def unblock_signals() -> None:
    """Deliver the signals that arrived while one program replaced the other."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SUPERVISOR)


def _exec(kept: list[int], environment: dict[str, str]) -> NoReturn:
    _set_inheritable(kept, is_inheritable=True)
    command = _command()
    if _FOLDER is not None:
        os.chdir(_FOLDER)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os.execve(command[0], command, environment)  # noqa: S606 - the program that runs already


def _unnamed_file() -> IO[bytes]:
    """Open a file without a name, in memory where possible, since the disk may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("qless-py"), "w+b")
    return tempfile.TemporaryFile()


def _start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the program in a process that dies with this one."""

    def start(before_exec: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - the program that runs already
            _command(),
            env=environment,
            stdin=subprocess.DEVNULL,
            cwd=_FOLDER,
            preexec_fn=before_exec,  # noqa: PLW1509 - three system calls, no locks
        )

    # The kernel kills the process when the thread that started it ends: only the main thread
    # lasts as long as the worker.
    if threading.current_thread() is not threading.main_thread():
        return start()
    signals.load_prctl()
    with signals.blocked():
        return start(functools.partial(_prepare_trial, os.getpid()))


def _prepare_trial(parent: int) -> None:
    signals.ignore_group_signals()
    signals.die_with_parent(parent)
    unblock_signals()


def _log_failure(error: Exception) -> None:
    logger.error("new code cannot be started, continuing with the old: %s", error)


def _working_folder() -> str | None:
    """Return the folder in which this program was started, as the shell named it.

    A deployment may switch a link such as `current` to new code; the current folder itself would
    still be that of the old code.
    """
    folder = os.environ.get("PWD", "")
    with contextlib.suppress(OSError):
        if os.path.isabs(folder) and os.path.samefile(folder, "."):  # noqa: PTH117, PTH121 - texts
            return folder
    return None


# Looked up at the start: handlers, preloaded modules or a deployment may change it later.
_FOLDER: Final = _working_folder()


def _command() -> list[str]:
    return [sys.executable, *sys.orig_argv[1:]]


def _set_inheritable(descriptors: Iterable[int], *, is_inheritable: bool) -> None:
    for descriptor in descriptors:
        os.set_inheritable(descriptor, is_inheritable)


def _packed(child: ChildProcess) -> dict[str, Any]:
    return {
        "index": child.index,
        "worker": child.worker,
        "nonce": child.nonce,
        "board": child.board.descriptor,
        "pipe": child.pipe,
        "pid": child.pid,
        "forked_at": child.forked_at,
        "told": child.leave_message,
        "given_back": list(child.released),
        "doomed": child.kill_deadlines,
        "cause": child.cause,
        "stacks": None if child.stacks is None else child.stacks.descriptor,
    }


def _unpacked(packed: dict[str, Any]) -> ChildProcess:
    board = StatusBoard(packed["board"])
    descriptors = [board.descriptor, packed["pipe"]]
    stacks = packed.get("stacks")  # Older programs had no such file.
    if stacks is not None:
        descriptors.append(stacks)
    _set_inheritable(descriptors, is_inheritable=False)
    return ChildProcess(
        index=packed["index"],
        worker=packed["worker"],
        nonce=packed["nonce"],
        board=board,
        pipe=packed["pipe"],
        pid=packed["pid"],
        forked_at=packed["forked_at"],
        leave_message=packed["told"],
        released=set(packed["given_back"]),
        kill_deadlines=packed["doomed"],
        cause=packed["cause"],
        stacks=None if stacks is None else StackFile(stacks),
    )


def _undecoded(reply: bytes | None) -> bytes | None:
    return reply
