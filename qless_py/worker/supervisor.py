"""The supervisor: forks the children, watches them and their leases, and handles signals.

One loop without threads and without job code. It never ends because the store is unavailable: the
children continue with the jobs they have, and calls to the store are kept until it is back.
"""

from __future__ import annotations

import functools
import logging
import selectors
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import redis
from redis.exceptions import ResponseError

from qless_py import protocol
from qless_py.handlers.logs import Event, keep
from qless_py.protocol.arguments import MAX_PER_CALL
from qless_py.scripts import assemble
from qless_py.worker import child, outbox, preflight, reaper, reexec, sandbox, titles
from qless_py.worker.child_process import ChildProcess, SpawnSpec
from qless_py.worker.daemon import PidFile
from qless_py.worker.heartbeat import Heartbeat
from qless_py.worker.lease_renewer import LeaseRenewer
from qless_py.worker.options import WorkerOptions
from qless_py.worker.outbox import Outbox
from qless_py.worker.probe import Probe
from qless_py.worker.process_table import ProcessTable
from qless_py.worker.reloader import Reloader
from qless_py.worker.shutdown import Shutdown
from qless_py.worker.signals import SignalPipe, without_conflicts
from qless_py.worker.subscriber import SUBSCRIBED, Subscriber
from qless_py.worker.watchdog import Watchdog

logger = logging.getLogger(__name__)

_INTERVAL: Final = 0.5  # Seconds after which the boards are read though nothing happened.
_BURST_INTERVAL: Final = 0.05
_STACK_WAIT: Final = 0.2  # Seconds in which children write their stacks.
_TAKEOVER_INTERVAL: Final = 1.0  # Seconds between two looks for boards without processes.
_EXIT_TIMEOUT: Final = 2.0  # Seconds to wait at the end for a store to report to.


