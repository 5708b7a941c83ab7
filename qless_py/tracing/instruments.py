"""Metrics of OpenTelemetry about the jobs of this process, named and meant as those of `/metrics`.

`/metrics` counts what happens in the store, by all processes and also while none of them exports;
these count what this process does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# Powers of two in milliseconds: the bounds of the histograms of `/metrics`.
_BOUNDS: Final = tuple(2**exponent / 1000 for exponent in (*range(3, 21), 22, 24, 26))
_COUNTERS: Final[Mapping[str, str]] = {
    "qless_jobs_put": "Jobs put.",
    "qless_jobs_started": "Attempts: jobs whose handler was entered.",
    "qless_jobs_completed": "Jobs completed.",
    "qless_jobs_failed": "Jobs failed for good.",
    "qless_job_retries": "Attempts that ended so that the job runs again, at the cost of a retry.",
}
_BY_OUTCOME: Final[Mapping[str, str]] = {
    "completed": "qless_jobs_completed",
    "failed": "qless_jobs_failed",
    "retried": "qless_job_retries",
}


class Instruments:
    """The instruments of a meter."""

    def __init__(self, meter: Any) -> None:
        self._counters: Final = {
            name: meter.create_counter(name, description=meaning)
            for name, meaning in _COUNTERS.items()
        }
        self._wait, self._run = (
            meter.create_histogram(
                name,
                unit="s",
                description=meaning,
                explicit_bucket_boundaries_advisory=_BOUNDS,
            )
            for name, meaning in (
                ("qless_job_wait_seconds", "Time from ready to started, per attempt."),
                ("qless_job_run_seconds", "Time from started to completed."),
            )
        )

    def put(self, queue: str, number: int) -> None:
        """Count jobs that were put."""
        self._counters["qless_jobs_put"].add(number, _labels(queue))

    def started(self, queue: str, waited: float) -> None:
        """Count a run that starts."""
        self._counters["qless_jobs_started"].add(1, _labels(queue))
        self._wait.record(waited, _labels(queue))

    def ended(self, queue: str, outcome: str, seconds: float) -> None:
        """Count a run that has ended."""
        if outcome in _BY_OUTCOME:
            self._counters[_BY_OUTCOME[outcome]].add(1, _labels(queue))
        if outcome == "completed":
            self._run.record(seconds, _labels(queue))


def _labels(queue: str) -> dict[str, str]:
    # Jobs that one put has distributed over several queues count without a queue.
    return {"queue": queue} if queue else {}
