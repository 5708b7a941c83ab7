"""The jobs that a manager holds, from the fetch to the acknowledgement, and their leases."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.errors import QlessError
from qless_py.handlers.retry import RECONNECT
from qless_py.protocol.arguments import MAX_PER_CALL
from qless_py.store.outage import UNAVAILABLE, OutageLog
from qless_py.worker.child_context import HeldJob
from qless_py.worker.lease_renewer import RenewalPlan
from qless_py.worker.status_board import LeasedJob

logger = logging.getLogger(__name__)

_MAX_PAUSE: Final = 1.0


class InFlight:
    """The held jobs by lease. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[str, HeldJob] = {}
        self._renew_until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, lease: str) -> bool:
        return lease in self._held

    def add(self, held: HeldJob, limit: float) -> None:
        """Add a fetched job, whose lease is renewed for at most `limit` seconds."""
        with self._changed:
            self._held[held.leased.lease] = held
            self._renew_until[held.leased.lease] = held.leased.taken_at + limit

    def remove(self, lease: str) -> None:
        """Remove a job that was acknowledged or released."""
        with self._changed:
            self._held.pop(lease, None)
            self._renew_until.pop(lease, None)
            self._changed.notify_all()

    def get(self, lease: str) -> HeldJob | None:
        """Return the job that is held under a lease."""
        return self._held.get(lease)

    def all(self) -> list[HeldJob]:
        """Return the jobs that are held now."""
        with self._changed:
            return list(self._held.values())

    def lose(self, lease: str) -> HeldJob | None:
        """Stop renewing a lease that is lost; return its job the first time this is called."""
        with self._changed:
            if self._renew_until.pop(lease, None) is None:
                return None
            return self._held.get(lease)

    def renewable(self, now: float) -> list[LeasedJob]:
        """Return the leases that are neither lost nor past the limit of their job."""
        with self._changed:
            held = self._held
            return [held[lease].leased for lease, end in self._renew_until.items() if now < end]

    def wait_until_empty(self, timeout: float | None) -> bool:
        """Wait until no job is held, or until the timeout; return whether none is held."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._held, timeout)


class LeaseRenewal(threading.Thread):
    """Renew the leases of all held jobs; `on_lost` is called with each lease that is lost.

    What is due and what is lost is decided by the plan of the worker's lease renewer. The worker
    renews in a process of its own, through the calls of its supervisor; here a thread does it, so
    a handler that holds the interpreter for longer than a lease loses its job.
    """

    def __init__(self, client: Client, in_flight: InFlight, on_lost: Callable[[str], None]) -> None:
        super().__init__(name="qless-leases", daemon=True)
        self._client = client
        self._in_flight = in_flight
        self._on_lost = on_lost
        self._plan = RenewalPlan()
        self._woken = threading.Event()
        self._is_stopped = False
        self._failures = 0
        self._outage = OutageLog(logger)

    def run(self) -> None:
        """Renew until `stop`."""
        while not self._is_stopped:
            self._woken.wait(self._pause())
            self._woken.clear()
            try:
                self._renew()
            except (*UNAVAILABLE, QlessError) as error:
                self._failures += 1
                self._outage.failed(error)
            else:
                self._failures = 0
                self._outage.succeeded()

    def note(self, leased: LeasedJob) -> None:
        """Wake the thread for a new lease that may become due before it looks again."""
        if leased.duration < 3 * _MAX_PAUSE:
            self._woken.set()

    def stop(self) -> None:
        """End the thread after the renewal that is under way."""
        self._is_stopped = True
        self._woken.set()

    def _renew(self) -> None:
        now = time.monotonic()
        due = self._plan.due(self._in_flight.renewable(now), now)
        for start in range(0, len(due), MAX_PER_CALL):
            asked = due[start : start + MAX_PER_CALL]
            pairs = [(one.jid, one.lease) for one in asked]
            replies = self._client.run(protocol.jobs.heartbeat_many(pairs))
            for one in self._plan.record(asked, replies, time.monotonic()):
                self._on_lost(one.lease)

    def _pause(self) -> float:
        now = time.monotonic()
        due_in = self._plan.due_in(self._in_flight.renewable(now), now)
        shortest = RECONNECT.seconds(self._failures) if self._failures else 0.01
        return max(shortest, min(_MAX_PAUSE, due_in))
