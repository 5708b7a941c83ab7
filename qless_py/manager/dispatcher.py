"""The thread of a manager that fetches jobs, starts them in threads and sends their results."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.errors import DeadWorkerError, QlessError
from qless_py.handlers.executor import Executor
from qless_py.handlers.result import Transition
from qless_py.handlers.retry import RECONNECT
from qless_py.manager.in_flight import InFlight, LeaseRenewal
from qless_py.manager.registration import Registration
from qless_py.protocol import instrumentation
from qless_py.protocol.arguments import MAX_PER_CALL
from qless_py.store.dedicated import readable
from qless_py.store.outage import UNAVAILABLE
from qless_py.worker import control_pipe
from qless_py.worker.acknowledger import Acknowledger, StopWaiting
from qless_py.worker.child_context import HeldJob
from qless_py.worker.control_pipe import ControlPipe
from qless_py.worker.fetcher import Fetcher
from qless_py.worker.job_log import JobLog
from qless_py.worker.pools.threads import ThreadPool
from qless_py.worker.status_board import LeasedJob

logger = logging.getLogger(__name__)

# Seconds from the interrupt of a handler until its job is released while it runs on.
_INTERRUPT_TIMEOUT: Final = 1.0


class Dispatcher(threading.Thread):
    """Works like a child of the worker that runs jobs in threads, on the same parts.

    The fetcher, the acknowledger and the thread pool are the worker's, and other threads of the
    manager send messages through a control pipe as a supervisor does. Signals, the status board
    and the supervisor are not used: they belong to a process that only runs jobs. So nobody kills
    a handler that ignores its interrupt, and nobody else sees what a dead manager was doing.

    `on_started` is called when a job starts, and `on_ended` with its result and the store's reply.
    """

    def __init__(  # noqa: PLR0913 - the parts of a manager
        self,
        client: Client,
        registration: Registration,
        executor: Executor,
        in_flight: InFlight,
        *,
        concurrency: int,
        interval: float,
        hard_limit: float,
        on_started: Callable[[Job], None],
        on_ended: Callable[[HeldJob, Transition, Any], None],
    ) -> None:
        super().__init__(name="qless-manager", daemon=True)
        self.stopped_fetching = threading.Event()
        self._client = client
        self._registration = registration
        self._executor = executor
        self._in_flight = in_flight
        self._concurrency = concurrency
        self._interval = interval
        self._hard_limit = hard_limit
        self._on_started = on_started
        self._on_ended = on_ended
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)
        self._control = ControlPipe(self._reader)
        self._acknowledger = Acknowledger(client, self._control, self._acknowledged)
        self._fetcher = Fetcher(self._acknowledger, self._control, interval)
        self._pool = ThreadPool(executor)
        self._job_log = JobLog(level="debug")
        self._running: dict[str, HeldJob] = {}
        self._renewal = LeaseRenewal(client, in_flight, self._lose)

    def run(self) -> None:
        """Fetch and run jobs until the manager stops and no job is left, or all are released."""
        self._renewal.start()
        failures = 0
        while not (self._control.release or (self._control.stop and not self._in_flight)):
            try:
                self._step()
            except StopWaiting:
                continue
            except Exception as error:  # Nothing may end the fetching.
                failures += 1
                is_expected = isinstance(error, (*UNAVAILABLE, QlessError))
                logger.log(
                    logging.WARNING if failures == 1 else logging.DEBUG,
                    "cannot fetch jobs, retrying: %s",
                    error,
                    exc_info=None if is_expected else error,
                )
                self._control.wait(RECONNECT.seconds(failures))
            else:
                failures = 0
        self.stopped_fetching.set()
        self._end()

    def stop(self) -> None:
        """Fetch no more jobs, and end when the running ones have ended."""
        control_pipe.send(self._writer, control_pipe.STOP)

    def release(self) -> None:
        """Interrupt the running jobs, release them, and end."""
        control_pipe.send(self._writer, control_pipe.RELEASE)

    def close(self) -> None:
        """Close the control pipe; the thread must have ended."""
        os.close(self._reader)
        os.close(self._writer)

    def _step(self) -> None:
        self._control.has_news = False
        self._control.read()
        self._acknowledger.poll()
        self._collect()
        if self._control.stop:
            self.stopped_fetching.set()
        free = self._concurrency - len(self._running)
        if free > 0 and not self._control.stop:
            self._fetch(min(free, MAX_PER_CALL))
        else:
            self._wait()

    def _fetch(self, count: int) -> None:
        """Send the results that are kept and start what can be fetched; wait if that is nothing."""
        settings = self._client.settings
        # The ticks that an earlier reply asked for travel along; their own replies do not matter.
        ticks = protocol.recurring.answers(settings)
        *_, reply = self._acknowledger.exchange(*ticks, self._registration.pop(count))
        if isinstance(reply, DeadWorkerError):
            self._registration.register()  # The new nonce makes this manager alive again.
            return
        if isinstance(reply, Exception):
            raise reply
        settings.tick_requests.extend(reply.tick_requests)
        for record in reply.jobs:
            self._start(Job(self._client, record))
        if not (reply.jobs or reply.more or reply.tick_requests):
            with contextlib.suppress(*UNAVAILABLE):
                self._fetcher.wait(reply.wake, reply.next_in, [self._pool.fileno()])

    def _start(self, job: Job) -> None:
        duration = job.expires_at - (job.popped_at or job.expires_at)
        leased = LeasedJob(
            job.jid, job.lease, job.queue_name, time.monotonic(), max(duration, 0.05)
        )
        held = HeldJob(job, leased, 0)
        for other in self._running.values():
            if other.leased.jid == job.jid:
                self._lose(other.leased.lease)  # Otherwise it would not have been fetched again.
        self._in_flight.add(held, self._executor.limits(job)[1] or self._hard_limit)
        self._renewal.note(leased)
        job.watch(self._control)
        self._running[leased.lease] = held
        self._on_started(job)
        if instrumentation.current is not None:
            instrumentation.current.begin(job)
        self._job_log.started(job)
        try:
            self._pool.start(held)
        except RuntimeError as error:  # No more threads or memory: running jobs continue.
            logger.error("job cannot be started, releasing it jid=%s error=%s", job.jid, error)  # noqa: TRY400
            del self._running[leased.lease]
            self._release([held])

    def _collect(self) -> None:
        for held, transition in self._pool.collect():
            self._running.pop(held.leased.lease, None)
            seconds = time.monotonic() - held.leased.taken_at
            self._job_log.ended(held.job, transition.call, seconds)
            if instrumentation.current is not None:
                instrumentation.current.end(held.job, transition.call)
            if held.leased.lease in self._in_flight:
                self._acknowledger.add(transition)

    def _wait(self) -> None:
        self._acknowledger.send()
        replies = self._acknowledger.descriptor
        more = () if replies is None else (replies,)
        if not self._control.has_news:
            self._control.wait(self._interval, self._pool.fileno(), *more)

    def _acknowledged(self, transition: Transition, reply: Any) -> None:
        lease = transition.job.lease
        held = self._in_flight.get(lease)
        if held is not None:
            self._on_ended(held, transition, reply)
        self._in_flight.remove(lease)

    def _lose(self, lease: str) -> None:
        """Interrupt a job whose lease is lost; called by the renewal thread, too."""
        held = self._in_flight.lose(lease)
        if held is not None:
            if held.job.state == "running":
                logger.warning("lease lost jid=%s klass=%s", held.job.jid, held.job.klass_name)
            self._pool.send(held, control_pipe.LOST)

    def _release(self, jobs: list[HeldJob]) -> None:
        calls = [protocol.jobs.release_lease(one.leased.jid, one.leased.lease) for one in jobs]
        try:
            self._acknowledger.exchange(*calls)
        except StopWaiting:
            logger.warning("store unavailable: leases of the remaining jobs will expire")
        for one in jobs:
            self._in_flight.remove(one.leased.lease)

    def _end(self) -> None:
        """Interrupt the jobs that still run, release them, and close everything."""
        for held in self._running.values():
            self._pool.send(held, control_pipe.RELEASE)
        deadline = time.monotonic() + _INTERRUPT_TIMEOUT
        while self._running and (left := deadline - time.monotonic()) > 0:
            readable(left, self._pool.fileno())
            self._collect()
        for held in self._running.values():
            logger.warning(
                "handler ignores its interrupt, releasing the job while it runs jid=%s klass=%s",
                *(held.job.jid, held.job.klass_name),
            )
        self._release(list(self._running.values()))
        for held in self._in_flight.all():  # Results that the store did not take.
            self._in_flight.remove(held.leased.lease)
        self._renewal.stop()
        self._renewal.join(_INTERRUPT_TIMEOUT)
        self._acknowledger.close()
        self._fetcher.close()
        if self._running:
            self._pool.abandon()
        else:
            self._pool.close()
