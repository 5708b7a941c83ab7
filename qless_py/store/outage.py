"""What an unavailable store looks like to a program that keeps trying, and how it is logged."""

from __future__ import annotations

import logging
from typing import Final

from redis.exceptions import RedisError

from qless_py.errors import StoreError

UNAVAILABLE: Final = (RedisError, StoreError, OSError)


class OutageLog:
    """Log the beginning and the end of an outage, not each failed attempt in between."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self.is_on = False

    def failed(self, error: Exception) -> None:
        """Record a failed attempt."""
        if not self.is_on:
            self._logger.warning("store unavailable, retrying until it is back: %s", error)
        self.is_on = True

    def succeeded(self) -> None:
        """Record a successful attempt."""
        if self.is_on:
            self._logger.warning("store available again")
        self.is_on = False
