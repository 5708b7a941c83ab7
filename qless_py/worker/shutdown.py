"""How far a worker is on its way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qless_py.worker import control_pipe as orders

OBEY: Final = 2.0  # Seconds a child has to let go of its job before it is killed.


@dataclass(slots=True)
class Stop:
    """First no more jobs, then `grace` seconds for the running ones, then they are handed back."""

    grace: float
    is_on: bool = False
    deadline: float | None = None

    def ask(self, now: float) -> None:
        """Take a TERM or INT: the first starts the grace, the second ends it."""
        self.deadline = now if self.deadline is not None else now + self.grace
        self.is_on = True

    def finish(self) -> None:
        """Take a QUIT: running jobs may last as long as they need."""
        self.is_on = True

    def order(self, now: float) -> bytes | None:
        """Give what the children must be told at this moment."""
        if not self.is_on:
            return None
        is_over = self.deadline is not None and now >= self.deadline
        return orders.RELEASE if is_over else orders.STOP

    def pause(self, now: float) -> float:
        """Give the seconds until the order changes."""
        if self.deadline is None or now >= self.deadline:
            return float("inf")
        return self.deadline - now
