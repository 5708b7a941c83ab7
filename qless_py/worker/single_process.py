"""A worker that is one process: jobs in its main thread, the parent's duties in another.

For debugging, and where forking is not possible. A job that holds the interpreter for longer than
its lease loses it, and what does not obey cannot be killed: only whole processes can.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from qless_py.worker import child
from qless_py.worker.child_process import Birth, Member
from qless_py.worker.options import WorkerOptions
from qless_py.worker.status_board import Board
from qless_py.worker.supervisor import Parent

logger = logging.getLogger(__name__)

_INTERRUPT = signal.SIGURG  # Nobody else sends it, and by default it does nothing.


@dataclass(slots=True)
class _Self(Member):
    """The child that is this very process."""

    code: int | None = None

    def signal(self, number: signal.Signals) -> None:
        """Interrupt the main thread."""
        if number == signal.SIGTERM:
            os.kill(self.pid, _INTERRUPT)

    def kill(self, cause: str) -> None:
        """Say that it would be time to."""
        if not self.cause:
            logger.error("a job that should stop does not, and cannot be killed: %s", cause)
        self.cause = cause or "not obeying"

    def reap(self) -> str | None:
        """Tell whether the main thread has left the child's code."""
        return None if self.code is None else f"exit {self.code}"


class Single(Parent):
    """`Parent` without children."""

    _title = "worker"

    def __init__(
        self, options: WorkerOptions, *, live: Callable[[WorkerOptions, Birth], int] = child.live
    ) -> None:
        super().__init__(replace(options, children=1), live=live)
        self._goes_on = False

    def _open(self) -> None:
        super()._open()
        # What ends here may be a program that a handler has started and will ask how it ended.
        self._reaps = False

    def _work(self) -> None:
        while not self._stop.is_on and self._family.places:
            self._be_born()
            if self._goes_on:
                self._goes_on = False
                super()._replace()

    def _be_born(self) -> None:
        """Be a child until it leaves, while another thread is the parent."""
        board = Board()
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        pid = os.getpid()
        name = self._options.worker_name(pid, 0)
        birth = Birth(name, secrets.token_hex(6), board, reader, pid, _INTERRUPT)
        member = _Self(0, name, birth.nonce, board, writer, pid, time.monotonic())
        self._family.add(member)
        thread = threading.Thread(target=self._loop, name="qless-parent", daemon=True)
        thread.start()
        try:
            member.code = self._live(self._options, birth)
        except BaseException:
            member.code = 1
            raise
        finally:
            self._signals.wake()
            thread.join()
            os.close(reader)

    def _is_over(self) -> bool:
        return not len(self._family)

    def _fill(self) -> None:
        """Fork nothing."""

    def _replace(self) -> None:
        """Go on as another program once the main thread has left its job."""
        self._goes_on = True
        for member in self._family:
            self._family.retire(member)
