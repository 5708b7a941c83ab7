"""The watchdog of a supervisor: jobs over their limits, lost leases, frozen children."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Final

from qless_py import protocol
from qless_py.handlers.logs import Event
from qless_py.worker import control_pipe
from qless_py.worker.child_process import ChildProcess
from qless_py.worker.job_log import held_fields
from qless_py.worker.options import WorkerOptions
from qless_py.worker.outbox import Outbox
from qless_py.worker.process_table import ProcessTable
from qless_py.worker.status_board import MAX_JOBS, LeasedJob, RunningJob, Status

logger = logging.getLogger(__name__)

_LONG_JOB: Final = 1.0  # Seconds after which jobs behind a running one are released.
_STOPPED: Final = ("T", "t")  # By a signal, or by a debugger.
_NO_JOB: Final = ("", "", "", 0.0, 0.0)
_CPU_FIELDS: Final = slice(11, 13)  # Of /proc/<pid>/stat, behind the name: user and system time.


class Watchdog:
    """Watches the boards of all children. It asks a child nothing unless that seems frozen."""

    def __init__(self, options: WorkerOptions, table: ProcessTable, outbox: Outbox) -> None:
        self._options = options
        self._table = table
        self._outbox = outbox
        self._frozen = FrozenDetector(options)

    def due_in(self, now: float) -> float:
        """Return the seconds until a limit or a deadline is reached, as far as is known now."""
        times = [
            at
            for child in self._table
            for at in (
                *child.kill_deadlines.values(),
                *(
                    job.started_at + self._limit(job)
                    for job in child.board.read().running
                    if job.leased.lease not in child.kill_deadlines
                ),
            )
        ]
        return max(0.0, min(times, default=float("inf")) - now)

    def check(self) -> None:
        """Act on everything that is due."""
        now = time.monotonic()
        for child in self._table:
            status = child.board.read()
            unchanged = child.unchanged_for(status, now)
            if unchanged >= _LONG_JOB and not child.is_releasing:
                self._release_waiting(child, status)
                self._release_ahead(child, status, unchanged)
            self._stop_overdue(child, status, now)
            self._kill_overdue(child, status, now)
            self._frozen.check(child, unchanged, now)

    def stop_lost(self, child: ChildProcess, lost: LeasedJob) -> None:
        """Report a lost lease to its child; a running job is interrupted, later killed."""
        is_running = any(job.leased.lease == lost.lease for job in child.board.read().running)
        if is_running:
            fields = held_fields(lost, child.worker)
            logger.warning(Event("lease lost, stopping the job", **fields))
            self._set_deadline(child, lost.lease)
        child.send(control_pipe.LOST, lost.lease, interrupt=is_running)

    def forget(self, child: ChildProcess) -> None:
        """Drop what was recorded about a child that has exited."""
        self._frozen.forget(child)

    def _limit(self, job: RunningJob) -> float:
        """Return the hard limit of a job, or the worker's while its own is not known yet."""
        if job.hard_limit is not None:
            return job.hard_limit
        return self._options.hard_limit or float("inf")

    def _set_deadline(self, child: ChildProcess, lease: str) -> None:
        at = time.monotonic() + self._options.kill_interval
        child.kill_deadlines[lease] = min(at, child.kill_deadlines.get(lease, at))

    def _release_waiting(self, child: ChildProcess, status: Status) -> None:
        """Release the jobs behind a long one, and have results that are kept back sent."""
        if not status.running:
            return
        behind = [one for one in status.not_started if one.lease not in child.released]
        sent = [one for one in behind if child.send(control_pipe.RELEASED, one.lease)]
        # Read the board only after the messages: a child marks a job RUNNING before it reads them,
        # and keeps what it has started. So whichever acts first, the other side sees it.
        waiting = set(child.board.read().not_started)
        released = [one for one in sent if one in waiting]
        child.released.update(one.lease for one in released)
        self._outbox.add(*(protocol.jobs.release_lease(one.jid, one.lease) for one in released))
        kept_back = {one.lease for one in status.acknowledging}
        if kept_back - child.flushed:
            child.flushed = kept_back
            child.send(control_pipe.FLUSH, interrupt=True)

    def _release_ahead(self, child: ChildProcess, status: Status, unchanged: float) -> None:
        """Release the jobs in a reply that the child has not read, since its job takes long.

        The store may not have leased them yet when it is asked, so it is asked again, each time
        after twice as long.
        """
        if not status.is_ahead or not status.running:
            return
        version, after = child.ahead_checked
        if version == status.version and unchanged < after:
            return
        child.ahead_checked = status.version, 2 * unchanged
        if not child.send(control_pipe.AHEAD):
            return
        unread = self._unread(child, status)
        # The child records a new version before it reads the messages, and starts none of these
        # jobs after this one. With the old version it has not read the reply that has them.
        if child.board.read().version == status.version:
            self._outbox.add(*(protocol.jobs.release_lease(*one) for one in unread))

    def _unread(self, child: ChildProcess, status: Status) -> list[tuple[str, str]]:
        """Return jid and lease of the jobs that the child has leased and does not know of."""
        known = {one.jid for one in status.held}
        replies = self._outbox.run([protocol.workers.read(child.worker, count=2 * MAX_JOBS)])
        if replies is None or isinstance(replies[0], Exception):
            return []
        jids = [one for one in replies[0].get("jobs", ()) if one not in known]
        pages = [protocol.jobs.read_many(page, 0) for page in protocol.jobs.in_hundreds(jids)]
        found = [] if not pages else self._outbox.run(pages) or []
        leases = [
            (record.jid, str(record.fields.get("lease", "")))
            for page in found
            if not isinstance(page, Exception)
            for record in page
            if record is not None
        ]
        return [one for one in leases if one[1].partition(".")[2] == child.nonce]

    def _stop_overdue(self, child: ChildProcess, status: Status, now: float) -> None:
        for job in status.running:
            lease = job.leased.lease
            if now - job.started_at >= self._limit(job) and lease not in child.kill_deadlines:
                fields = held_fields(job.leased, child.worker)
                limit = self._limit(job)
                logger.warning(
                    Event("hard limit exceeded, stopping the job", **fields, limit=limit)
                )
                child.cause = "ran into its hard limit"
                child.send(control_pipe.LIMIT, lease, interrupt=True)
                self._set_deadline(child, lease)

    def _kill_overdue(self, child: ChildProcess, status: Status, now: float) -> None:
        """Kill jobs that are still running after their deadline."""
        running = {job.leased.lease for job in status.running}
        for lease in [one for one in child.kill_deadlines if one not in running]:
            del child.kill_deadlines[lease]
            child.postponed_kills.discard(lease)
            if not child.kill_deadlines:
                child.cause = ""
        others = running - child.kill_deadlines.keys()
        for lease, at in list(child.kill_deadlines.items()):
            if now >= at or (lease in child.postponed_kills and not others):
                self._kill(child, lease, now, has_others=bool(others))

    def _kill(self, child: ChildProcess, lease: str, now: float, *, has_others: bool) -> None:
        if self._options.isolation == "job" and lease not in child.postponed_kills:
            child.postponed_kills.add(lease)
            child.send(control_pipe.KILL, lease)
            child.kill_deadlines[lease] = now + self._options.kill_interval
        elif has_others and lease not in child.postponed_kills:
            # Other jobs run in the same process: they get the grace period to finish.
            child.postponed_kills.add(lease)
            child.kill_deadlines[lease] = now + self._options.grace
            self._table.retire(child)
        else:
            job = next(
                (one for one in child.board.read().held if one.lease == lease), LeasedJob(*_NO_JOB)
            )
            fields = held_fields(job, child.worker)
            logger.warning(
                Event("killing a child whose job does not stop", **fields, child_pid=child.pid)
            )
            child.kill(child.cause)
            child.kill_deadlines[lease] = float("inf")


