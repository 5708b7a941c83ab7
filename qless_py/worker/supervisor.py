"""The parent: forks the children, looks after them and their leases, and obeys signals.

One loop, no threads, no job code. It never ends because the store is away: the children go on with
the jobs they have, and what it owes the store is kept until the store is back.
"""

from __future__ import annotations

import logging
import selectors
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from qless_py import protocol
from qless_py.protocol.checks import MOST_AT_ONCE
from qless_py.worker import child, preloading, sandbox, titles
from qless_py.worker import heartbeat as beats
from qless_py.worker import reaper as orphans
from qless_py.worker import reexec as restart
from qless_py.worker.child_process import Birth
from qless_py.worker.daemon import PidFile
from qless_py.worker.options import WorkerOptions
from qless_py.worker.outbox import Line
from qless_py.worker.probe import Probe
from qless_py.worker.process_table import Family
from qless_py.worker.reloader import Watch
from qless_py.worker.shutdown import Stop
from qless_py.worker.signals import SignalPipe, without_order
from qless_py.worker.subscriber import SUBSCRIBED, Ear
from qless_py.worker.watchdog import Guard

logger = logging.getLogger(__name__)

_LOOK: Final = 0.5  # Seconds after which a parent looks at the boards though nothing happened.
_BURST_LOOK: Final = 0.05
_LEAVING: Final = 2.0  # Seconds for which a parent without children waits for a store to report to.


