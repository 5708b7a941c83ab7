"""Each job in a process of its own, forked from a child that has imported its handler already."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import mmap
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, NoReturn

import msgpack

from qless_py import protocol
from qless_py.client.job import Job
from qless_py.handlers.fork_guard import ForkSignals
from qless_py.handlers.logs import Event, fields_of
from qless_py.handlers.outcomes import Snooze
from qless_py.handlers.result import Transition
from qless_py.protocol import Call, instrumentation
from qless_py.worker import control_pipe, exit_hooks, sandbox, signals
from qless_py.worker.child_context import ChildContext, HeldJob
from qless_py.worker.child_process import exit_cause
from qless_py.worker.job_log import log_crash, logging_state
from qless_py.worker.pools.main_thread import MainThreadRunner
from qless_py.worker.status_board import MAX_JOBS, LeasedJob

logger = logging.getLogger(__name__)

# Bound here, before a module of the application may have gevent replace it by one without fileno.
_Selector: Final = selectors.DefaultSelector

_COMPLETION: Final = ""  # Instead of a script: data and result of a job that just completes.
_SIZE: Final = 4  # Bytes in front of the message of a process.
_SPARE_DESCRIPTORS: Final = 4
_HOOK_WAIT: Final = 10.0  # Seconds after which a job runs again whose process failed to start.


@dataclass(slots=True)
class _JobProcess:
    """The process of one job; `slot` is its byte in the shared memory of messages."""

    held: HeldJob
    pid: int
    pipe: int
    pidfd: int | None
    slot: int
    sent: bytes = b""
    buffer: bytearray = field(default_factory=bytearray)
    is_pipe_closed: bool = False
    has_result: bool = False
    started_at: float = field(default_factory=time.monotonic)

    def message(self) -> bytes | None:
        """Return the message of the process once it is complete."""
        size = int.from_bytes(self.buffer[:_SIZE], "big")
        is_complete = len(self.buffer) >= _SIZE + size > _SIZE
        return bytes(self.buffer[_SIZE : _SIZE + size]) if is_complete else None


class ProcessPool:
    """A pool that forks for each job. A death costs its own job a crash, and no other."""

    def __init__(self, context: ChildContext) -> None:
        self._context = context
        self._selector = _Selector()
        self._processes: dict[str, _JobProcess] = {}
        # One byte for each slot: the message to the job there, read when the signal arrives.
        self._messages = mmap.mmap(-1, MAX_JOBS)
        self._free_slots = list(range(MAX_JOBS))
        self._done: list[tuple[HeldJob, Transition]] = []
        self._fork_signals = ForkSignals(signals.GROUP, signals.restore_defaults)
        # These two are used in the process of a job only, and exist before each fork.
        self._runner = MainThreadRunner(context.executor, context.options.sandbox)
        self._completion: tuple[str, bytes, bytes] | None = None
        signals.load_prctl()
        # Memory that exists by now is shared with each process until somebody writes to it.
        gc.collect()
        gc.freeze()

    def start(self, held: HeldJob) -> None:
        """Fork a process for the job."""
        # In this process, so that the next job of the klass finds its handler imported.
        self._context.record_hard_limit(held)
        reader, writer = _open_pipe()
        slot = self._free_slots.pop()
        self._messages[slot] = 0
        parent = os.getpid()
        # A collection in the process of the job would write to, and so copy, shared memory.
        gc.disable()
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            self._free_slots.append(slot)
            raise
        else:
            if pid == 0:
                self._run_job(held, slot, writer, parent)
        finally:
            gc.enable()
            os.close(writer)
        os.set_blocking(reader, False)
        process = _JobProcess(held, pid, reader, _open_pidfd(pid), slot)
        self._processes[held.leased.lease] = process
        self._selector.register(reader, selectors.EVENT_READ, process)
        if process.pidfd is not None:
            self._selector.register(process.pidfd, selectors.EVENT_READ, process)

    def collect(self) -> Sequence[tuple[HeldJob, Transition]]:
        """Return the jobs that have a result; their processes may take longer to exit."""
        self._select(0)
        done, self._done = self._done, []
        return done

    def fileno(self) -> int:
        """Return the descriptor of a selector over all processes."""
        return int(self._selector.fileno())

    def follow(self, next_after: Callable[[HeldJob], HeldJob | None]) -> None:
        """Do nothing: the main thread forks."""

    def rearm(self) -> bool:
        """Return False: a result that is there makes the descriptor readable."""
        return False

    def send(self, held: HeldJob, message: bytes) -> bool:
        """Interrupt the process of a job, or kill it."""
        process = self._processes.get(held.leased.lease)
        if process is None:
            return False
        if message == control_pipe.KILL:
            process.sent = process.sent or message
            os.kill(process.pid, signal.SIGKILL)
            return True
        process.sent = message
        self._messages[process.slot] = message[0]
        os.kill(process.pid, signal.SIGTERM)
        return True

    def repeat_interrupts(self) -> None:
        """Send the signal once more to the jobs that were sent a message."""
        for process in self._processes.values():
            if process.sent:
                os.kill(process.pid, signal.SIGTERM)

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Interrupt the job, in its process; the child itself runs none."""
        if self._runner.control is not None:
            self._runner.control.read()
            self._runner.interrupt()

    @property
    def is_busy(self) -> bool:
        """Whether there is a process that was not reaped."""
        return bool(self._selector.get_map())

    def close(self) -> None:
        """Wait for the processes that have sent their results."""
        while self._selector.get_map():
            self._select(None)
        self._selector.close()
        self._messages.close()

    def _select(self, timeout: float | None) -> None:
        """Read what the processes have sent, and reap those that have exited."""
        ready = self._selector.select(timeout)
        for key, _ in ready:
            if key.fd == key.data.pipe:
                self._read(key.data)
        for key, _ in ready:
            if key.fd == key.data.pidfd:
                # A process that the handler forked may hold the pipe open for long.
                while not key.data.is_pipe_closed and self._read(key.data):
                    pass
                self._reap(key.data)

    def _read(self, process: _JobProcess) -> bool:
        """Read from a process; return False when there is no more for now, or for good."""
        try:
            chunk = os.read(process.pipe, 1 << 16)
        except BlockingIOError:
            return False
        process.buffer += chunk
        message = process.message()
        if message is not None and not process.has_result:
            call = _parse(process.held.leased, message)
            self._end(process, Transition(process.held.job, call))
        if not chunk:
            self._selector.unregister(process.pipe)
            process.is_pipe_closed = True
            if process.pidfd is None:
                self._reap(process)
        return bool(chunk)

    def _reap(self, process: _JobProcess) -> None:
        if not process.is_pipe_closed:
            self._selector.unregister(process.pipe)
        os.close(process.pipe)
        if process.pidfd is not None:
            self._selector.unregister(process.pidfd)
            os.close(process.pidfd)
        # The process has exited, or its pipe was closed, which happens on exit: a short wait.
        cause = wait_for_exit(process.pid)
        self._free_slots.append(process.slot)
        if not process.has_result:
            self._end(process, self._died(process, cause))

    def _end(self, process: _JobProcess, transition: Transition) -> None:
        process.has_result = True
        self._processes.pop(process.held.leased.lease, None)
        self._done.append((process.held, transition))

    def _died(self, process: _JobProcess, cause: str) -> Transition:
        job, leased = process.held.job, process.held.leased
        if process.sent == control_pipe.RELEASE:
            return Transition(job, protocol.jobs.release_lease(leased.jid, leased.lease))
        if process.sent == control_pipe.LIMIT:
            cause = "killed at its hard limit"
        worker = self._context.spec.worker
        log_crash(leased, worker, cause, time.monotonic() - process.started_at)
        sandbox.remove_stale(self._context.options.sandbox)
        call = protocol.workers.job_died(leased.jid, leased.lease, cause)
        return Transition(job, logging_state(call, job, worker, cause))

    def _run_job(self, held: HeldJob, slot: int, pipe: int, parent: int) -> NoReturn:
        """Run a job in its new process, send what became of it, and exit."""
        code = 1
        try:
            # As little as possible: each page of memory that is written to is copied first.
            signals.die_with_parent(parent)
            exit_hooks.forget_inherited()
            self._fork_signals.is_on = True
            self._context.close_inherited()
            job = held.job
            control = _JobControl(self._messages, slot, held.leased.lease)
            self._runner.control = control
            job.watch(control)
            gc.enable()
            # A message may have been sent before this process could receive the signal.
            prepare = functools.partial(self.on_signal, signal.SIGTERM, None)
            hooks = self._context.options.hooks
            if hooks.start_child():
                transition = self._run_traced(job, prepare)
            else:
                # A fault of the worker: the job runs later, and spends no retry on it.
                transition = Transition.raised(job, Snooze(_HOOK_WAIT))
            _write(pipe, self._completion or _arguments(transition))
            hooks.stop_child()
            code = 0
        except BaseException:
            logger.exception(Event("process of a job failed", **fields_of(held.job)))
        finally:
            try:
                exit_hooks.run()
                for stream in (sys.stdout, sys.stderr):
                    with contextlib.suppress(OSError, ValueError, AttributeError):
                        stream.flush()
            finally:
                os._exit(code)

    def _run_traced(self, job: Job, prepare: Callable[[], object]) -> Transition:
        if instrumentation.current is None:
            return self._runner.run(job, prepare, self._complete)
        instrumentation.current.begin(job)
        transition = self._runner.run(job, prepare, self._complete)
        call = transition.call
        if self._completion:
            call = protocol.jobs.complete_encoded(job.jid, job.lease, data=b"", result=b"")
        instrumentation.current.end(job, call)
        return transition

    def _complete(self, job: Job, value: Any) -> Transition:
        """Send only data and result of a job that just completes: the child makes the call."""
        if job.state == "running" and not job.follow_ups:
            # `Transition.returned` handles a value that cannot be encoded.
            with contextlib.suppress(BaseException):
                self._completion = (_COMPLETION, job.data_to_send(), job.encode_given(value))
                return Transition(job, None)
        return Transition.returned(job, value)


