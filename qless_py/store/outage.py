"""What an unavailable store looks like to a program that keeps trying, and how it is logged."""

from __future__ import annotations

import logging
from typing import Final

from redis.exceptions import RedisError

from qless_py.errors import StoreError

UNAVAILABLE: Final = (RedisError, StoreError, OSError)
_GRACE: Final = 2.0  # Seconds: a shorter interruption is not logged where attempts have a limit.


class OutageLog:
    """Log the beginning and the end of an outage, not each failed attempt in between."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self.is_on = False

    def failed(self, error: Exception) -> None:
        """Record a failed attempt of a caller that retries until the store is back."""
        self._begin("until it is back", error)

    def failed_within(self, limit: float, seconds: float, error: Exception) -> None:
        """Record that attempts have failed for `seconds`, of a caller that gives up after `limit`.

        Nothing is logged for a limit so short that the caller reports the failure soon itself.
        """
        if limit > _GRACE and seconds >= _GRACE:
            self._begin(f"for {limit:.0f} s", error)

    def succeeded(self) -> None:
        """Record a successful attempt."""
        if self.is_on:
            self._logger.warning("store available again")
        self.is_on = False

    def _begin(self, how_long: str, error: Exception) -> None:
        if not self.is_on:
            self._logger.warning("store unavailable, retrying %s: %s", how_long, error)
        self.is_on = True
