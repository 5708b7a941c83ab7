"""What the view shows: one reading of the namespace, in a handful of round trips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.client.session import answered
from qless_py.overview import alerts, series, snapshot
from qless_py.overview.alerts import Alert
from qless_py.overview.series import SeriesCache
from qless_py.overview.snapshot import Snapshot, count
from qless_py.protocol.queues import RunningJob

_MINUTE: Final = 60.0
_MAX_RATED: Final = 500  # Queues whose rates are read, the busiest first.
_MAX_BUSY: Final = 50  # Queues whose running jobs are read.
_PER_QUEUE: Final = 50
_GROUPS: Final = 5


@dataclass(frozen=True, slots=True)
class Rates:
    """Jobs per second that were put, completed and failed, and how many failed in the window."""

    put: float = 0.0
    completed: float = 0.0
    failed: float = 0.0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """A running job of a queue, and for how many seconds it has run."""

    queue: str
    job: RunningJob
    elapsed: float


@dataclass(frozen=True, slots=True)
class Picture:
    """The numbers of an instant, `at`; rates are those of the last `window` seconds."""

    at: float
    snapshot: Snapshot
    window: float
    rates: Mapping[str, Rates] = field(default_factory=dict)
    running: Sequence[Running] = ()
    alerts: Sequence[Alert] = ()

    @property
    def total_rates(self) -> Rates:
        """The rates of all queues together."""
        found = self.rates.values()
        return Rates(
            sum(one.put for one in found),
            sum(one.completed for one in found),
            sum(one.failed for one in found),
            sum(one.failures for one in found),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the picture as a JSON object."""
        current = self.snapshot
        return {
            "at": self.at,
            "window": self.window,
            "totals": {**current.totals, "failed": sum(current.failures.values())},
            "queues": [self._queue(row) for row in current.queues],
            "failures": current.failures,
            "workers": [dict(one) for one in current.workers],
            "running": [
                {
                    "jid": one.job.jid,
                    "klass": one.job.klass,
                    "queue": one.queue,
                    "worker": one.job.worker,
                    "elapsed": one.elapsed,
                }
                for one in self.running
            ],
            "alerts": [{"kind": one.kind, "text": one.text} for one in self.alerts],
        }

    def _queue(self, row: Any) -> dict[str, Any]:
        name = row["name"]
        rates = self.rates.get(name, Rates())
        return {
            **row,
            "oldest": self.snapshot.heads.get(name),
            "put_per_second": rates.put,
            "completed_per_second": rates.completed,
            "failed_per_second": rates.failed,
            "failures": rates.failures,
        }


class PictureReader:
    """Reads pictures one after the other."""

    def __init__(self, client: Client, window: float) -> None:
        self._client = client
        self._minutes = max(1, round(window / _MINUTE))
        self._series = SeriesCache(client)

    def read(self) -> Picture:
        """Read everything: five round trips, two more when a failure group is new."""
        current = snapshot.read_snapshot(self._client)
        now = current.at
        names = series.busiest(
            (row["name"], count(row, "waiting") + count(row, "running")) for row in current.queues
        )
        rated = names[:_MAX_RATED]
        busy = self._busy(current)
        ended = alerts.ended_calls(current, now)
        start = (now // _MINUTE - self._minutes) * _MINUTE
        calls = [
            *(_rows(name, start, now) for name in rated),
            *(protocol.queues.running(name, 0, _PER_QUEUE) for name in busy),
            *ended.values(),
        ]
        answers = answered(self._client.run_many(calls))
        rates = [_rates(rows, now - start) for rows in answers[: len(rated)]]
        pages = answers[len(rated) : len(rated) + len(busy)]
        counts = dict(zip(ended, answers[len(rated) + len(busy) :], strict=True))
        _, last_hour = self._series.rows(names, series.DEFAULT_RANGE, now, current.backlog)
        since = self._read_failing_since()
        return Picture(
            now,
            current,
            now - start,
            dict(zip(rated, rates, strict=True)),
            _running(busy, pages, now),
            alerts.find_alerts(current, last_hour, since, counts),
        )

    @staticmethod
    def _busy(current: Snapshot) -> list[str]:
        counts = (
            (row["name"], count(row, "running") + count(row, "stalled")) for row in current.queues
        )
        return series.busiest(pair for pair in counts if pair[1])[:_MAX_BUSY]

    def _read_failing_since(self) -> dict[str, float | None]:
        """Return when each of the failure groups that failed last was first seen."""
        page = self._client.run(protocol.failures.groups(0, _GROUPS))
        return {one.group: one.first_at for one in page.groups}


def _rows(queue: str, start: float, end: float) -> Any:
    return protocol.stats.series_rows(queue, round(1000 * start), round(1000 * end), "minute")


def _rates(rows: Sequence[Mapping[str, Any]], seconds: float) -> Rates:
    span = max(seconds, 1.0)
    put, completed, failed = (
        sum(row.get(name, 0) for row in rows) for name in ("put", "completed", "failed")
    )
    return Rates(put / span, completed / span, failed / span, failed)


def _running(queues: Sequence[str], pages: Sequence[Any], now: float) -> list[Running]:
    """Return the running jobs, those that have run longest first."""
    found = [
        Running(queue, job, max(0.0, now - job.popped_at))
        for queue, (_, jobs) in zip(queues, pages, strict=True)
        for job in jobs
    ]
    return sorted(found, key=lambda one: -one.elapsed)
