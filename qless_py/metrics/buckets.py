"""Histograms with the fixed bounds of Prometheus, from the store's logarithmic buckets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Powers of two, in milliseconds: the store has four buckets for each doubling, so every one of them
# lies between two buckets and no count is estimated. Single doublings up to 17 minutes, then
# quadruples up to 19 hours.
_EXPONENTS: Final = (*range(3, 21), 22, 24, 26)
_PER_DOUBLING: Final = 4
BOUNDS: Final = tuple(2**exponent / 1000 for exponent in _EXPONENTS)


def cumulative(buckets: Mapping[int, int]) -> list[tuple[str, float]]:
    """Return for each bound how many durations were shorter, and the number of all at `+Inf`."""
    rows: list[tuple[str, float]] = []
    total, numbers = 0, sorted(buckets.items())
    at = 0
    for exponent, bound in zip(_EXPONENTS, BOUNDS, strict=True):
        while at < len(numbers) and numbers[at][0] < exponent * _PER_DOUBLING:
            total += numbers[at][1]
            at += 1
        rows.append((_shown(bound), total))
    rows.append(("+Inf", total + sum(number for _, number in numbers[at:])))
    return rows


def _shown(bound: float) -> str:
    return repr(float(bound))
