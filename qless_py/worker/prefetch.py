"""How many jobs a child takes at once: one while they are long, several while they are short."""

from __future__ import annotations

from typing import Final

WORTH: Final = 0.05  # Seconds of work that a child takes at most in one go.
_WEIGHT: Final = 0.2
_KLASSES: Final = 1000


class Pace:
    """The running time of late jobs, as a moving mean that rises at once and sinks slowly."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 1
        self._mean = WORTH
        self._means: dict[str, float] = {}

    def note(self, klass: str, seconds: float) -> None:
        """Take in how long a job of a klass ran."""
        # One long job among short ones must not find sixteen others waiting behind the next one.
        self._mean = max(seconds, self._mean + _WEIGHT * (seconds - self._mean))
        mean = self._means.get(klass, seconds)
        if len(self._means) > _KLASSES:
            self._means.clear()
        self._means[klass] = max(seconds, mean + _WEIGHT * (seconds - mean))

    def expected(self, klass: str) -> float:
        """Give how long a job of that klass may run; as good as for ever when none was seen."""
        return self._means.get(klass, WORTH)

    def next(self) -> int:
        """Give how many jobs to ask for; never more than twice as many as the last time."""
        fitting = int(WORTH / max(self._mean, 1e-6))
        self._count = max(1, min(self._most, 2 * self._count, fitting))
        return self._count
