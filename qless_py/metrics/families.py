"""Every metric: its name, kind, labels and meaning. The collectors and docs/metrics.md use these.

Counters grow for as long as a queue is known, also while no monitor and no worker is there: the
store keeps them. Names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

Kind = Literal["gauge", "counter", "histogram", "info"]
_CLASSES: Final[Mapping[Kind, Callable[..., Metric]]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; `name` is without the suffix that its kind adds (`_total`, `_info`)."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str

    @property
    def shown(self) -> str:
        """The name as queries write it; of a histogram without `_bucket`, `_sum`, `_count`."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")

    def make(self) -> Metric:
        """Return an empty family, to which a collector adds samples."""
        return _CLASSES[self.kind](self.name, self.meaning, labels=self.labels)


_QUEUE: Final = ("queue",)
_THROTTLE: Final = ("throttle",)

OF_BUILD: Final = Family(
    "qless_build", "info", ("version", "python"), "1; the versions of qless_py and Python."
)

# From the store: every process exposes the same values.
OF_STORE: Final = (
    Family("qless_up", "gauge", (), "Whether the store answers: 1 or 0."),
    Family("qless_scripts_up", "gauge", (), "Whether the store runs the scripts: 1 or 0."),
    Family("qless_store_latency_seconds", "gauge", (), "Round trip of a PING to the store."),
    Family("qless_read_seconds", "gauge", (), "Time that reading all these metrics took."),
    Family("qless_jobs", "gauge", ("queue", "state"), "Jobs in a queue by state."),
    Family(
        "qless_queue_oldest_waiting_seconds",
        "gauge",
        _QUEUE,
        "How long the next job to run has been ready; 0 if none waits.",
    ),
    Family("qless_queue_paused", "gauge", _QUEUE, "Whether the queue is paused: 1 or 0."),
    Family("qless_jobs_put", "counter", _QUEUE, "Jobs put, including children of schedules."),
    Family("qless_jobs_started", "counter", _QUEUE, "Attempts: jobs popped by workers."),
    Family("qless_jobs_completed", "counter", _QUEUE, "Jobs completed."),
    Family("qless_jobs_failed", "counter", _QUEUE, "Jobs failed for good."),
    Family(
        "qless_job_retries",
        "counter",
        _QUEUE,
        "Attempts that cost a retry: raised, lease lost, or worker died.",
    ),
    Family("qless_job_leases_lost", "counter", _QUEUE, "Leases that expired while a job ran."),
    Family("qless_job_crashes", "counter", _QUEUE, "Jobs whose worker process died."),
    Family(
        "qless_job_wait_seconds", "histogram", _QUEUE, "Time from ready to started, per attempt."
    ),
    Family("qless_job_run_seconds", "histogram", _QUEUE, "Time from started to completed."),
    Family(
        "qless_klass_jobs",
        "counter",
        ("klass", "event"),
        "Jobs by class: started, completed, failed, retried. Not with `klass-stats` 0.",
    ),
    Family(
        "qless_klass_run_seconds",
        "counter",
        ("klass",),
        "Sum of the run times of completed jobs by class. Not with `klass-stats` 0.",
    ),
    Family("qless_complete_jobs", "gauge", (), "Completed jobs that are still kept."),
    Family("qless_failed_jobs", "gauge", (), "Failed jobs that were neither retried nor canceled."),
    Family(
        "qless_workers",
        "gauge",
        ("state",),
        "Worker processes: running, quiet, stopping, or lost (not seen for a minute).",
    ),
    Family("qless_worker_slots", "gauge", (), "Jobs that all live workers can run at once."),
    Family("qless_worker_busy_slots", "gauge", (), "Slots of live workers with a running job."),
    Family("qless_recurring_jobs", "gauge", _QUEUE, "Recurring jobs of a queue."),
    Family(
        "qless_recurring_overdue_seconds",
        "gauge",
        _QUEUE,
        "How late the earliest tick is that has not fired; 0 if none is due.",
    ),
    Family(
        "qless_recurring_last_late_seconds", "gauge", _QUEUE, "How late the latest tick fired."
    ),
    Family("qless_recurring_ticks", "counter", _QUEUE, "Ticks fired, each of which put a job."),
    Family(
        "qless_recurring_late_seconds",
        "counter",
        _QUEUE,
        "Sum over calls that fired ticks of how late the last one was.",
    ),
    Family("qless_throttle_holders", "gauge", _THROTTLE, "Running jobs that hold a throttle."),
    Family(
        "qless_throttle_limit",
        "gauge",
        _THROTTLE,
        "How many jobs may hold a throttle at once; absent without such a limit.",
    ),
    Family("qless_throttle_parked_jobs", "gauge", _THROTTLE, "Jobs parked on a throttle."),
    Family(
        "qless_throttle_blocked", "gauge", _THROTTLE, "Whether a throttle is blocked: 1 or 0."
    ),
    Family("qless_queues", "gauge", (), "Known queues."),
    Family(
        "qless_queues_other",
        "gauge",
        (),
        'Queues without labels of their own: summed in queue="_other".',
    ),
    Family("qless_queues_unread", "gauge", (), "Queues that were too many to read."),
    Family("qless_throttles", "gauge", (), "Throttles with limits."),
    Family(
        "qless_throttles_other",
        "gauge",
        (),
        'Throttles without labels of their own: summed in throttle="_other".',
    ),
    Family("qless_throttles_unread", "gauge", (), "Throttles that were too many to read."),
)  # fmt: skip

# From one worker, at its probe.
OF_PROCESS: Final = (
    Family("qless_process_ready", "gauge", (), "Whether the worker fetches jobs: 1 or 0."),
    Family("qless_process_store_up", "gauge", (), "Whether the last call to the store worked."),
    Family("qless_process_quiet", "gauge", (), "Whether the worker takes no new jobs: 1 or 0."),
    Family("qless_process_stopping", "gauge", (), "Whether the worker is shutting down: 1 or 0."),
    Family("qless_process_children", "gauge", (), "Child processes."),
    Family("qless_process_children_wanted", "gauge", (), "Child processes that there should be."),
    Family("qless_process_slots", "gauge", (), "Jobs that the worker can run at once."),
    Family("qless_process_busy_slots", "gauge", (), "Slots with a running job."),
    Family(
        "qless_process_jobs",
        "counter",
        ("outcome",),
        "Jobs that ended here: completed, failed, retried, other (released, snoozed, or lost "
        "before), or died with their child.",
    ),
    Family(
        "qless_process_child_exits",
        "counter",
        ("cause",),
        "Children that exited: clean, error (exit code) or signal.",
    ),
    Family(
        "qless_process_lease_renewals", "counter", (), "Renewals of leases that the store granted."
    ),
    Family("qless_process_leases_lost", "counter", (), "Leases of running jobs found to be lost."),
    Family(
        "qless_process_pending_calls", "gauge", (), "Reports kept until the store is back."
    ),
    Family(
        "qless_process_child_resident_bytes",
        "gauge",
        ("child",),
        "Resident memory of a child; the label is its index.",
    ),
)  # fmt: skip


def table(families: tuple[Family, ...]) -> str:
    """Return a Markdown table of metrics."""
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for one in families:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.shown}` | {one.kind} | {labels} | {one.meaning} |")
    return "\n".join(rows)
