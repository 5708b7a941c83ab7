"""How long to wait before trying again, so that many processes do not try at the same moment."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from `first` up to `most` seconds, each drawn between half and the whole.

    The random part spreads the processes that all lost the same server at the same moment.
    """

    def __init__(self, first: float = 0.05, most: float = 5.0) -> None:
        self._first = first
        self._most = most
        self._tries = 0

    def next(self) -> float:
        """Give the seconds to wait now; the next answer will be about twice as long."""
        whole = min(self._most, self._first * float(2 ** min(self._tries, 30)))
        self._tries += 1
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - spreading load, not a secret

    def reset(self) -> None:
        """Start over: the last try went well."""
        self._tries = 0
