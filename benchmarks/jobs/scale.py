"""How much is measured: the sizes of all subjects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers of jobs and of repetitions in one round."""

    rounds: int
    patience: float  # Seconds of a run after which no disturbed sample is repeated.
    jobs: int  # Of a backlog, and of puts in bulk.
    puts: int  # One by one.
    costs: int  # Of which the server's CPU time is measured.
    stored: int  # Of which the memory is measured.
    forks: int
    pickups: int
    first_jobs: int
    kills: int
    many: int  # Waiting jobs of a large queue.
    few: int  # Waiting jobs of a small queue.
    popped: int  # From either of the two.
    peer_puts: int
    peer_bulk: int


FULL: Final = Scale(
    rounds=3,
    patience=1200,
    jobs=15_000,
    puts=3_000,
    costs=2_000,
    stored=10_000,
    forks=300,
    pickups=100,
    first_jobs=15,
    kills=7,
    many=1_000_000,
    few=1_000,
    popped=3_000,
    peer_puts=3_000,
    peer_bulk=6_000,
)
QUICK: Final = Scale(
    rounds=1,
    patience=0,
    jobs=500,
    puts=100,
    costs=200,
    stored=500,
    forks=30,
    pickups=5,
    first_jobs=2,
    kills=1,
    many=2_000,
    few=500,
    popped=300,
    peer_puts=200,
    peer_bulk=200,
)
