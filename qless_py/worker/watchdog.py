"""What a parent does for the jobs of its children: leases, limits, lost ones, frozen children."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Final

from qless_py import protocol
from qless_py.worker import control_pipe as orders
from qless_py.worker.child_process import Member
from qless_py.worker.lease_renewer import Leases
from qless_py.worker.options import WorkerOptions
from qless_py.worker.outbox import Line
from qless_py.worker.process_table import Family, Grave
from qless_py.worker.status_board import Held, Note, Running

logger = logging.getLogger(__name__)

_LONG: Final = 1.0  # A job that runs longer than this does not make others wait behind it.
_CPU_FIELDS: Final = slice(11, 13)  # Of /proc/<pid>/stat, behind the name: user and system time.


class Guard:
    """Looks at all boards. It never asks a child anything, but for one that seems frozen."""

    def __init__(self, options: WorkerOptions, family: Family, line: Line) -> None:
        self._options = options
        self._family = family
        self._line = line
        self._leases = Leases(float("inf"))
        self._frozen = Frozen(options)

    def pause(self, now: float) -> float:
        """Give the seconds until something is due, as far as is known now."""
        waits = [max(self._leases.wait(self._held(), now), self._line.closed_for(now))]
        for member in self._family:
            waits += [at - now for at in member.doomed.values()]
            waits += [one.since + self._limit(one.limit) - now for one in _limited(member)]
        return max(0.0, min(waits))

    def suspect(self, lease: str) -> None:
        """Ask for this lease at once: it is said to be lost."""
        self._leases.suspect(lease)

    def ask(self, worker: str) -> None:
        """Ask for all leases of this worker at once: one may have been lost unheard."""
        for member in self._family:
            if member.worker == worker:
                for one in member.held():
                    self._leases.ask(one.lease)

    def refresh(self) -> None:
        """Renew all leases, due or not: around a time in which nobody can."""
        now = time.monotonic()
        held = [one for one in self._held() if now - one.since < self._leases.limit]
        if held:
            # Those refused are asked for again, as always, before anybody is stopped.
            self._line.renew(held)

    def watch(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        self._renew(now)
        for member in self._family:
            note = member.board.read()
            still = member.still_for(note, now)
            if still >= _LONG and not member.is_stopped:
                self._relieve(member, note)
            self._stop_overdue(member, note, now)
            self._execute(member, note, now)
            self._frozen.look(member, still, now)

    def report(self, grave: Grave) -> None:
        """Return the jobs of a child that has ended; those that were being run pay for it."""
        member, note = grave.member, grave.note
        self._frozen.forget(member)
        if grave.cause == "exit 0" and not note.held:
            return
        cause = member.cause or grave.cause
        logger.warning("child %s (pid %d) ended by %s", member.worker, member.pid, grave.cause)
        if member.is_stopped:
            # It was we who ended it, for the sake of a quick stop: that is no job's fault.
            self._line.owe(*(protocol.jobs.release(one.jid, one.lease) for one in note.held))
        # With nobody running, it ended of what a job left behind; if that cost nothing, for ever.
        ran = [one.held for one in note.running] or note.settling
        started = [] if member.is_stopped else [one.jid for one in ran]
        guilty = [one for one in note.running if one.held.lease in member.doomed]
        if guilty and not member.is_stopped:
            started = [one.held.jid for one in guilty]
        self._line.owe(protocol.workers.died(member.worker, member.nonce, started, cause))

    def _held(self) -> list[Held]:
        return [held for member in self._family for held in member.held()]

    def _limit(self, own: float | None) -> float:
        """Give the hard limit of a job; one whose own is not known yet has the worker's."""
        return own if own is not None else self._options.hard_limit or float("inf")

    def _renew(self, now: float) -> None:
        due = self._leases.due(self._held(), now)
        answers = self._line.renew(due) if due else None
        if answers is None:
            return
        lost = {one.lease: one.jid for one in self._leases.settle(due, answers, time.monotonic())}
        for member in self._family:
            if not lost:
                return
            note = member.board.read()
            for one in note.held:
                if one.lease in lost:
                    self._tell_lost(member, note, one)

    def _tell_lost(self, member: Member, note: Note, lost: Held) -> None:
        is_running = any(one.held.lease == lost.lease for one in note.running)
        if is_running:
            logger.warning("%s has lost %s, stopping it", member.worker, lost.jid)
            self._doom(member, lost.lease)
        member.announce(orders.LOST, lost.lease, interrupt=is_running)

    def _doom(self, member: Member, lease: str) -> None:
        at = time.monotonic() + self._options.kill_interval
        member.doomed[lease] = min(at, member.doomed.get(lease, at))

    def _relieve(self, member: Member, note: Note) -> None:
        """Give back the jobs behind one that turned out to be long, and have verdicts sent."""
        if not note.running:
            return
        behind = [one for one in note.waiting if one.lease not in member.given_back]
        announced = [one for one in behind if member.announce(orders.BACK, one.lease)]
        # Only now: a child that starts one of them has noted it before it sees the order. It keeps
        # what it has started, so that is none of those freed.
        waiting = set(member.board.read().waiting)
        freed = [one for one in announced if one in waiting]
        member.given_back.update(one.lease for one in freed)
        self._line.owe(*(protocol.jobs.release(one.jid, one.lease) for one in freed))
        settling = {one.lease for one in note.settling}
        if settling - member.flushed:
            member.flushed = settling
            member.announce(orders.FLUSH, interrupt=True)

    def _stop_overdue(self, member: Member, note: Note, now: float) -> None:
        for one in note.running:
            lease = one.held.lease
            if now - one.since >= self._limit(one.limit) and lease not in member.doomed:
                logger.warning("%s is over its hard limit, stopping it", one.held.jid)
                member.cause = "ran into its hard limit"
                member.announce(orders.LIMIT, lease, interrupt=True)
                self._doom(member, lease)

    def _execute(self, member: Member, note: Note, now: float) -> None:
        """Kill what was told to stop and did not."""
        running = {one.held.lease for one in note.running}
        for lease in [one for one in member.doomed if one not in running]:
            del member.doomed[lease]
            member.postponed.discard(lease)
            if not member.doomed:
                member.cause = ""
        others = running - member.doomed.keys()
        for lease, at in list(member.doomed.items()):
            if now >= at or (lease in member.postponed and not others):
                self._kill(member, lease, now, shares=bool(others))

    def _kill(self, member: Member, lease: str, now: float, *, shares: bool) -> None:
        if self._options.isolation == "job" and lease not in member.postponed:
            member.postponed.add(lease)
            member.announce(orders.KILL, lease)
            member.doomed[lease] = now + self._options.kill_interval
        elif shares and lease not in member.postponed:
            # Others run in the same process; they are given some time to end first.
            member.postponed.add(lease)
            member.doomed[lease] = now + self._options.grace
            self._family.retire(member)
        else:
            logger.warning("%s did not obey, killing pid %d", member.worker, member.pid)
            member.kill(member.cause)
            member.doomed[lease] = float("inf")


