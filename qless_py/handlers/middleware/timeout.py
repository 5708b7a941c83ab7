"""A time limit for handlers, as middleware."""

from __future__ import annotations

from typing import Any

from qless_py.handlers.interrupt import SoftLimit
from qless_py.protocol import arguments
from qless_py.protocol.options import Seconds


class Timeout:
    """Middleware that raises `SoftLimitError` in a handler that runs for longer than this.

    A handler in the main thread is interrupted by a signal, an `async def` handler is canceled
    where it awaits, and one in another thread gets the exception as soon as it executes Python
    code again. A handler that ignores the exception continues: only a hard limit, at which the
    process is killed, ends every handler.
    """

    def __init__(self, seconds: Seconds) -> None:
        self._seconds = arguments.span("seconds", seconds, 0.001) / 1000

    def __call__(self, _job: Any) -> SoftLimit:
        """Return the limit for one run."""
        return SoftLimit(self._seconds)
