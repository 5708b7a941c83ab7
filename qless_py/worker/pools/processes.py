"""Each job in a process of its own, forked from a child that has its handler imported already."""

from __future__ import annotations

import contextlib
import gc
import logging
import mmap
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

import msgpack

from qless_py import protocol
from qless_py.client.job import Job
from qless_py.handlers.fork_guard import ForkSignals
from qless_py.protocol import Call
from qless_py.worker import control_pipe as orders
from qless_py.worker import pipes, sandbox, signals
from qless_py.worker.child_context import Desk, Row
from qless_py.worker.perform import Verdict
from qless_py.worker.pools.interrupt import Inside, reason
from qless_py.worker.status_board import MOST, Held

logger = logging.getLogger(__name__)

_ENDING = ""  # No script: data and result of a job that just completes.


@dataclass(slots=True)
class _Process:
    row: Row
    pid: int
    pipe: int
    end: int | None
    place: int
    told: bytes = b""
    buffer: bytearray = field(default_factory=bytearray)
    is_shut: bool = False
    has_ended: bool = False

    def message(self) -> bytes | None:
        """Give what the process told, once it is complete."""
        size = int.from_bytes(self.buffer[: pipes.SIZE], "big")
        is_whole = len(self.buffer) >= pipes.SIZE + size > pipes.SIZE
        return bytes(self.buffer[pipes.SIZE : pipes.SIZE + size]) if is_whole else None


class Processes:
    """A crew that forks for each job. A death costs its own job a crash, and no other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._selector = selectors.DefaultSelector()
        self._processes: dict[str, _Process] = {}
        # One byte for each place: the order for the job there, read when the signal comes.
        self._orders = mmap.mmap(-1, MOST)
        self._places = list(range(MOST))
        self._done: list[tuple[Row, Verdict]] = []
        self._fork_signals = ForkSignals(signals.GROUP, signals.restore)
        self._inside = _Alone(desk)
        signals.prepare()
        # What is there now is shared with each process until somebody writes to it.
        gc.collect()
        gc.freeze()

    def start(self, row: Row) -> None:
        """Fork a process for the job."""
        # In this process, so that the next job of the kind finds it: imports are slow.
        self._desk.note_limit(row)
        reader, writer = pipes.make()
        place = self._places.pop()
        self._orders[place] = 0
        parent = os.getpid()
        # What was allocated since must not be gone through in the process of the job.
        gc.disable()
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            self._places.append(place)
            raise
        else:
            if pid == 0:
                self._be_job(row, place, writer, parent)
        finally:
            gc.enable()
            os.close(writer)
        os.set_blocking(reader, False)
        process = _Process(row, pid, reader, pipes.end_of(pid), place)
        self._processes[row.held.lease] = process
        self._selector.register(reader, selectors.EVENT_READ, process)
        if process.end is not None:
            self._selector.register(process.end, selectors.EVENT_READ, process)

    def finished(self) -> Sequence[tuple[Row, Verdict]]:
        """Give the jobs that have ended; a process that has told its verdict may take its time."""
        self._look(0)
        done, self._done = self._done, []
        return done

    def fileno(self) -> int:
        """Give the descriptor of a selector over all that the processes tell."""
        return int(self._selector.fileno())

    def tell(self, row: Row, order: bytes) -> None:
        """Interrupt the process of a job, or kill it."""
        process = self._processes.get(row.held.lease)
        if process is None:
            return
        if order == orders.KILL:
            process.told = process.told or order
            os.kill(process.pid, signal.SIGKILL)
            return
        process.told = order
        self._orders[process.place] = order[0]
        os.kill(process.pid, signal.SIGTERM)

    def repeat(self) -> None:
        """Send the signal once more to the jobs that were told something."""
        for process in self._processes.values():
            if process.told:
                os.kill(process.pid, signal.SIGTERM)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the job, in its process; in the one above there is none."""
        self._inside.on_signal(number, frame)

    @property
    def is_busy(self) -> bool:
        """Whether a process is there that was not buried."""
        return bool(self._selector.get_map())

    def close(self) -> None:
        """Wait for the processes that have told their verdicts."""
        while self._selector.get_map():
            self._look(None)
        self._selector.close()
        self._orders.close()

    def _look(self, patience: float | None) -> None:
        """Take in what the processes tell, and that they have ended."""
        ready = self._selector.select(patience)
        for key, _ in ready:
            if key.fd == key.data.pipe:
                self._read(key.data)
        for key, _ in ready:
            if key.fd == key.data.end:
                # Its pipe may stay open for long: who was forked by the handler may have it, too.
                while not key.data.is_shut and self._read(key.data):
                    pass
                self._bury(key.data)

    def _read(self, process: _Process) -> bool:
        """Take in what a process tells; false when there is no more for now, or for ever."""
        try:
            chunk = os.read(process.pipe, 1 << 16)
        except BlockingIOError:
            return False
        process.buffer += chunk
        message = process.message()
        if message is not None and not process.has_ended:
            self._end(process, Verdict(process.row.job, _told(process.row.held, message)))
        if not chunk:
            self._selector.unregister(process.pipe)
            process.is_shut = True
            if process.end is None:
                self._bury(process)
        return bool(chunk)

    def _bury(self, process: _Process) -> None:
        if not process.is_shut:
            self._selector.unregister(process.pipe)
        os.close(process.pipe)
        if process.end is not None:
            self._selector.unregister(process.end)
            os.close(process.end)
        # Its end was seen, or that of its pipe, which comes with it: this does not take long.
        ending = pipes.ending(process.pid)
        self._places.append(process.place)
        if not process.has_ended:
            self._end(process, self._died(process, ending))

    def _end(self, process: _Process, verdict: Verdict) -> None:
        process.has_ended = True
        self._processes.pop(process.row.held.lease, None)
        self._done.append((process.row, verdict))

    def _died(self, process: _Process, cause: str) -> Verdict:
        held = process.row.held
        if process.told == orders.RELEASE:
            return Verdict(process.row.job, protocol.jobs.release(held.jid, held.lease))
        if process.told == orders.LIMIT:
            cause = "killed at its hard limit"
        logger.warning("the process of %s (pid %d) ended by %s", held.jid, process.pid, cause)
        sandbox.clear(self._desk.options.sandbox)
        return Verdict(process.row.job, protocol.workers.job_died(held.jid, held.lease, cause))

    def _be_job(self, row: Row, place: int, pipe: int, parent: int) -> NoReturn:
        code = 1
        try:
            # As little as possible: each page that is touched here must be copied first.
            signals.die_with(parent)
            self._fork_signals.is_on = True
            self._desk.drop()
            verdict = self._inside.run(row, _Orders(self._orders, place, row.held.lease))
            pipes.write(pipe, self._inside.ending or _call(verdict))
            code = 0
        except BaseException:  # noqa: BLE001 - nothing may return into the code of the child
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(code)


