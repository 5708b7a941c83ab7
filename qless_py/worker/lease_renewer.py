"""Which leases a parent must renew now, and which ones were refused for certain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from qless_py.errors import AlreadyFinishedError, QlessError
from qless_py.worker.status_board import Held

LIMIT: Final = 3600.0
_SHARE: Final = 3  # A lease is renewed when a third of it is gone: two more tries fit in.
_RUMOUR: Final = 5.0  # A child that took a job has noted it long before.


@dataclass(slots=True)
class Leases:
    """The renewal plan over all children. Knows no clock and no connection.

    A lease refused once is suspect only: the job may have ended while the question was under way.
    It is lost when it is refused again while the child still runs that job under that lease.
    Renewal stops `limit` seconds after the job was taken, so a job that never ends loses its lease.
    """

    limit: float = LIMIT
    _renewed: dict[str, float] = field(default_factory=dict)
    _suspects: set[str] = field(default_factory=set)
    _rumours: dict[str, float] = field(default_factory=dict)

    def due(self, held: Iterable[Held], now: float) -> list[Held]:
        """Choose what to renew now: nothing, or all that is at least half way to being due."""
        present = [lease for lease in held if now - lease.since < self.limit]
        self._forget_others(present, now)
        if not any(self._is_due(lease, now, 1.0) for lease in present):
            return []
        return [lease for lease in present if self._is_due(lease, now, 0.5)]

    def settle(
        self, asked: Sequence[Held], answers: Sequence[int | QlessError], now: float
    ) -> list[Held]:
        """Note the answers to one renewal; gives the leases that were now refused twice."""
        lost = []
        for lease, answer in zip(asked, answers, strict=True):
            if not isinstance(answer, QlessError) or isinstance(answer, AlreadyFinishedError):
                # A finished job is no reason to stop its handler, which finished it.
                self._renewed[lease.lease] = now
                self._suspects.discard(lease.lease)
            elif lease.lease in self._suspects:
                self._suspects.discard(lease.lease)
                self._renewed[lease.lease] = now  # So that it is not asked about all the time.
                lost.append(lease)
            else:
                self._suspects.add(lease.lease)
        return lost

    def suspect(self, lease: str) -> None:
        """Note that somebody says a lease is lost: it is lost if it is refused once.

        That may be heard a moment before the child has noted that it holds this lease.
        """
        self._suspects.add(lease)
        self._rumours[lease] = float("inf")

    def ask(self, lease: str) -> None:
        """Have this lease renewed at once: it may have been lost unheard."""
        self._renewed[lease] = float("-inf")

    def wait(self, held: Iterable[Held], now: float) -> float:
        """Give the seconds until something becomes due, as far as is known now."""
        waits = [
            0.0
            if lease.lease in self._suspects
            else max(0.0, self._last(lease) + lease.length / _SHARE - now)
            for lease in held
            if now - lease.since < self.limit
        ]
        return min(waits, default=float("inf"))

    def _is_due(self, lease: Held, now: float, share: float) -> bool:
        age = now - self._last(lease)
        return lease.lease in self._suspects or age >= share * lease.length / _SHARE

    def _last(self, lease: Held) -> float:
        return self._renewed.get(lease.lease, lease.since)

    def _forget_others(self, present: Sequence[Held], now: float) -> None:
        known = {lease.lease for lease in present}
        self._renewed = {key: at for key, at in self._renewed.items() if key in known}
        rumours = {key: min(until, now + _RUMOUR) for key, until in self._rumours.items()}
        self._rumours = {k: until for k, until in rumours.items() if k not in known and now < until}
        self._suspects &= known | self._rumours.keys()
