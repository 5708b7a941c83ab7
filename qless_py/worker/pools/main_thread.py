"""Run handlers in the main thread of a process, where control messages interrupt them.

Only a process that runs one job at a time works like this: its signal handler raises, inside the
job's handler, the exception that the supervisor's message calls for.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from qless_py.client.job import Job
from qless_py.errors import GracefulStop, ImmediateStop, LostLeaseError, SoftLimitError
from qless_py.handlers.executor import Executor
from qless_py.handlers.result import Transition
from qless_py.worker import sandbox, signals
from qless_py.worker.control_pipe import ControlPipe
from qless_py.worker.process_state import ProcessState
from qless_py.worker.sandbox import Folder
from qless_py.worker.signals import Handler, Handlers


def interruption(job: Job, control: ControlPipe) -> BaseException | None:
    """Return the exception that the messages call for in the handler of this job, if any."""
    if control.release:
        return ImmediateStop()
    if job.lease in control.lost:
        return LostLeaseError(f"{job.jid} was canceled, timed out or given to another worker")
    if job.lease in control.over_limit:
        control.over_limit.discard(job.lease)  # Raised once: the handler may clean up undisturbed.
        return SoftLimitError(f"{job.jid} has run up to its hard limit")
    if control.stop and job.is_stoppable:
        return GracefulStop()
    return None


class MainThreadRunner:
    """Runs handlers one at a time; `interrupt` raises in the one that is running."""

    def __init__(
        self, executor: Executor, folder: Folder = None, control: ControlPipe | None = None
    ) -> None:
        self.control = control
        self._executor = executor
        self._folder = folder
        self._job: Job | None = None  # Set while its handler may be interrupted.
        self._handlers: Handlers | None = None
        self._state: ProcessState | None = None
        self._known = 0

    def listen(self, number: signal.Signals, on_signal: Handler) -> None:
        """Install the handler of the signal that announces control messages."""
        signal.signal(number, on_signal)
        self._handlers = signals.of_child(number, on_signal)
        self._state = ProcessState()

    def run(
        self,
        job: Job,
        prepare: Callable[[], object],
        complete: Callable[[Job, Any], Transition] = Transition.returned,
    ) -> Transition:
        """Run the handler of a job and return what became of it.

        `prepare` is called right before the handler, where it can be interrupted too; `complete`
        makes the result of a handler that returned.
        """
        try:
            transition = self._run(job, prepare, complete)
        except (ImmediateStop, GracefulStop, LostLeaseError, SoftLimitError) as error:
            # The signal arrived just as the handler was raising an exception of its own.
            self._job = None
            transition = Transition.raised(job, error)
        if self._handlers is not None:
            self._handlers.restore()
        return transition

    def interrupt(self) -> None:
        """Raise what the messages call for, in a signal handler that interrupted a job's handler.

        A signal without a message has no effect.
        """
        job = self._job
        if job is None or job.state != "running" or self.control is None:
            return  # A job that has a result may finish undisturbed. The messages remain.
        error = interruption(job, self.control)
        if error is not None:
            if not isinstance(error, SoftLimitError):
                self._job = None
            raise error

    def _run(
        self, job: Job, prepare: Callable[[], object], complete: Callable[[Job, Any], Transition]
    ) -> Transition:
        try:
            self._job = job
            with sandbox.for_job(self._folder, job):
                prepare()
                self._remember_imports()
                try:
                    value = self._executor.run(job)
                finally:
                    # Here a timer that goes off right now still counts as the job's.
                    if self._state is not None:
                        self._state.restore()
            self._job = None
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises fails its job
            self._job = None
            return Transition.raised(job, error)
        return complete(job, value)

    def _remember_imports(self) -> None:
        """Let stay what a module that was imported for this job has changed in the process."""
        known = self._executor.known
        if self._state is not None and known != self._known:
            self._known = known
            self._state.remember()
