"""Before which starts of a job a child must look for control messages, which is a system call."""

from __future__ import annotations

import time
from typing import Final

_INTERVAL: Final = 0.001
_SURELY_HELD: Final = 0.5


class StartCheck:
    """The times of the last batch and of the last look for messages.

    The supervisor releases jobs only for a child whose board has not changed for a second, so those
    of a younger batch are certainly held.
    """

    def __init__(self) -> None:
        self._fetched_at = 0.0
        self._checked_at = 0.0

    def fetched(self) -> None:
        """Record that a batch was recorded on the board and that the messages were read."""
        self._fetched_at = self._checked_at = time.monotonic()

    def is_due(self) -> bool:
        """Return whether to look for messages before the next job starts."""
        now = time.monotonic()
        is_fresh = now - self._fetched_at < _SURELY_HELD
        if is_fresh and now - self._checked_at < _INTERVAL:
            return False
        self._checked_at = now
        return True