class FrozenDetector:
    """Finds children that are stopped or stuck: they neither answer nor use the processor.

    A child that computes without releasing the interpreter uses the processor; one that waits
    answers. A child that runs its job in the main thread could answer only if a signal interrupted
    the job, and a call in C such as sleep() would return early. So of those only a stopped one
    counts as frozen, where the system tells which are.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._limit = options.frozen_limit
        self._timeout = max(1.0, options.kill_interval)
        self._runs_in_main_thread = options.isolation != "job" and options.concurrency == 1
        self._pings: dict[int, tuple[float, int, int]] = {}

    def check(self, child: ChildProcess, unchanged: float, now: float) -> None:
        """Ping a child whose board has not changed for long, and kill it if it does not answer."""
        if unchanged < self._limit and child.pid not in self._pings:
            return
        state = process_state(child.pid) if self._runs_in_main_thread else None
        if state is not None and state not in _STOPPED:
            self._pings.pop(child.pid, None)
            return
        ping = self._pings.get(child.pid)
        if ping is None:
            self._pings[child.pid] = (now, child.board.pongs, cpu_ticks(child.pid))
            child.send(control_pipe.PING, interrupt=self._runs_in_main_thread and state is None)
            return
        sent_at, pongs, ticks = ping
        if unchanged < self._limit or child.board.pongs != pongs or cpu_ticks(child.pid) > ticks:
            # It is alive. The next ping comes after the same time again.
            if now - sent_at >= self._limit:
                del self._pings[child.pid]
        elif now - sent_at >= self._timeout:
            logger.error(Event("killing a frozen child", worker=child.worker, child_pid=child.pid))
            child.kill("frozen")

    def forget(self, child: ChildProcess) -> None:
        """Drop what was recorded about a child that has exited."""
        self._pings.pop(child.pid, None)


def process_state(pid: int) -> str | None:
    """Return the state of a process as one letter, such as T for stopped; None where unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[0]


def cpu_ticks(pid: int) -> int:
    """Return the processor time that a process has used, in ticks; 0 where it is unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return sum(int(one) for one in stat.rpartition(")")[2].split()[_CPU_FIELDS])
