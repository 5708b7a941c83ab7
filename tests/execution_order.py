"""Decide in which order tests run: slow ones first, in all processes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, islice

import pytest


def spread(items: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """Return the tests as one stretch for each process, each with its share of the slow ones first.

    Stretches are as long as those that xdist cuts. A test with a longer time limit counts as
    slower. The cases of one test are dealt out one by one; the other slow tests of a module stay
    together, because they may share a fixture that takes most of their time.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    groups = [list(group) for _, group in groupby(slow, _kept_together)]
    groups.sort(key=lambda group: -max(map(_time_limit, group)))
    quick = iter([item for item in items if not item.get_closest_marker("slow")])
    ordered: list[pytest.Item] = []
    for number in range(processes):
        length = (len(items) - len(ordered)) // (processes - number)
        first = [item for group in groups[number::processes] for item in group]
        ordered += [*first, *islice(quick, max(length - len(first), 0))]
    return [*ordered, *quick]


def _kept_together(item: pytest.Item) -> tuple[str, ...]:
    module = item.nodeid.partition("::")[0]
    return (module, item.nodeid) if hasattr(item, "callspec") else (module,)


def _time_limit(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0
