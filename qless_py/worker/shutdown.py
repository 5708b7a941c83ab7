"""The stages of a worker's shutdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qless_py.worker import control_pipe

STOP_TIMEOUT: Final = 2.0  # Seconds in which a child must react to a message before it is killed.


@dataclass(slots=True)
class Shutdown:
    """First no more jobs, then `grace` seconds for the running ones, then they are released."""

    grace: float
    is_requested: bool = False
    deadline: float | None = None

    def request(self, now: float) -> None:
        """Handle TERM or INT: the first one starts the grace period, the second one ends it."""
        self.deadline = now if self.deadline is not None else now + self.grace
        self.is_requested = True

    def drain(self) -> None:
        """Handle QUIT: running jobs may take as long as they need."""
        self.is_requested = True

    def message(self, now: float) -> bytes | None:
        """Return the control message that applies to all children now."""
        if not self.is_requested:
            return None
        is_over = self.deadline is not None and now >= self.deadline
        return control_pipe.RELEASE if is_over else control_pipe.STOP

    def due_in(self, now: float) -> float:
        """Return the seconds until the message changes."""
        if self.deadline is None or now >= self.deadline:
            return float("inf")
        return self.deadline - now
