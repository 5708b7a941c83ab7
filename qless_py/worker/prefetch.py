"""How many jobs a child fetches at once: one while jobs are long, several while they are short."""

from __future__ import annotations

from typing import Final

# The most work, in seconds, that a child holds before it has started: in one batch and in the one
# that is fetched ahead, half of it each.
BATCH_SECONDS: Final = 0.05
# Seconds for which results are kept back to be sent together, and only while the next jobs are
# known to be short: no result waits for a job that may take long.
KEEP_BACK: Final = 0.005
_WEIGHT: Final = 0.2
_MAX_KLASSES: Final = 1000


class Prefetch:
    """The running time of recent jobs: a moving average that rises at once and falls slowly.

    As many jobs as there are `slots` run at once.
    """

    def __init__(self, most: int, slots: int = 1) -> None:
        self._most = most
        self._batch_seconds = BATCH_SECONDS / 2 * slots
        self._count = 1
        self._average = BATCH_SECONDS
        self._averages: dict[str, float] = {}

    def record(self, klass: str, seconds: float) -> None:
        """Record how long a job of a klass ran."""
        # After one long job among short ones, none must wait behind the next long one.
        self._average = max(seconds, self._average + _WEIGHT * (seconds - self._average))
        average = self._averages.get(klass, seconds)
        if len(self._averages) > _MAX_KLASSES:
            self._averages.clear()
        self._averages[klass] = max(seconds, average + _WEIGHT * (seconds - average))

    def expected(self, klass: str) -> float:
        """Return how long a job of this klass may run, as long as a batch if none was seen yet."""
        return self._averages.get(klass, BATCH_SECONDS)

    def restart(self) -> None:
        """Fetch one job the next time, whatever is known of their lengths."""
        self._count = 0

    def next(self) -> int:
        """Return how many jobs to fetch, at most twice as many as the last time."""
        fitting = int(self._batch_seconds / max(self._average, 1e-6))
        self._count = max(1, min(self._most, 2 * self._count, fitting))
        return self._count
