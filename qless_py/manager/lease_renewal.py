"""The jobs that a manager runs: their leases are renewed, and who lost one is told."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from redis.exceptions import RedisError

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.errors import AlreadyFinishedError, LostLeaseError, QlessError

logger = logging.getLogger(__name__)

AWAY: Final = (RedisError, OSError)
_SHARE: Final = 3  # A lease is renewed when a third of it is gone: two more tries fit in.
_AT_ONCE: Final = 100
_GLANCE: Final = 1.0


@dataclass(slots=True)
class _Run:
    """A job in hand; `thread` runs its handler, until that has ended."""

    job: Job
    limit: float
    thread: int | None = None
    since: float = field(default_factory=time.monotonic)
    renewed: float = field(default_factory=time.monotonic)
    is_told: bool = False
    ordered: type[BaseException] | None = None
    is_lost: bool = False

    @property
    def length(self) -> float:
        """Seconds of its lease."""
        return max(0.05, self.job.expires_at - (self.job.popped_at or self.job.expires_at))

    @property
    def is_due(self) -> bool:
        """Whether its lease is to be renewed, together with others that are."""
        now = time.monotonic()
        is_old = now - self.renewed >= self.length / _SHARE / 2
        return is_old and not self.is_lost and now - self.since < self.limit


class Held:
    """The jobs in hand, from hand-out to verdict. Threads may share it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._runs: dict[str, _Run] = {}
        self.has_short_ones = threading.Event()

    def __len__(self) -> int:
        return len(self._runs)

    def take(self, job: Job, limit: float) -> None:
        """Note a job that was handed out; its lease is renewed for at most `limit` seconds."""
        with self._changed:
            for run in self._runs.values():
                if run.job.jid == job.jid:
                    self._lose(run)  # Else it would not have been handed out again.
            run = self._runs[job.lease] = _Run(job, limit)
            if run.length < _SHARE * _GLANCE:
                self.has_short_ones.set()

    def enter(self, job: Job) -> None:
        """Note that this thread runs the job's handler, and may be interrupted for it."""
        with self._changed:
            run = self._runs.get(job.lease)
            if run is None or run.is_lost:
                raise LostLeaseError(f"{job.jid} was lost before it began")
            if run.ordered is not None:
                raise run.ordered  # It was too early to raise it where the handler would be.
            run.thread = threading.get_ident()

    def leave(self, job: Job) -> None:
        """Note that the handler has ended: from here on nobody interrupts this thread for it."""
        with self._changed:
            run = self._runs.get(job.lease)
            if run is not None:
                run.thread = None
                if run.is_told:
                    _interrupt(threading.get_ident(), None)

    def holds(self, job: Job) -> bool:
        """Tell whether a job is still in hand, and was not handed back while it ran."""
        return job.lease in self._runs

    def settle(self, job: Job) -> None:
        """Forget a job that is no longer in hand."""
        with self._changed:
            self._runs.pop(job.lease, None)
            self._changed.notify_all()

    def runs_here(self) -> bool:
        """Tell whether this very thread runs a handler."""
        return any(run.thread == threading.get_ident() for run in self.runs())

    def runs(self) -> list[_Run]:
        """Give what is in hand now."""
        with self._changed:
            return list(self._runs.values())

    def stop(self, run: _Run, kind: type[BaseException]) -> None:
        """Raise an exception in the handler of a job, once, unless it has ended."""
        with self._changed:
            run.ordered = kind
            _tell(run, kind)

    def lose(self, run: _Run) -> None:
        """Note that the lease of a job is gone, and tell its handler."""
        with self._changed:
            self._lose(run)

    def _lose(self, run: _Run) -> None:
        if not run.is_lost and run.job.state == "running":
            logger.warning("%s was lost while it ran", run.job)
        run.is_lost = True
        _tell(run, LostLeaseError)

    def wait_for_room(self, most: int, timeout: float | None) -> int:
        """Wait until fewer than `most` jobs are in hand; gives how many more there may be."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._runs) < most, timeout)
            return most - len(self._runs)

    def wait_until_empty(self, timeout: float | None) -> bool:
        """Wait until nothing is in hand any more; tells whether that is so."""
        return self.wait_for_room(1, timeout) > 0


def _tell(run: _Run, kind: type[BaseException]) -> None:
    if run.thread is not None and not run.is_told:
        run.is_told = True
        _interrupt(run.thread, kind)


def _interrupt(thread: int, kind: type[BaseException] | None) -> None:
    raised = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


class Keeper(threading.Thread):
    """Renews the leases of all jobs in hand in time, in one call for a hundred of them."""

    def __init__(self, client: Client, held: Held) -> None:
        super().__init__(name="qless-leases", daemon=True)
        self._client = client
        self._held = held
        self._over = threading.Event()

    def run(self) -> None:
        """Go on until told to stop."""
        while not self._over.is_set():
            self._held.has_short_ones.wait(self._pause())
            self._held.has_short_ones.clear()
            due = [run for run in self._held.runs() if run.is_due]
            for at in range(0, len(due), _AT_ONCE):
                try:
                    self._renew(due[at : at + _AT_ONCE])
                except (*AWAY, QlessError) as error:
                    logger.warning("leases cannot be renewed now: %s", error)

    def stop(self) -> None:
        """Renew no more."""
        self._over.set()
        self._held.has_short_ones.set()

    def _renew(self, due: list[_Run]) -> None:
        now = time.monotonic()
        pairs = [(run.job.jid, run.job.lease) for run in due]
        answers = self._client.run(protocol.jobs.heartbeat_many(pairs))
        for run, answer in zip(due, answers, strict=True):
            # Who has finished the job, its handler or its verdict, has ended the lease rightly.
            if not isinstance(answer, QlessError) or isinstance(answer, AlreadyFinishedError):
                run.renewed = now
            else:
                self._held.lose(run)

    def _pause(self) -> float:
        lengths = [run.length for run in self._held.runs()]
        return max(0.01, min([_GLANCE, *(length / _SHARE / 4 for length in lengths)]))
