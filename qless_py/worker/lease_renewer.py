"""Renewing the leases of all jobs that the children hold, and finding out which ones are lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from qless_py import protocol
from qless_py.errors import AlreadyFinishedError, QlessError
from qless_py.protocol.arguments import MAX_PER_CALL
from qless_py.worker.child_process import ChildProcess
from qless_py.worker.outbox import Outbox
from qless_py.worker.process_table import ProcessTable
from qless_py.worker.status_board import LeasedJob

logger = logging.getLogger(__name__)

_RENEWALS_PER_LEASE: Final = 3  # Due after a third of a lease, so two more attempts fit in it.
_SUSPICION_TIMEOUT: Final = 5.0  # A child records a job it has fetched long before.


@dataclass(slots=True)
class RenewalPlan:
    """Decides which leases to renew and which are lost. It has no clock and no connection.

    A lease that is refused once is only suspect: the job may have ended while the call was under
    way. It is lost when it is refused again while the child still holds the job under that lease.
    """

    _renewed: dict[str, float] = field(default_factory=dict)
    _suspects: set[str] = field(default_factory=set)
    _reported: dict[str, float] = field(default_factory=dict)

    def due(self, held: Iterable[LeasedJob], now: float) -> list[LeasedJob]:
        """Return the leases to renew now: none, or all that are at least half-way to being due.

        A lease is due after a third of its duration, so the others are those after a sixth of it.
        """
        present = list(held)
        self._forget_others(present, now)
        if not any(self._is_due(one, now, 1.0) for one in present):
            return []
        return [one for one in present if self._is_due(one, now, 0.5)]

    def record(
        self, asked: Sequence[LeasedJob], replies: Sequence[int | QlessError], now: float
    ) -> list[LeasedJob]:
        """Record the replies to one renewal; return the leases that are lost."""
        lost = []
        for one, reply in zip(asked, replies, strict=True):
            if not isinstance(reply, QlessError) or isinstance(reply, AlreadyFinishedError):
                # A finished job is no reason to stop its handler: the handler has finished it.
                self._renewed[one.lease] = now
                self._suspects.discard(one.lease)
            elif one.lease in self._suspects:
                self._suspects.discard(one.lease)
                self._renewed[one.lease] = now  # Otherwise it would be renewed again at once.
                lost.append(one)
            else:
                self._suspects.add(one.lease)
        return lost

    def suspect(self, lease: str) -> None:
        """Record a published loss of a lease, which one refusal then confirms.

        The message may arrive shortly before the child has recorded that it holds the lease.
        """
        self._suspects.add(lease)
        self._reported[lease] = float("inf")

    def renew_soon(self, lease: str) -> None:
        """Make a lease due at once: a message about its loss may have been missed."""
        self._renewed[lease] = float("-inf")

    def due_in(self, held: Iterable[LeasedJob], now: float) -> float:
        """Return the seconds until a lease becomes due, as far as is known now."""
        waits = [
            0.0
            if one.lease in self._suspects
            else max(0.0, self._last(one) + one.duration / _RENEWALS_PER_LEASE - now)
            for one in held
        ]
        return min(waits, default=float("inf"))

    def _is_due(self, one: LeasedJob, now: float, share: float) -> bool:
        age = now - self._last(one)
        return one.lease in self._suspects or age >= share * one.duration / _RENEWALS_PER_LEASE

    def _last(self, one: LeasedJob) -> float:
        return self._renewed.get(one.lease, one.taken_at)

    def _forget_others(self, present: Sequence[LeasedJob], now: float) -> None:
        held = {one.lease for one in present}
        self._renewed = {lease: at for lease, at in self._renewed.items() if lease in held}
        self._reported = {
            lease: min(until, now + _SUSPICION_TIMEOUT)
            for lease, until in self._reported.items()
            if lease not in held and now < until
        }
        self._suspects &= held | self._reported.keys()


class LeaseRenewer:
    """Renews the leases of all children in calls of up to 100 leases."""

    def __init__(self, table: ProcessTable, outbox: Outbox) -> None:
        self._table = table
        self._outbox = outbox
        self._plan = RenewalPlan()

    def due_in(self, now: float) -> float:
        """Return the seconds until leases are to be renewed and the store can be tried."""
        return max(self._plan.due_in(self._held(), now), self._outbox.retry_in(now))

    def suspect(self, lease: str) -> None:
        """Check at once a lease whose loss was published."""
        self._plan.suspect(lease)

    def renew_soon(self, worker: str) -> None:
        """Make all leases of a worker due: a loss may have been published while not subscribed."""
        for child in self._table:
            if child.worker == worker:
                for one in child.leased():
                    self._plan.renew_soon(one.lease)

    def renew_all(self) -> None:
        """Renew all leases, due or not, before a time in which nobody can.

        Leases that are refused are tried again as usual before anything is stopped.
        """
        self._renew(self._held())

    def renew(self) -> list[tuple[ChildProcess, LeasedJob]]:
        """Renew what is due; return the jobs whose leases are lost, with the child of each."""
        due = self._plan.due(self._held(), time.monotonic())
        replies = self._renew(due) if due else None
        if replies is None:
            return []
        lost = {one.lease for one in self._plan.record(due, replies, time.monotonic())}
        self._table.tally.lost += len(lost)
        if not lost:
            return []
        return [
            (child, one)
            for child in self._table
            for one in child.board.read().held
            if one.lease in lost
        ]

    def _held(self) -> list[LeasedJob]:
        return [one for child in self._table for one in child.leased()]

    def _renew(self, held: Sequence[LeasedJob]) -> list[int | QlessError] | None:
        """Return the reply for each lease, or None when the store is unavailable."""
        replies: list[int | QlessError] = []
        for at in range(0, len(held), MAX_PER_CALL):
            pairs = [(one.jid, one.lease) for one in held[at : at + MAX_PER_CALL]]
            reply = self._outbox.run([protocol.jobs.heartbeat_many(pairs)])
            if reply is None or isinstance(reply[0], Exception):
                return None
            replies.extend(reply[0])
        self._table.tally.renewals += sum(not isinstance(one, QlessError) for one in replies)
        logger.debug("leases renewed count=%d", len(replies))
        return replies
