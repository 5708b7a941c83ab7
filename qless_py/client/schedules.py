"""When a recurring job puts its next job, and if it puts none, why: as text for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from qless_py.client.humanize import ago, exact_duration, local_time, plural
from qless_py.cron import Cron, describe
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.job_state import RecurringState


@dataclass(frozen=True, slots=True)
class Preview:
    """A schedule in words, and its next times in its zone."""

    words: str
    times: list[datetime]


def preview(
    now: float,
    *,
    interval: float | None = None,
    cron: str | None = None,
    zone: str | None = None,
    count: int = 5,
) -> Preview:
    """Return when a schedule that begins now fires; raises a `BadArgumentError` if it is invalid.

    `interval` is in seconds; give either it or `cron`.
    """
    if (interval is None) == (cron is None):
        raise BadArgumentError("give either an interval or a cron expression")
    if cron is not None:
        made = Cron(cron, zone or "UTC")
        return Preview(f"{describe(cron)} ({made.zone})", made.next_times(count, now))
    if zone is not None:
        raise BadArgumentError("a zone needs a cron expression")
    step = arguments.span("interval", interval, 0.001) / 1000
    times = [datetime.fromtimestamp(now + number * step, UTC) for number in range(count)]
    return Preview(f"every {exact_duration(step)}", times)


def schedule_words(job: RecurringState) -> str:
    """Return the schedule of a recurring job in words; a cron expression with its time zone."""
    if job.cron is None:
        return f"every {exact_duration(job.interval or 0)}"
    return f"{describe(job.cron)} ({job.zone})"


def next_words(job: RecurringState) -> str:
    """Return when the next job is put: a time, paused, overdue, dry or ended, and why."""
    if job.is_over:
        return f"ended: {ended_words(job)}"
    if job.is_paused:
        return "paused"
    if job.is_dry:
        return "no ticks: the next worker that pops computes them"
    if job.is_overdue:
        late = ago(job.next_at, job.settings.clock())
        return f"overdue since {local_time(job.next_at)} ({late}): nothing pops"
    return local_time(job.next_at)


def ended_words(job: RecurringState) -> str:
    """Return why a recurring job ended."""
    if job.ended_by == "limit":
        return f"its limit of {plural(job.limit or 0, 'job')} is reached"
    if job.ended_by == "end":
        return f"no tick is left before its end at {local_time(job.end)}"
    return "its cron expression has no further tick"
