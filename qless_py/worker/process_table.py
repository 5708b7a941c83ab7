"""The table of a supervisor's child processes: spawned, replaced, reaped."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py import protocol
from qless_py.handlers.logs import Event
from qless_py.handlers.retry import Backoff
from qless_py.protocol import Call
from qless_py.protocol.workers import DeathReply
from qless_py.worker import control_pipe
from qless_py.worker.board_files import BoardFiles
from qless_py.worker.child_process import ChildProcess, SpawnSpec, fork
from qless_py.worker.job_log import log_crash, logging_failures
from qless_py.worker.options import WorkerOptions
from qless_py.worker.shutdown import STOP_TIMEOUT
from qless_py.worker.status_board import Activity, LeasedJob, Status
from qless_py.worker.tally import Tally

logger = logging.getLogger(__name__)

# A child that exited sooner than this, and not because of a job, delays the next fork.
_EARLY_EXIT: Final = 1.0
_GONE: Final = "killed with its supervisor"
_RESPAWN: Final = Backoff.exponential(0.1, most=10.0)


@dataclass(frozen=True, slots=True)
class ChildExit:
    """A child that has exited: how, and the last status on its board."""

    child: ChildProcess
    cause: str
    status: Status

    def report(self, remove_board: Callable[[], None]) -> list[Call[Any]]:
        """Return the calls that release its jobs; those that were running are charged a crash.

        `remove_board` is called once the store has taken them.
        """
        child, held = self.child, self.status.held
        event = Event("child ended", worker=child.worker, child_pid=child.pid, cause=self.cause)
        if self.cause == "exit 0" and not held:
            logger.info(event)
            remove_board()
            return []
        cause = child.cause or self.cause
        logger.warning(event)
        calls: list[Call[Any]] = []
        if child.is_releasing:
            # The supervisor ended it for the sake of a quick stop: no job is at fault.
            calls += [protocol.jobs.release_lease(one.jid, one.lease) for one in held]
        who = (child.worker, child.nonce)
        return [*calls, report_death(*who, self.status, self._charged(), cause, remove_board)]

    def _charged(self) -> list[LeasedJob]:
        """Return the jobs that are charged for the death of their process."""
        if self.child.is_releasing:
            return []
        running = [job.leased for job in self.status.running]
        guilty = [one for one in running if one.lease in self.child.kill_deadlines]
        return guilty or suspects(self.status)


def suspects(status: Status) -> list[LeasedJob]:
    """Return the jobs of which a process may have died."""
    # With no job running, it died of what an earlier job left behind: that one is charged, or such
    # deaths could repeat forever.
    return [job.leased for job in status.running] or list(status.acknowledging)


def report_death(  # noqa: PLR0913, PLR0917 - a dead process
    worker: str,
    nonce: str,
    status: Status,
    charged: Sequence[LeasedJob],
    cause: str,
    remove_board: Callable[[], None],
) -> Call[DeathReply]:
    """Log which jobs crashed with their process, and return the call that reports its death.

    The store returns all of its jobs, and charges those named. `remove_board` is called then.
    """
    now = time.monotonic()
    started = {job.leased.lease: job.started_at for job in status.running}
    for one in charged:
        log_crash(one, worker, cause, now - started.get(one.lease, now))
    died = protocol.workers.died(worker, nonce, [one.jid for one in charged], cause)
    known = {one.jid: one for one in status.held}

    def done(reply: DeathReply) -> DeathReply:
        if not reply.more:
            remove_board()
        return reply

    return logging_failures(died, known, worker, cause).map(done)


class ProcessTable:
    """Keeps as many children as wanted. A retired child finishes while its replacement runs.

    `registered` are the names of children that the store may know.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self.boards = BoardFiles(options)
        self._children: dict[int, ChildProcess] = {}
        self._removed: set[int] = set()
        self.registered: set[str] = set()
        self._failed_spawns = 0
        self._spawn_after = 0.0
        self.tally = Tally()

    def __iter__(self) -> Iterator[ChildProcess]:
        return iter(list(self._children.values()))

    def __len__(self) -> int:
        return len(self._children)

    @property
    def pids(self) -> set[int]:
        """The process ids of all children."""
        return set(self._children)

    @property
    def wanted(self) -> set[int]:
        """The indexes at which there should be a child."""
        return set(range(self._options.children)) - self._removed

    @property
    def missing(self) -> list[int]:
        """The indexes at which a child is to be spawned."""
        return sorted(self.wanted - {one.index for one in self if not one.is_retired})

    def spawn_due_in(self, now: float) -> float:
        """Return the seconds until a child may be spawned."""
        return max(0.0, self._spawn_after - now) if self.missing else float("inf")

    def follow_up_due_in(self, now: float) -> float:
        """Return the seconds until an interrupt is repeated or a child that ignored one killed."""
        times = [
            at
            for one in self
            for at in (one.kill_at, one.repeat_at, one.release_at)
            if at is not None
        ]
        return min(times, default=float("inf")) - now

    def spawn_missing(
        self, main: Callable[[SpawnSpec], int], close_inherited: Callable[[], None]
    ) -> None:
        """Fork the missing children, unless earlier ones exited too quickly."""
        if time.monotonic() < self._spawn_after:
            return
        for index in self.missing:
            try:
                child = fork(index, self._name(index), self.boards.create, main, close_inherited)
            except OSError as error:  # No more processes, or no memory: the others continue.
                logger.error("cannot fork a child: %s", error)  # noqa: TRY400 - known place
                self._delay_spawns(time.monotonic())
                return
            self.add(child)
            logger.info(Event("child started", worker=child.worker, child_pid=child.pid))

    def add(self, child: ChildProcess) -> None:
        """Add a child that was started elsewhere."""
        self._children[child.pid] = child
        self.registered.add(child.worker)

    def adopt(self, children: Iterable[ChildProcess]) -> None:
        """Take over the children of the previous program and let them finish their jobs."""
        for child in children:
            logger.info(Event("taking over child", worker=child.worker, child_pid=child.pid))
            self.add(child)
            self.replace(child)

    def mark_started(self) -> bool:
        """Return whether a child has registered since the last call."""
        fresh = [
            one
            for one in self
            if not one.is_started and one.board.read().activity is not Activity.STARTING
        ]
        for child in fresh:
            child.is_started = True
        return bool(fresh)

    def retire(self, child: ChildProcess) -> None:
        """Stop a child once its jobs have ended; another one may replace it at once."""
        if not child.is_retired:
            child.is_retired = True
            child.leave_message = child.leave_message or control_pipe.STOP
            child.send(control_pipe.STOP, interrupt=True)

    def replace(self, child: ChildProcess) -> None:
        """Retire a child of old code, whose jobs have the time of `restart_grace` to end."""
        self.retire(child)
        grace = self._options.restart_grace
        if grace is not None and child.release_at is None:
            child.release_at = time.monotonic() + grace

    def log_stacks(self) -> dict[str, str]:
        """Log the stacks that the children have written, and return them by worker."""
        found = {}
        for child in self:
            stacks = "" if child.stacks is None else child.stacks.read()
            if stacks:
                jids = ",".join(job.leased.jid for job in child.board.read().running)
                fields = {"worker": child.worker, "child_pid": child.pid, "jids": jids or "none"}
                logger.warning(Event("TTIN: stacks of a child", **fields, details=stacks))
                found[child.worker] = f"jobs: {jids or 'none'}\n\n{stacks}"
        return found

    def remove(self, child: ChildProcess) -> None:
        """Stop a child once its jobs have ended, without a replacement."""
        if not child.is_retired:
            self._removed.add(child.index)
            self.retire(child)

    def kill_running(self) -> None:
        """Kill every process that runs a job."""
        for child in self:
            if not child.board.read().running:
                continue
            if self._options.isolation == "job":
                child.send(control_pipe.KILL)
            else:
                child.kill("killed by USR1")

    def advance_shutdown(self, message: bytes | None) -> None:
        """Send the message of the present stage, if any; kill children that ignored theirs."""
        now = time.monotonic()
        for child in self:
            due = message
            if child.release_at is not None and now >= child.release_at:
                due, child.release_at = control_pipe.RELEASE, None
            if due is not None and child.leave_message not in (due, control_pipe.RELEASE):
                child.leave_message = due
                child.send(due, interrupt=True)
                child.is_releasing = due == control_pipe.RELEASE
                # A child that holds no job has no reason to stay; it may wait for a lost store.
                child.kill_at = now + STOP_TIMEOUT
            child.repeat_interrupt(now)
            if child.kill_at is not None and now >= child.kill_at:
                child.kill_at = None
                if child.is_releasing or not child.board.read().held:
                    text = "killing a child that does not stop"
                    logger.warning(Event(text, worker=child.worker, child_pid=child.pid))
                    child.kill("killed at the end of its grace")

    def is_idle(self) -> bool:
        """Return whether all children were idle at the same time."""
        first, second = ([one.board.read() for one in self] for _ in range(2))
        # No board changed between the two passes, so there was a moment at which all children were
        # idle at once, and a job put by one of them earlier would have kept one of them busy.
        return first == second and all(status.is_idle for status in first)

    def report_abandoned(self) -> Iterator[Call[Any]]:
        """Yield the reports of children on this machine that died with their supervisors."""
        for found in self.boards.abandoned():
            status = found.board.read()
            jids = ",".join(one.jid for one in status.held)
            event = Event("taking over from a dead supervisor", worker=found.worker, jids=jids)
            logger.warning(event)
            who, charged = (found.worker, found.nonce), suspects(status)
            yield report_death(*who, status, charged, _GONE, found.remove)

    def reap(self) -> Iterator[ChildExit]:
        """Remove the children that have exited and yield them."""
        for child in self:
            cause = child.poll()
            if cause is None:
                continue
            status = child.board.read()
            # A child that died of a job must not delay the next one: a job has a limit of crashes.
            is_at_fault = not status.running and not child.board.ended
            del self._children[child.pid]
            self.tally.add_exit(child.board, status, cause)
            child.close()
            now = time.monotonic()
            if cause != "exit 0" and is_at_fault and now - child.forked_at < _EARLY_EXIT:
                self._delay_spawns(now)
            else:
                self._failed_spawns = 0
            yield ChildExit(child, cause, status)

    def close(self) -> None:
        """Close, in a new child, what the supervisor keeps open for the others."""
        for child in self:
            child.close()

    def _delay_spawns(self, now: float) -> None:
        self._failed_spawns += 1
        self._spawn_after = now + _RESPAWN.seconds(self._failed_spawns)

    def _name(self, index: int) -> str:
        """Return a name that no living child has."""
        taken = {one.worker for one in self}
        number = 0
        while (name := self._options.worker_name(os.getpid(), index, number)) in taken:
            number += 1
        return name
