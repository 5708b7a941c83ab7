"""The one stretch of a process's life in which a handler runs, and what may end it from outside.

Only the main thread of a process that runs one job at a time works like this: its signal handler
raises inside the job's handler what the parent has announced.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Final

from qless_py.client.job import Job
from qless_py.errors import GracefulStop, ImmediateStop, LostLeaseError, SoftLimitError
from qless_py.worker import perform, sandbox, signals
from qless_py.worker.control_pipe import Orders
from qless_py.worker.perform import Verdict
from qless_py.worker.sandbox import Folder

SIGNAL: Final = signal.SIGTERM


def reason(job: Job, orders: Orders) -> BaseException | None:
    """Give what must be raised in the handler of this job, if anything."""
    if orders.release:
        return ImmediateStop()
    if job.lease in orders.lost:
        return LostLeaseError(f"{job.jid} was canceled, timed out or given to another worker")
    if job.lease in orders.over:
        orders.over.discard(job.lease)  # The handler may clean up and is not disturbed again.
        return SoftLimitError(f"{job.jid} has run up to its hard limit")
    if orders.stop and job.is_stoppable:
        return GracefulStop()
    return None


class Inside:
    """Runs handlers, one at a time, and interrupts the one that runs."""

    def __init__(self, orders: Orders, handlers: perform.Handlers, folder: Folder = None) -> None:
        self._orders = orders
        self._handlers = handlers
        self._folder = folder
        self._job: Job | None = None
        self._heard = self.on_signal
        self._number: signal.Signals | None = None

    def listen(self, number: signal.Signals = SIGNAL) -> None:
        """Take this signal to mean that there are orders."""
        self._number = number
        signal.signal(number, self._heard)

    def _listen_again(self) -> None:
        """Hear signals as before, whatever the handler has made of them."""
        if self._number is not None:
            if signals.handler_of(self._number) is not self._heard:
                signal.signal(self._number, self._heard)
            signals.deafen_again(self._number)

    def perform(self, job: Job) -> Verdict:
        """Run the handler of a job and judge what came of it."""
        try:
            verdict = self._judged(job)
        except (ImmediateStop, GracefulStop, LostLeaseError, SoftLimitError) as error:
            # The signal came just as the handler was raising something of its own.
            self._job = None
            verdict = perform.raised(job, error)
        self._listen_again()
        return verdict

    def _judged(self, job: Job) -> Verdict:
        try:
            self._job = job
            with sandbox.of(self._folder, job):
                self.enter(job)
                result = self._handlers.run(job)
            self._job = None
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises fails its job
            self._job = None
            return perform.raised(job, error)
        return self.returned(job, result)

    def returned(self, job: Job, result: Any) -> Verdict:
        """Judge a handler that came to its end."""
        return perform.returned(job, result)

    def enter(self, job: Job) -> None:
        """Do what must be done right before the handler; for subclasses."""

    def on_order(self) -> None:
        """Do what an order asks for besides ending the job; for subclasses."""

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Obey what the parent announced; a signal that it did not announce is not for us."""
        self._orders.read()
        self.on_order()
        job = self._job
        if job is None or job.state != "running":
            return  # It has a verdict and may end in peace; what was announced stays.
        error = reason(job, self._orders)
        if error is not None:
            if not isinstance(error, SoftLimitError):
                self._job = None
            raise error