class _JobControl(control_pipe.ControlPipe):
    """The messages to one job, in a byte that is shared with the child."""

    def __init__(self, memory: mmap.mmap, slot: int, lease: str) -> None:
        super().__init__(-1)
        self._memory = memory
        self._slot = slot
        self._lease = lease
        self._last = 0

    def read(self) -> None:
        """Read the byte."""
        message = self._memory[self._slot]
        if message != self._last:
            self._last = message
            self._receive(bytes([message]), self._lease)


def wait_for_exit(pid: int) -> str:
    """Wait for a process to exit and return how: `signal 9` or `exit 1`."""
    with contextlib.suppress(ChildProcessError):
        return exit_cause(os.waitpid(pid, 0)[1])
    return "exit unknown"  # Imported code ignores SIGCHLD, or waits for any process.


def _open_pipe() -> tuple[int, int]:
    """Open a pipe; raise OSError if too few descriptors would be left for everything else.

    Without one for the store no result could be sent, and so no job would ever end.
    """
    reader, writer = os.pipe()
    opened: list[int] = []
    try:
        for _ in range(_SPARE_DESCRIPTORS):
            opened.append(os.dup(reader))  # noqa: PERF401 - each is closed, whatever the next does
    except OSError:
        opened += [reader, writer]
        raise
    finally:
        for one in opened:
            os.close(one)
    return reader, writer


def _open_pidfd(pid: int) -> int | None:
    """Return a descriptor that is readable when a process has exited, where there is one."""
    with contextlib.suppress(AttributeError, OSError):
        return os.pidfd_open(pid)
    return None


def _write(pipe: int, message: Sequence[Any]) -> None:
    """Write a whole message with its size in front."""
    packed = msgpack.packb(message)
    left = memoryview(len(packed).to_bytes(_SIZE, "big") + packed)
    while left:
        left = left[os.write(pipe, left) :]


def _arguments(transition: Transition) -> Sequence[Any]:
    call = transition.call
    return (None,) if call is None else (call.script, *call.args)


def _parse(leased: LeasedJob, message: bytes) -> Call[Any] | None:
    """Return the call that a process has sent, or the completion that it asks for, or None."""
    script, *args = msgpack.unpackb(message)
    if script == _COMPLETION:
        return protocol.jobs.complete_encoded(
            leased.jid, leased.lease, data=args[0], result=args[1]
        )
    return None if script is None else Call(script, tuple(args), _undecoded)


def _undecoded(reply: bytes | None) -> bytes | None:
    """Return a reply as it is: it only matters whether there is one."""
    return reply