class _None(orders.Orders):
    """No orders: there is no job here that they could be for."""

    def read(self) -> None:
        """Find nothing."""


class _Orders(orders.Orders):
    """The orders for one job, in a byte that is shared with the process above."""

    def __init__(self, memory: mmap.mmap, place: int, lease: str) -> None:
        super().__init__(-1)
        self._memory = memory
        self._place = place
        self._lease = lease
        self._seen = 0

    def read(self) -> None:
        """Look at the byte."""
        order = self._memory[self._place]
        if order != self._seen:
            self._seen = order
            self._note(bytes([order]), self._lease)


class _Alone(Inside):
    """The one job of a process. Made in the process above, so that it is there after each fork."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(_None(-1), desk.handlers, desk.options.sandbox)
        self.ending: tuple[str, bytes, bytes] | None = None

    def returned(self, job: Job, result: Any) -> Verdict:
        """Say only what is to be stored, if that is all: the process above makes a call of it."""
        if job.state == "running" and not job.follow_ups:
            # What cannot be written is for the judge.
            with contextlib.suppress(Exception):
                self.ending = (_ENDING, job.to_send(None), job.encode(result))
                return Verdict(job, None)
        return super().returned(job, result)

    def run(self, row: Row, given: _Orders) -> Verdict:
        """Run a job under these orders, in a process of its own."""
        self._orders = given
        row.job.watch(given)
        gc.enable()
        return self.perform(row.job)

    def enter(self, job: Job) -> None:
        """Take what was ordered before this process could hear it."""
        self._orders.read()
        error = reason(job, self._orders)
        if error is not None:
            raise error


def _call(verdict: Verdict) -> Sequence[Any]:
    call = verdict.call
    return (None,) if call is None else (call.script, *call.args)


def _told(held: Held, message: bytes) -> Call[Any] | None:
    """Read what a process has told: a call, what it completes its job with, or nothing."""
    script, *args = msgpack.unpackb(message)
    if script == _ENDING:
        return protocol.jobs.complete(held.jid, held.lease, data=args[0], result=args[1])
    return None if script is None else Call(script, tuple(args), _unread)


def _unread(reply: bytes | None) -> bytes | None:
    """Leave a reply as it is: it only matters whether there is one."""
    return reply
