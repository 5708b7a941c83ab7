"""The parent: forks the children, renews their leases, returns the jobs of the dead ones.

One loop, no threads, no job code. It never ends because the store is away: the children go on with
the jobs they have, and what it owes the store is kept until the store is back.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import Final

from qless_py import protocol
from qless_py.worker import child, orders
from qless_py.worker.backoff import Backoff
from qless_py.worker.board import Activity, Held, Note
from qless_py.worker.lease import Leases
from qless_py.worker.line import Line
from qless_py.worker.member import Birth, Member, fork
from qless_py.worker.options import WorkerOptions
from qless_py.worker.signals import SignalPipe
from qless_py.worker.stop import OBEY, Stop

logger = logging.getLogger(__name__)

_LOOK: Final = 1.0  # Seconds after which a parent looks at the boards though nothing happened.
_BURST_LOOK: Final = 0.05
_LONG: Final = 1.0  # A job that runs longer than this does not make others wait behind it.
_YOUNG: Final = 1.0  # A child that died younger than this makes the next fork wait.
_LEAVING: Final = 2.0  # Seconds for which a parent without children waits for a store to report to.


class Parent:
    """A running worker. `run` returns the exit code when it was told to stop, or at a burst's end.

    `live` is what a child does; another function can stand in for it.
    """

    def __init__(
        self, options: WorkerOptions, *, live: Callable[[WorkerOptions, Birth], int] = child.live
    ) -> None:
        self._options = options
        self._live = live
        self._members: dict[int, Member] = {}
        self._leases = Leases()
        self._line = Line(options)
        self._stop = Stop(options.grace)
        self._births = Backoff(first=0.1, most=10.0)
        self._fork_after = 0.0
        self._selector = selectors.DefaultSelector()
        self._signals = SignalPipe()

    def run(self) -> int:
        """Work until told to stop. Must be called in the main thread of its process."""
        self._line.open()
        with self._signals, self._selector:
            self._selector.register(self._signals, selectors.EVENT_READ)
            while not (self._stop.is_on and not self._members):
                self._fork_missing()
                self._selector.select(self._pause())
                for number in self._signals.take():
                    self._obey(number)
                self._bury()
                self._renew()
                self._relieve()
                self._line.deliver()
                self._line.beat([member.worker for member in self._members.values()])
                self._watch_burst()
                self._lead()
            self._leave()
        return 0

    def _fork_missing(self) -> None:
        if self._stop.is_on or time.monotonic() < self._fork_after:
            return
        for index in sorted(set(range(self._options.children)) - self._members.keys()):
            name = self._options.worker_name(os.getpid(), index)
            member = fork(index, name, self._be_child, self._close_in_child)
            self._members[index] = member
            logger.info("child %s has pid %d", name, member.pid)

    def _be_child(self, birth: Birth) -> int:
        return self._live(self._options, birth)

    def _close_in_child(self) -> None:
        self._selector.close()
        self._signals.close()
        self._line.drop()
        for member in self._members.values():
            member.close()

    def _pause(self) -> float:
        now = time.monotonic()
        waits = [
            _BURST_LOOK if self._options.burst else _LOOK,
            self._line.shortest_lease / 4,
            self._line.pause(now),
            max(self._leases.wait(self._held(), now), self._line.closed_for(now)),
            self._stop.pause(now),
        ]
        waits += [m.kill_at - now for m in self._members.values() if m.kill_at is not None]
        if len(self._members) < self._options.children and not self._stop.is_on:
            waits.append(self._fork_after - now)
        return max(0.0, min(waits))

    def _held(self) -> list[Held]:
        return [held for member in self._members.values() for held in member.held()]

    def _obey(self, number: int) -> None:
        if number == signal.SIGQUIT:
            logger.info("QUIT: leaving when the running jobs have ended")
            self._stop.finish()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop.ask(time.monotonic())
            logger.info("%s: taking no more jobs", signal.Signals(number).name)

    def _bury(self) -> None:
        """Take leave of the children that ended, and report what they held."""
        for member in list(self._members.values()):
            cause = member.reap()
            if cause is None:
                continue
            note = member.board.read()
            del self._members[member.index]
            member.close()
            if cause != "exit 0" or note.held:
                self._report(member, note, cause)
            if time.monotonic() - member.forked_at < _YOUNG and not self._stop.is_on:
                self._fork_after = time.monotonic() + self._births.next()
            else:
                self._births.reset()

    def _report(self, member: Member, note: Note, cause: str) -> None:
        logger.warning("child %s (pid %d) ended by %s", member.worker, member.pid, cause)
        started = note.started.jid if note.started else ""
        if member.is_stopped and note.held:
            # It was we who ended it, for the sake of a quick stop: that is no job's fault.
            self._line.owe(*(protocol.jobs.release(one.jid, one.lease) for one in note.held))
            started = note.held[0].jid
        self._line.owe(protocol.workers.died(member.worker, member.nonce, started, cause))

    def _renew(self) -> None:
        due = self._leases.due(self._held(), time.monotonic())
        answers = self._line.renew(due) if due else None
        if answers is None:
            return
        lost = {held.lease for held in self._leases.settle(due, answers, time.monotonic())}
        for member in self._members.values():
            running = member.board.read().running
            if running is not None and running.lease in lost:
                logger.warning("%s has lost %s, stopping it", member.worker, running.jid)
                member.announce(orders.LOST, running.lease, interrupt=True)
                member.doom(running.lease, time.monotonic() + OBEY)

    def _relieve(self) -> None:
        """Give back jobs that a child took together with one that turned out to be long."""
        for member in self._members.values():
            behind = member.held_up(time.monotonic(), _LONG)
            announced = [one for one in behind if member.announce(orders.LOST, one.lease)]
            # Only now: a child that starts one of them has noted it before it sees the order.
            note = member.board.read()
            freed = [one for one in announced if one in note.held and one != note.started]
            member.given_back.update(one.lease for one in freed)
            self._line.owe(*(protocol.jobs.release(one.jid, one.lease) for one in freed))

    def _lead(self) -> None:
        """Tell the children how the stop goes on; kill those that did not obey in time."""
        now = time.monotonic()
        order = self._stop.order(now)
        for member in self._members.values():
            if order is not None and member.told != order:
                member.told = order
                member.announce(order, interrupt=order == orders.RELEASE)
                member.is_stopped = order == orders.RELEASE
                # Who holds nothing has no reason to stay, and may be waiting for a lost store.
                member.kill_at = now + OBEY
            if member.kill_at is not None and now >= member.kill_at:
                member.kill_unless_obeyed()

    def _watch_burst(self) -> None:
        if not self._options.burst or len(self._members) < self._options.children:
            return
        first, second = ([m.board.read() for m in self._members.values()] for _ in range(2))
        # Nobody moved between the two looks, so there was a moment at which all were idle at once,
        # and a job put by one of them before would have kept that one or another busy.
        if first == second and all(note.activity is Activity.IDLE for note in first):
            logger.info("nothing left to take, leaving")
            self._stop.finish()

    def _leave(self) -> None:
        names = [self._options.worker_name(os.getpid(), i) for i in range(self._options.children)]
        self._line.owe(protocol.workers.deregister(names))
        until = time.monotonic() + _LEAVING
        self._line.deliver()
        while self._line.owes and time.monotonic() < until:
            self._selector.select(max(0.01, self._line.closed_for(time.monotonic())))
            self._line.deliver()
        self._line.close()
