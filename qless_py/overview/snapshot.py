"""One reading of the counts of all queues, failure groups and workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.client.session import answered
from qless_py.protocol import Call
from qless_py.protocol.jobs import MAX_PAGE
from qless_py.protocol.queues import Counts
from qless_py.protocol.workers import WorkerCounts

# Queues that one call reads: other clients wait while it runs.
_QUEUES_PER_CALL: Final = 50


def count(queue: Counts, state: str) -> int:
    """Return how many jobs of a queue are in a state."""
    return cast("dict[str, int]", queue).get(state, 0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counts of all queues, failure groups and workers at one instant, `at`, in seconds.

    `heads` maps queues to the seconds for which their first job has been ready.
    """

    at: float
    queues: Sequence[Counts]
    failures: dict[str, int]
    workers: Sequence[WorkerCounts]
    heads: dict[str, float | None] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    complete: int = 0
    # Keys that were unreadable and were renamed.
    quarantined: int = 0

    @property
    def backlog(self) -> dict[str, tuple[int, float]]:
        """For each queue the number of waiting jobs and the age of the oldest in seconds."""
        return {
            queue["name"]: (count(queue, "waiting"), self.heads.get(queue["name"]) or 0.0)
            for queue in self.queues
        }

    @property
    def failed(self) -> int:
        """The number of failed jobs."""
        return sum(self.failures.values())

    def as_json(self, names: Collection[str] = ()) -> dict[str, Any]:
        """Return what live pages need: the totals, and the counts of each queue, or of those named.

        Those of ten thousand queues are more than a megabyte.
        """
        chosen = frozenset(names)
        return {
            "at": self.at,
            "totals": self.totals,
            "failed": self.failed,
            "complete": self.complete,
            "workers": len(self.workers),
            "queues": {
                queue["name"]: dict(queue)
                for queue in self.queues
                if not chosen or queue["name"] in chosen
            },
            "heads": {
                name: age for name, age in self.heads.items() if not chosen or name in chosen
            },
        }


def read_snapshot(client: Client) -> Snapshot:
    """Read everything in two round trips: first pages, then the remaining ones."""
    readers: tuple[Callable[[int], Call[Any]], ...] = (
        _queues, _failure_groups, protocol.workers.counts,
    )  # fmt: skip
    now = client.settings.clock()
    lists: list[list[Any]] = []
    rest: list[tuple[list[Any], Call[Any]]] = []
    firsts = answered(client.run_many([read(0) for read in readers]))
    for read, (total, rows) in zip(readers, firsts, strict=True):
        lists.append(rows)
        offsets = range(len(rows), total, len(rows)) if rows else ()
        rest += [(rows, read(offset)) for offset in offsets]
    complete = protocol.jobs.in_state("complete", count=0)
    calls: list[Call[Any]] = [protocol.namespace.meta(), complete, *(call for _, call in rest)]
    meta, completed, *others = answered(client.run_many(calls))
    for (rows, _), (_, page) in zip(rest, others, strict=True):
        rows.extend(page)
    queues, groups, known = lists
    states = ("waiting", "running", "scheduled", "stalled", "depends", "throttled", "recurring")
    totals = {state: sum(count(queue, state) for queue in queues) for state in states}
    failures = {one.group: one.number for one in groups}
    aside = int(meta.get("quarantined", 0))
    heads = {queue["name"]: queue.pop("head_age") for queue in queues}
    return Snapshot(now, queues, failures, known, heads, totals, completed.total, aside)


def _queues(offset: int) -> Call[tuple[int, list[Counts]]]:
    return protocol.queues.all_counts(offset, _QUEUES_PER_CALL)


def _failure_groups(offset: int) -> Call[tuple[int, list[protocol.jobs.FailureGroup]]]:
    return protocol.jobs.groups(offset, MAX_PAGE)