class Parent:
    """A running worker. `run` returns the exit code when it was told to stop, or at a burst's end.

    `live` is what a child does; another function can stand in for it.
    """

    _title = "parent"

    def __init__(
        self, options: WorkerOptions, *, live: Callable[[WorkerOptions, Birth], int] = child.live
    ) -> None:
        options = replace(options, sandbox=sandbox.prepared(options.sandbox))
        self._options = options
        self._live = live
        self._line = Line(options)
        self._family = Family(options)
        self._guard = Guard(options, self._family, self._line)
        self._stop = Stop(options.grace)
        self._is_quiet = False
        self._selector = selectors.DefaultSelector()
        self._ear = Ear(options.namespace, self._selector)
        self._signals = SignalPipe()
        self._pidfile = PidFile(options.pidfile)
        self._trial = restart.Trial()
        self._probe: Probe | None = None
        self._watch: Watch | None = None
        self._reaps = False

    def run(self, opened: Callable[[], object] | None = None) -> int:
        """Work until told to stop. Must be called in the main thread of its process.

        `opened` is called when nothing can be wrong any more with what the worker was told.
        """
        if restart.is_trial():
            return 0
        titles.show(self._title)
        with self._pidfile, self._signals, self._selector:
            self._open()
            if opened is not None:
                opened()
            if self._options.preload:
                preloading.load(self._options.imports)
            self._work()
            self._leave()
        return 0

    def _work(self) -> None:
        self._loop()

    def _open(self) -> None:
        """Prepare everything; takes over what the program before this one left."""
        self._reaps = orphans.is_ours()
        is_continued, legacy = restart.is_continued(), restart.adopted()
        self._is_quiet = legacy.is_quiet
        if self._options.probe is not None:
            self._probe = Probe(self._options.probe, self._selector, self._state, legacy.probe)
        try:
            self._line.open(is_needed=not is_continued)
        except BaseException:
            self._close_probe()
            raise
        self._line.owe(*legacy.owed)
        self._family.adopt(legacy.members)
        self._guard.refresh()
        self._selector.register(self._signals, selectors.EVENT_READ)
        restart.release_signals()
        if self._options.watch:
            self._watch = Watch(self._options.imports)
        preloading.assemble()

    def _loop(self) -> None:
        while not self._is_over():
            self._step()

    def _step(self) -> None:
        if not self._stop.is_on:
            self._fill()
        self._ear.listen(self._line.redis, [member.worker for member in self._family])
        self._selector.select(self._pause())
        self._heed()
        self._bury()
        for worker, told in self._ear.hear():
            self._hear(worker, told)
        self._guard.watch()
        self._line.deliver()
        if self._family.greet():
            self._line.beat_now()
        for worker, command in self._line.beat(self._infos).items():
            self._command(worker, command)
        self._watch_burst()
        self._watch_files()
        if self._probe is not None:
            self._probe.serve()
        if self._trial.has_passed() and not self._stop.is_on:
            self._replace()
        self._lead()

    def _fill(self) -> None:
        self._family.fill(lambda birth: self._live(self._options, birth), self._close_in_child)

    def _is_over(self) -> bool:
        return not len(self._family) and (self._stop.is_on or not self._family.places)

    def _close_in_child(self) -> None:
        self._selector.close()
        self._signals.close()
        self._ear.drop()
        self._line.drop()
        self._pidfile.drop()
        if self._probe is not None:
            self._probe.drop()
        self._family.close()

    def _pause(self) -> float:
        now = time.monotonic()
        waits = [
            _BURST_LOOK if self._options.burst else _LOOK,
            self._line.shortest_lease / 4,
            self._line.pause(now),
            self._guard.pause(now),
            self._stop.pause(now),
            self._family.patience(now),
        ]
        if not self._stop.is_on:
            waits.append(self._family.pause(now))
        if self._watch is not None:
            waits.append(self._watch.pause(now))
        return max(0.0, min(waits))

    def _infos(self) -> dict[str, bytes]:
        state = "stopping" if self._stop.is_on else "quiet" if self._is_quiet else "running"
        return {one.worker: beats.info(self._options, one, state) for one in self._family}

    def _heed(self) -> None:
        for number in without_order(self._signals.take()):
            self._obey(number)

    def _obey(self, number: int) -> None:
        if number == signal.SIGQUIT:
            logger.info("QUIT: leaving when the running jobs have ended")
            self._stop.finish()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop.ask(time.monotonic())
            self._lead()
            logger.info("%s: taking no more jobs", signal.Signals(number).name)
        elif number == signal.SIGUSR1:
            logger.warning("USR1: killing what runs jobs")
            self._family.kill_running()
        elif number in (signal.SIGUSR2, signal.SIGCONT):
            self._is_quiet = number == signal.SIGUSR2
            self._line.beat_now()
            for member in self._family:
                member.hush(is_quiet=self._is_quiet)
        elif number == signal.SIGTTIN:
            self._dump()
        elif number == signal.SIGHUP and self._stop.is_on:
            logger.info("HUP: leaving already, so nothing is restarted")
        elif number == signal.SIGHUP:
            logger.info("HUP: restarting with new code, running jobs may finish")
            self._trial.begin()

    def _hear(self, worker: str, told: dict[str, object]) -> None:
        """Act on what was published: a command, or a lease that is said to be lost."""
        if told.get("event") == SUBSCRIBED:
            # What was published before was not heard.
            self._guard.ask(worker)
            self._line.beat_now()
        elif told.get("event") == "command":
            self._command(worker, str(told.get("command")))
            self._line.beat_now()  # It takes the command back that waits there.
        elif "lease" in told:
            self._guard.suspect(str(told["lease"]))

    def _command(self, worker: str, command: str) -> None:
        for member in self._family:
            if member.worker != worker:
                continue
            logger.info("%s was told to %s", worker, command)
            if command == "stop":
                self._family.dismiss(member)
            elif command == "restart":
                self._family.retire(member)
            else:
                member.hush(is_quiet=command == "quiet")

    def _dump(self) -> None:
        logger.warning("TTIN: what the parent is doing:\n%s", "".join(traceback.format_stack()))
        for member in self._family:
            member.signal(signal.SIGTTIN)

    def _replace(self) -> None:
        """Go on as the program that was found to start, unless a signal says otherwise."""
        self._guard.refresh()
        self._line.deliver()
        restart.hold_signals()
        # What has come until now would be forgotten with the pipe; what comes now waits.
        self._heed()
        if not self._stop.is_on and self._trial.pid is None:
            probe = None if self._probe is None else self._probe.descriptor
            legacy = restart.Legacy(list(self._family), self._line.owed, self._is_quiet, probe)
            restart.replace(legacy)
        restart.release_signals()

    def _watch_files(self) -> None:
        if self._watch is None or self._stop.is_on or not self._watch.has_changed():
            return
        logger.info("source files have changed, replacing the children")
        if self._options.preload:
            self._trial.begin()
            return
        for member in self._family:
            self._family.retire(member)

    def _state(self) -> dict[str, object]:
        told = {
            "stopping": self._stop.is_on,
            "quiet": self._is_quiet,
            "store": not self._line.is_away,
        }
        return beats.state(self._family, told)

    def _bury(self) -> None:
        for grave in self._family.bury():
            self._guard.report(grave)
            if grave.member.is_retired:
                self._family.known.discard(grave.member.worker)
                self._line.owe(protocol.workers.deregister([grave.member.worker]))
        if self._reaps:
            orphans.reap({*self._family.pids, self._trial.pid})

    def _lead(self) -> None:
        """Tell the children what holds for all of them, also those that are new."""
        if self._is_quiet:
            for member in self._family:
                if not member.is_quiet:
                    member.hush(is_quiet=True)
        self._family.lead(self._stop.order(time.monotonic()))

    def _watch_burst(self) -> None:
        if self._options.burst and not self._family.missing and self._family.is_idle():
            logger.info("nothing left to take, leaving")
            self._stop.finish()

    def _leave(self) -> None:
        self._trial.end()
        names = sorted(self._family.known)
        for at in range(0, len(names), MOST_AT_ONCE):
            self._line.owe(protocol.workers.deregister(names[at : at + MOST_AT_ONCE]))
        until = time.monotonic() + _LEAVING
        self._ear.close()
        self._close_probe()
        self._line.deliver()
        while self._line.owes and time.monotonic() < until:
            self._selector.select(max(0.01, self._line.closed_for(time.monotonic())))
            self._line.deliver()
        self._line.close()

    def _close_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
