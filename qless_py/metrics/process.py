"""The metrics of one worker, from numbers that its supervisor has at hand: nothing here waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import ProcessCollector

from qless_py.metrics.collector import build_info
from qless_py.metrics.families import OF_PROCESS

# Memory, processor time and open files of the supervisor: process_resident_memory_bytes and others.
_OWN = ProcessCollector(registry=None)


@dataclass(frozen=True, slots=True)
class WorkerNumbers:
    """The state of a worker, and what it has counted since it started.

    `state` is what its probe reports. `resident` is the memory of each child, in bytes, by index.
    """

    state: Mapping[str, object]
    slots: int
    pending: int
    renewals: int
    lost: int
    outcomes: Mapping[str, int]
    exits: Mapping[str, int]
    resident: Mapping[str, int]


class ProcessMetrics:
    """Turns the numbers of a worker into the metrics of `families.OF_PROCESS`."""

    def __init__(self, numbers: WorkerNumbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Any]:
        """Yield every metric, and those of the supervisor's process."""
        numbers = self._numbers
        state = numbers.state
        made: dict[str, Any] = {one.name: one.make() for one in OF_PROCESS}
        single = {
            "ready": state["ready"],
            "store_up": state["store"],
            "quiet": state["quiet"],
            "stopping": state["stopping"],
            "children": state["children"],
            "children_wanted": state["wanted"],
            "slots": numbers.slots,
            "busy_slots": state["busy"],
            "lease_renewals": numbers.renewals,
            "leases_lost": numbers.lost,
            "pending_calls": numbers.pending,
        }
        for name, value in single.items():
            made[f"qless_process_{name}"].add_metric((), value)
        labeled = {
            "jobs": numbers.outcomes,
            "child_exits": numbers.exits,
            "child_resident_bytes": numbers.resident,
        }
        for name, values in labeled.items():
            for label, value in values.items():
                made[f"qless_process_{name}"].add_metric((label,), value)
        yield build_info()
        yield from (one for one in made.values() if one.samples)
        yield from _OWN.collect()
