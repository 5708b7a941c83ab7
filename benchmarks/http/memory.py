"""The memory of a process while jobs pass through it, and whether it stays the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

EVERY: Final = 10_000  # Jobs from one measurement to the next.
_MB: Final = 2**20
_NEEDED: Final = 3  # Measurements after the first one: threads and connections come with the load.
_FLAT: Final = 0.5  # MB in EVERY jobs.


@dataclass(slots=True)
class MemoryCourse:
    """Resident bytes of a process by the number of jobs that were put."""

    sizes: dict[int, int] = field(default_factory=dict)

    def add(self, jobs: int, size: int) -> None:
        """Record the size after so many jobs."""
        self.sizes[jobs] = size

    @property
    def growth(self) -> float | None:
        """The MB that 10,000 jobs added in the second half; None after too few jobs."""
        jobs = sorted(self.sizes)
        if len(jobs) <= _NEEDED:
            return None
        middle, last = jobs[len(jobs) // 2], jobs[-1]
        grown = (self.sizes[last] - self.sizes[middle]) / _MB
        return grown * EVERY / (last - middle)

    def text(self) -> str:
        """Return a line with all sizes, and one that judges them."""
        sizes = ", ".join(f"{self.sizes[jobs] / _MB:.1f}" for jobs in sorted(self.sizes))
        line = f"memory in MB, from the start on every {EVERY:,} jobs: {sizes}"
        if self.growth is None:
            return f"{line}\n  too few jobs to say whether it is flat: put {_NEEDED * EVERY:,}"
        found = "flat" if self.growth < _FLAT else "NOT flat"
        return f"{line}\n  {found}: {self.growth:+.2f} MB in {EVERY:,} jobs of the second half"
