"""When a recurring job puts its next job, and if it puts none, why: as text for people."""

from __future__ import annotations

from qless_py.client.humanize import ago, local_time, plural
from qless_py.protocol.job_state import RecurringState


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
