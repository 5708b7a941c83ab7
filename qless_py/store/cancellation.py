"""Cancellations of a task that redis-py swallows."""

from __future__ import annotations

import asyncio


class CancellationGuard:
    """Re-raise a cancellation of this task that came meanwhile and was swallowed.

    Before Python 3.12, `asyncio.wait_for`, with which redis-py sends, swallows a cancellation when
    what it waited for ends at the same moment. Call `reraise` after each await of redis-py, also at
    the end of what was awaited: the task would run on as if nobody had canceled it.
    """

    def __init__(self) -> None:
        self._count = self._cancellations()

    def reraise(self) -> None:
        """Raise CancelledError if the task was canceled since the guard was made."""
        if self._cancellations() > self._count:
            raise asyncio.CancelledError

    @staticmethod
    def _cancellations() -> int:
        task = asyncio.current_task()
        return 0 if task is None else task.cancelling()
