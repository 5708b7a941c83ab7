"""The metrics of the store, collected from one snapshot."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from qless_py import package
from qless_py.metrics.buckets import cumulative
from qless_py.metrics.families import OF_BUILD, OF_STORE
from qless_py.metrics.snapshot import Limits, Snapshot
from qless_py.protocol.stats import QueueTotals
from qless_py.protocol.throttles import ThrottleState

OTHER: Final = "_other"
_STATES: Final = ("waiting", "scheduled", "depends", "throttled", "running", "stalled")
# The counters of the store, by the name of the metric.
_COUNTERS: Final = {
    "qless_jobs_put": "put",
    "qless_jobs_started": "popped",
    "qless_jobs_completed": "completed",
    "qless_jobs_failed": "failed",
    "qless_job_retries": "retried",
    "qless_job_leases_lost": "stalled",
    "qless_job_crashes": "crashed",
}


class StoreCollector(Collector):
    """Turns a snapshot into the metrics of `families.OF_STORE`."""

    def __init__(self, snapshot: Snapshot, limits: Limits) -> None:
        self._snapshot = snapshot
        self._limits = limits

    def collect(self) -> Iterator[Any]:
        """Yield every metric; of a store that does not answer, only that it does not."""
        made = {one.name: one.make() for one in OF_STORE}
        self._add_store(made)
        if self._snapshot.has_scripts:
            self._add_queues(made)
            self._add_klasses(made)
            self._add_throttles(made)
            self._add_workers(made)
        yield build_info()
        yield from (one for one in made.values() if one.samples)

    def _add_store(self, made: Mapping[str, Any]) -> None:
        found = self._snapshot
        made["qless_up"].add_metric((), found.is_up)
        made["qless_scripts_up"].add_metric((), found.has_scripts)
        if found.is_up:
            made["qless_store_latency_seconds"].add_metric((), found.latency)
        if found.has_scripts:
            made["qless_read_seconds"].add_metric((), found.took)
            made["qless_complete_jobs"].add_metric((), found.complete)
            made["qless_failed_jobs"].add_metric((), found.failed)

    def _add_queues(self, made: Mapping[str, Any]) -> None:
        found = self._snapshot
        groups = _labeled(found.queues, self._limits.queues, lambda one: one.name)
        for label, queues in groups.items():
            _add_queue(made, label, queues)
        _add_numbers(made, "queues", self._limits.queues, len(found.queues), found.queues_known)

    def _add_klasses(self, made: Mapping[str, Any]) -> None:
        for klass, found in self._snapshot.klasses.items():
            for event, number in found.counts.items():
                made["qless_klass_jobs"].add_metric((klass, event), number)
            made["qless_klass_run_seconds"].add_metric((klass,), found.run)

    def _add_throttles(self, made: Mapping[str, Any]) -> None:
        found, most = self._snapshot, self._limits.throttles
        groups = _labeled(found.throttles, most, lambda one: one.id)
        for label, throttles in groups.items():
            _add_throttle(made, label, throttles, found.at)
        _add_numbers(made, "throttles", most, len(found.throttles), found.throttles_known)

    def _add_workers(self, made: Mapping[str, Any]) -> None:
        workers = self._snapshot.workers
        for state, number in workers.states.items():
            made["qless_workers"].add_metric((state,), number)
        made["qless_worker_slots"].add_metric((), workers.slots)
        made["qless_worker_busy_slots"].add_metric((), workers.busy)


def build_info() -> Metric:
    """Return the metric with the versions."""
    versions = {"version": package.__version__, "python": platform.python_version()}
    return InfoMetricFamily(OF_BUILD.name, OF_BUILD.meaning, value=versions)


def _labeled(found: Iterable[Any], most: int, name: Callable[[Any], str]) -> dict[str, list[Any]]:
    """Return the rows by their label: those behind the first `most` share one."""
    groups: dict[str, list[Any]] = defaultdict(list)
    for number, one in enumerate(found):
        groups[name(one) if number < most else OTHER].append(one)
    return groups


def _add_numbers(made: Mapping[str, Any], what: str, most: int, read: int, known: int) -> None:
    made[f"qless_{what}"].add_metric((), known)
    made[f"qless_{what}_other"].add_metric((), max(read - most, 0))
    made[f"qless_{what}_unread"].add_metric((), max(known - read, 0))


def _add_queue(made: Mapping[str, Any], label: str, queues: list[QueueTotals]) -> None:
    for state in _STATES:
        number = sum(one.states[state] for one in queues)
        made["qless_jobs"].add_metric((label, state), number)
    own = (label,)
    oldest = max(one.head_age or 0.0 for one in queues)
    made["qless_queue_oldest_waiting_seconds"].add_metric(own, oldest)
    made["qless_queue_paused"].add_metric(own, all(one.is_paused for one in queues))
    for name, field in _COUNTERS.items():
        made[name].add_metric(own, sum(one.counts[field] for one in queues))
    for kind in ("wait", "run"):
        buckets: dict[int, int] = defaultdict(int)
        for one in queues:
            for number, count in getattr(one, kind).buckets.items():
                buckets[number] += count
        total = sum(getattr(one, kind).sum for one in queues)
        made[f"qless_job_{kind}_seconds"].add_metric(own, cumulative(buckets), total)
    _add_recurring(made, own, queues)


def _add_recurring(made: Mapping[str, Any], own: tuple[str], queues: list[QueueTotals]) -> None:
    jobs = sum(one.states["recurring"] for one in queues)
    ticks = sum(one.counts["ticks"] for one in queues)
    if not jobs and not ticks:
        return  # Most queues have none: leave out series that are always 0.
    made["qless_recurring_jobs"].add_metric(own, jobs)
    made["qless_recurring_overdue_seconds"].add_metric(own, max(one.overdue for one in queues))
    made["qless_recurring_ticks"].add_metric(own, ticks)
    made["qless_recurring_late_seconds"].add_metric(own, sum(one.late for one in queues))
    last = [one.last_late for one in queues if one.last_late is not None]
    if last:
        made["qless_recurring_last_late_seconds"].add_metric(own, max(last))


def _add_throttle(
    made: Mapping[str, Any], label: str, throttles: list[ThrottleState], now: float
) -> None:
    own = (label,)
    made["qless_throttle_holders"].add_metric(own, sum(one.holding for one in throttles))
    made["qless_throttle_parked_jobs"].add_metric(own, sum(one.waiting for one in throttles))
    limits = [one.concurrency for one in throttles if one.concurrency is not None]
    if limits:
        made["qless_throttle_limit"].add_metric(own, sum(limits))
    is_blocked = any((one.blocked_until or 0.0) > now for one in throttles)
    made["qless_throttle_blocked"].add_metric(own, is_blocked)
