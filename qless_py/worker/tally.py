"""What a supervisor has counted since it started, for its metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from qless_py.worker.status_board import OUTCOMES, Status, StatusBoard


@dataclass(slots=True)
class Tally:
    """Jobs by outcome and exits by cause of the children that are gone; leases renewed and lost."""

    outcomes: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    renewals: int = 0
    lost: int = 0

    def add_exit(self, board: StatusBoard, status: Status, cause: str) -> None:
        """Add the counters of a child before its board is released."""
        self.outcomes.update(board.outcomes)
        self.outcomes["died"] += len(status.running)
        self.exits[_kind(cause)] += 1

    def outcomes_with(self, boards: Iterable[StatusBoard]) -> dict[str, int]:
        """Return all jobs by outcome, with those of living children."""
        total = Counter(dict.fromkeys((*OUTCOMES, "died"), 0))
        for counted in (self.outcomes, *(board.outcomes for board in boards)):
            total.update(counted)
        return dict(total)


def _kind(cause: str) -> str:
    if cause == "exit 0":
        return "clean"
    return "signal" if cause.startswith("signal") else "error"
