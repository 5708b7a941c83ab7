"""A worker in a single process: jobs in its main thread, the supervisor in another thread.

For debugging, and where forking is not possible. A job that holds the interpreter for longer than
its lease loses it, and a job that does not stop cannot be killed: only whole processes can.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from qless_py.worker import child, preflight
from qless_py.worker.child_process import ChildProcess, SpawnSpec
from qless_py.worker.options import WorkerOptions
from qless_py.worker.supervisor import Supervisor

logger = logging.getLogger(__name__)

_INTERRUPT = signal.SIGURG  # Nothing else sends it, and by default it has no effect.


@dataclass(slots=True)
class _ThisProcess(ChildProcess):
    """The child that is the main thread of this very process."""

    code: int | None = None

    def signal(self, number: signal.Signals) -> None:
        """Interrupt the main thread."""
        if number == signal.SIGTERM:
            os.kill(self.pid, _INTERRUPT)

    def kill(self, cause: str) -> None:
        """Log that a process would be killed here."""
        if not self.cause:
            logger.error("cannot kill the process of a job that does not stop: %s", cause)
        self.cause = cause or "not stopping"

    def poll(self) -> str | None:
        """Return how the child's code ended, None while the main thread runs it."""
        return None if self.code is None else f"exit {self.code}"


class SingleProcess(Supervisor):
    """A `Supervisor` that runs the code of a child itself instead of forking."""

    _title = "worker"

    def __init__(
        self,
        options: WorkerOptions,
        *,
        child_main: Callable[[WorkerOptions, SpawnSpec], int] = child.main,
    ) -> None:
        super().__init__(replace(options, children=1), child_main=child_main)
        self._is_replacing = False

    def _check(self, checks: Iterable[preflight.Check]) -> bool:
        """Run the checks here: handlers are imported into this process anyway."""
        return preflight.passes(checks)

    def _start_up(self) -> bool:
        is_ready = super()._start_up()
        # A process that ends here may be one that a handler has started and will wait for.
        self._reaps_orphans = False
        return is_ready

    def _work(self) -> None:
        while not self._shutdown.is_requested and self._table.wanted:
            self._run_child()
            if self._is_replacing:
                self._is_replacing = False
                super()._replace_program()

    def _run_child(self) -> None:
        """Run a child until it exits, while another thread is the supervisor."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        pid = os.getpid()
        name, nonce = self._options.worker_name(pid, 0), secrets.token_hex(6)
        board = self._table.boards.create(name, nonce)
        spec = SpawnSpec(name, nonce, board, reader, pid, _INTERRUPT)
        process = _ThisProcess(0, name, spec.nonce, board, writer, pid, time.monotonic())
        self._table.add(process)
        thread = threading.Thread(target=self._loop, name="qless-supervisor", daemon=True)
        thread.start()
        try:
            process.code = self._child_main(self._options, spec)
        except BaseException:
            process.code = 1
            raise
        finally:
            self._signals.wake()
            thread.join()
            os.close(reader)

    def _is_over(self) -> bool:
        return not len(self._table)

    def _spawn_children(self) -> None:
        """Fork nothing."""

    def _replace_program(self) -> None:
        """Replace the program once the main thread has finished its job."""
        self._is_replacing = True
        for process in self._table:
            self._table.replace(process)