class Frozen:
    """Finds children that are stopped or stuck: they neither answer nor use the processor.

    One that computes without letting the interpreter go is not frozen; one that waits answers.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._limit = options.frozen_limit
        self._patience = max(1.0, options.kill_interval)
        self._asked: dict[int, tuple[float, int, int]] = {}

    def look(self, member: Member, still: float, now: float) -> None:
        """Ask a child whose board has not changed for long, and kill it if it does not answer."""
        asked = self._asked.get(member.pid)
        if asked is None:
            if still >= self._limit:
                self._ask(member, now)
            return
        at, beats, used = asked
        if still < self._limit or member.board.beats != beats or cpu(member.pid) > used:
            # It lives. Looked at again after as long as before.
            if now - at >= self._limit:
                del self._asked[member.pid]
        elif now - at >= self._patience:
            logger.error("child %s (pid %d) is frozen, killing it", member.worker, member.pid)
            member.kill("frozen")

    def forget(self, member: Member) -> None:
        """Drop what was noted of a child that has ended."""
        self._asked.pop(member.pid, None)

    def _ask(self, member: Member, now: float) -> None:
        self._asked[member.pid] = (now, member.board.beats, cpu(member.pid))
        member.announce(orders.BEAT, interrupt=True)


def cpu(pid: int) -> int:
    """Give the processor time that a process has used, in ticks; 0 where that cannot be known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return sum(int(one) for one in stat.rpartition(")")[2].split()[_CPU_FIELDS])


def _limited(member: Member) -> list[Running]:
    return [one for one in member.board.read().running if one.held.lease not in member.doomed]