class Supervisor:
    """A running worker. `run` returns the exit code once it was stopped, or a burst is over.

    `child_main` is what a child runs; tests replace it.
    """

    _title = "supervisor"

    def __init__(
        self,
        options: WorkerOptions,
        *,
        child_main: Callable[[WorkerOptions, SpawnSpec], int] = child.main,
    ) -> None:
        options = replace(options, sandbox=sandbox.prepare(options.sandbox))
        self._options = options
        self._child_main = child_main
        self._outbox = Outbox(options)
        self._table = ProcessTable(options)
        self._heartbeat = Heartbeat(options, self._table, self._outbox)
        self._renewer = LeaseRenewer(self._table, self._outbox)
        self._watchdog = Watchdog(options, self._table, self._outbox)
        self._shutdown = Shutdown(options.grace)
        self._is_quiet = False
        self._selector = selectors.DefaultSelector()
        self._subscriber = Subscriber(options.namespace, self._selector)
        self._signals = SignalPipe()
        self._pidfile = PidFile(options.pidfile)
        self._trial = reexec.TrialStart()
        # Before children are replaced without the supervisor: its command line as a whole program.
        self._recheck = reexec.TrialStart()
        self._to_replace: set[int] = set()
        self._stacks_at: float | None = None
        # The last command of each worker that was published and carried out.
        self._published: dict[str, str] = {}
        # Workers whose stacks were requested from elsewhere.
        self._dumping: set[str] = set()
        self._probe: Probe | None = None
        self._reloader: Reloader | None = None
        self._reaps_orphans = False
        self._takeover_at = 0.0

    def run(self, on_ready: Callable[[], object] | None = None) -> int:
        """Work until stopped. Must be called in the main thread of its process.

        `on_ready` is called once the store is available and the options were found to be valid.
        """
        if reexec.is_trial():
            return 0 if preflight.passes(preflight.checks_of_child(self._options)) else 1
        titles.set_title(self._title)
        is_reexec = reexec.is_reexec()
        # A program that replaced another one has passed them, and has children to look after.
        if not (is_reexec or self._passes_checks()):
            return 1
        with self._pidfile, self._signals, self._selector:
            if not self._start_up():
                self._exit()
                return 0
            if on_ready is not None:
                on_ready()
            # After a restart there is nothing to go back to, and jobs are running: continue.
            if not self._options.hooks.start_worker() and not is_reexec:
                self._exit()
                return 1
            if self._options.preload:
                child.import_handlers(self._options.imports)
                keep()
            self._work()
            self._exit()
            self._options.hooks.stop_worker()
        return 0

    def _passes_checks(self) -> bool:
        """Run the checks where their imports may stay: here, or in a process of their own."""
        if self._options.preload:
            has_passed = preflight.passes(preflight.checks_of(self._options))
            keep()
            return has_passed
        return preflight.passes_apart(preflight.checks_of_child(self._options))

    def _start_up(self) -> bool:
        """Open everything, and take over what the previous program handed over.

        Returns False if the worker was stopped before the store was available.
        """
        self._reaps_orphans = reaper.adopts_orphans()
        is_reexec, state = reexec.is_reexec(), reexec.inherited_state()
        self._is_quiet = state.is_quiet
        if self._options.probe is not None:
            answers = (self._probe_state, self._heartbeat.metrics)
            self._probe = Probe(self._options.probe, self._selector, answers, state.probe)
        self._selector.register(self._signals, selectors.EVENT_READ)
        try:
            config = self._connect(is_required=not is_reexec)
        except BaseException:
            self._close_probe()
            raise
        if self._shutdown.is_requested and not is_reexec:
            return False
        if config is not None:
            self._heartbeat.read_config(config)
        self._outbox.add(*state.pending)
        self._table.adopt(state.children)
        self._renewer.renew_all()
        reexec.unblock_signals()
        if self._options.watch:
            self._reloader = Reloader(self._options.imports)
        assemble.library()  # Before the fork, so that no child has to assemble it.
        return True

    def _connect(self, *, is_required: bool) -> dict[str, Any] | None:
        """Connect to the store; wait for one that is away or loading, unless this is a burst."""
        while True:
            try:
                return self._outbox.connect(is_required=is_required)
            except (redis.ConnectionError, redis.TimeoutError, ResponseError) as error:
                if self._options.burst or not outbox.is_temporary(error):
                    raise
                self._outbox.record_failure(error)
            until = time.monotonic() + self._outbox.retry_in(time.monotonic())
            while (left := until - time.monotonic()) > 0:
                self._selector.select(left)
                self._handle_signals()
                if self._probe is not None:
                    self._probe.serve()
                if self._shutdown.is_requested:
                    return None

    def _work(self) -> None:
        self._loop()

    def _loop(self) -> None:
        while not self._is_over():
            self._step()

    def _is_over(self) -> bool:
        return not len(self._table) and (self._shutdown.is_requested or not self._table.wanted)

    def _step(self) -> None:
        if not self._shutdown.is_requested:
            self._spawn_children()
        self._subscriber.subscribe(self._outbox.redis, [one.worker for one in self._table])
        self._selector.select(self._timeout())
        self._handle_signals()
        self._reap_children()
        for worker, message in self._subscriber.read():
            self._handle_message(worker, message)
        for process, lost in self._renewer.renew():
            self._watchdog.stop_lost(process, lost)
        self._watchdog.check()
        self._take_over()
        self._outbox.flush()
        self._send_heartbeat()
        self._check_burst()
        self._check_sources()
        if self._probe is not None:
            self._probe.serve()
        if self._trial.has_passed() and not self._shutdown.is_requested:
            self._replace_program()
        if self._stacks_at is not None and time.monotonic() >= self._stacks_at:
            self._stacks_at = None
            self._report_stacks(self._table.log_stacks())
        if self._recheck.has_passed():
            self._replace_children()
        elif self._recheck.pid is None:
            self._to_replace.clear()  # The check has failed: these children go on.
        self._update_children()

    def _timeout(self) -> float:
        """Return the seconds until something is due."""
        now = time.monotonic()
        waits = [
            _BURST_INTERVAL if self._options.burst else _INTERVAL,
            self._heartbeat.shortest_lease / 4,
            self._heartbeat.due_in(now),
            self._outbox.due_in(now),
            self._renewer.due_in(now),
            self._watchdog.due_in(now),
            self._shutdown.due_in(now),
            self._table.follow_up_due_in(now),
        ]
        if self._stacks_at is not None:
            waits.append(self._stacks_at - now)
        if not self._shutdown.is_requested:
            waits.append(self._table.spawn_due_in(now))
        if self._reloader is not None:
            waits.append(self._reloader.due_in(now))
        return max(0.0, min(waits))

    def _spawn_children(self) -> None:
        self._table.spawn_missing(
            lambda spec: self._child_main(self._options, spec), self._close_inherited
        )

    def _close_inherited(self) -> None:
        """Close, in a new child, what belongs to the supervisor alone."""
        self._selector.close()
        self._signals.close()
        self._subscriber.close_inherited()
        self._outbox.close_inherited()
        self._pidfile.close_inherited()
        if self._probe is not None:
            self._probe.close_inherited()
        self._table.close()

    def _handle_signals(self) -> None:
        for number in without_conflicts(self._signals.take()):
            self._handle_signal(number)

    def _handle_signal(self, number: int) -> None:
        if number == signal.SIGQUIT:
            logger.info("QUIT: exiting when the running jobs have ended")
            self._shutdown.drain()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._shutdown.request(time.monotonic())
            self._update_children()
            logger.info("%s: fetching no more jobs", signal.Signals(number).name)
        elif number == signal.SIGUSR1:
            logger.warning("USR1: killing the processes of running jobs")
            self._table.kill_running()
        elif number in (signal.SIGUSR2, signal.SIGCONT):
            self._is_quiet = number == signal.SIGUSR2
            self._heartbeat.send_soon()
            for process in self._table:
                process.set_quiet(is_quiet=self._is_quiet)
        elif number == signal.SIGTTIN:
            stack = "".join(traceback.format_stack())
            logger.warning(Event("TTIN: stack of the supervisor", details=stack))
            for process in self._table:
                process.signal(signal.SIGTTIN)
            self._stacks_at = time.monotonic() + _STACK_WAIT
        elif number == signal.SIGHUP and self._shutdown.is_requested:
            logger.info("HUP: ignored during the shutdown")
        elif number == signal.SIGHUP:
            logger.info("HUP: restarting with new code while running jobs finish")
            self._trial.begin()

    def _handle_message(self, worker: str, message: dict[str, object]) -> None:
        """Handle what was published for a worker: a command, or the loss of a lease."""
        if message.get("event") == SUBSCRIBED:
            # What was published before was missed.
            self._renewer.renew_soon(worker)
            self._heartbeat.send_soon()
        elif message.get("event") == "command":
            self._published[worker] = str(message.get("command"))
            self._run_command(worker, self._published[worker])
            self._heartbeat.send_soon()  # It removes the command that is kept for this worker.
        elif "lease" in message:
            self._renewer.suspect(str(message["lease"]))

    def _run_command(self, worker: str, command: str) -> None:
        for process in self._table:
            if process.worker != worker:
                continue
            logger.info(Event("command received", worker=worker, command=command))
            if command == "dump":
                self._dumping.add(worker)
                process.signal(signal.SIGTTIN)
                self._stacks_at = time.monotonic() + _STACK_WAIT
                continue
            if command == "stop":
                self._table.remove(process)
            elif command == "restart":
                self._begin_replacing(process)
            else:
                process.set_quiet(is_quiet=command == "quiet")
            self._outbox.add(protocol.workers.report(worker, command))

    def _report_stacks(self, stacks: Mapping[str, str]) -> None:
        for worker in self._dumping:
            text = stacks.get(worker) or "the worker wrote no stacks"
            self._outbox.add(protocol.workers.report(worker, "dump", text))
        self._dumping.clear()

    def _reap_children(self) -> None:
        for child_exit in self._table.reap():
            self._watchdog.forget(child_exit.child)
            gone = child_exit.child
            remove = functools.partial(self._table.boards.remove, gone.worker, gone.nonce)
            self._outbox.add(*child_exit.report(remove))
            if child_exit.child.is_retired:
                name = child_exit.child.worker
                self._table.registered.discard(name)
                self._outbox.add(protocol.workers.deregister([name]))
        if self._reaps_orphans:
            reaper.reap({*self._table.pids, self._trial.pid, self._recheck.pid})

    def _take_over(self) -> None:
        """Report children on this machine that died with their supervisors."""
        now = time.monotonic()
        if now >= self._takeover_at:
            self._takeover_at = now + _TAKEOVER_INTERVAL
            self._outbox.add(*self._table.report_abandoned())

    def _send_heartbeat(self) -> None:
        if self._table.mark_started():
            self._heartbeat.send_soon()
        is_stopping = self._shutdown.is_requested
        state = "stopping" if is_stopping else "quiet" if self._is_quiet else "running"
        for worker, command in self._heartbeat.send(state).items():
            # The kept copy of a command that was carried out when it was published.
            if self._published.pop(worker, None) != command:
                self._run_command(worker, command)

    def _update_children(self) -> None:
        """Send the children, new ones included, what holds for all of them."""
        if self._is_quiet:
            for process in self._table:
                if not process.is_quiet:
                    process.set_quiet(is_quiet=True)
        self._table.advance_shutdown(self._shutdown.message(time.monotonic()))

    def _check_burst(self) -> None:
        if self._options.burst and not self._table.missing and self._table.is_idle():
            logger.info("no jobs left, exiting")
            self._shutdown.drain()

    def _check_sources(self) -> None:
        if (
            self._reloader is None
            or self._shutdown.is_requested
            or not self._reloader.has_changed()
        ):
            return
        logger.info("source files changed, replacing the children")
        if self._options.preload:
            self._trial.begin()
            return
        self._begin_replacing(*self._table)

    def _begin_replacing(self, *processes: ChildProcess) -> None:
        """Replace children once the code on disk is known to start."""
        self._to_replace.update(one.pid for one in processes)
        self._recheck.begin()

    def _replace_children(self) -> None:
        pids, self._to_replace = self._to_replace, set()
        for process in self._table:
            if process.pid in pids:
                self._table.replace(process)

    def _replace_program(self) -> None:
        """Replace this program by the one whose trial passed, unless a signal stops that."""
        self._renewer.renew_all()
        self._outbox.flush()
        reexec.block_signals()
        # Signals in the pipe would be lost with it; from here on they wait in the kernel.
        self._handle_signals()
        if not self._shutdown.is_requested and self._trial.pid is None:
            self._recheck.end()
            probe = None if self._probe is None else self._probe.descriptor
            reexec.replace_program(
                reexec.HandoverState(list(self._table), self._outbox.pending, self._is_quiet, probe)
            )
        reexec.unblock_signals()

    def _probe_state(self) -> dict[str, object]:
        return self._heartbeat.probe_state(
            is_stopping=self._shutdown.is_requested, is_quiet=self._is_quiet
        )

    def _exit(self) -> None:
        """Deregister the workers and close everything."""
        self._trial.end()
        self._recheck.end()
        names = sorted(self._table.registered)
        for at in range(0, len(names), MAX_PER_CALL):
            self._outbox.add(protocol.workers.deregister(names[at : at + MAX_PER_CALL]))
        deadline = time.monotonic() + _EXIT_TIMEOUT
        self._subscriber.close()
        self._close_probe()
        self._outbox.flush()
        while self._outbox.pending and time.monotonic() < deadline:
            self._selector.select(max(0.01, self._outbox.retry_in(time.monotonic())))
            self._outbox.flush()
        self._outbox.close()

    def _close_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
