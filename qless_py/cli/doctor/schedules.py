"""Checks of recurring jobs: overdue, dry, ended or paused, and why."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from qless_py import protocol
from qless_py.cli.doctor.report import Check, Examination, first
from qless_py.client.humanize import duration, plural
from qless_py.client.recurring import RecurringJob
from qless_py.client.schedules import ended_words
from qless_py.protocol.job_state import OVERDUE_AFTER
from qless_py.protocol.jobs import SMALL_PAGE

_LOOKED_AT: Final = 2000


def schedules(examined: Examination) -> Iterator[Check]:
    """Find schedules that put no jobs."""
    total = sum(row.get("recurring", 0) for row in examined.queues)
    looked_at, findings = 0, []
    for job in islice(_recurring(examined), _LOOKED_AT):
        looked_at += 1
        found = _finding(examined, job)
        findings += [found] if found is not None else []
    yield from first(findings, examined.commands.qless("recur", "list"))
    if not findings:
        seen = "" if looked_at >= total else f", {looked_at:,} of them looked at"
        yield Check("schedules", "ok", f"{plural(total, 'schedule')}{seen}, none stands still")


def _recurring(examined: Examination) -> Iterator[RecurringJob]:
    """Yield the recurring jobs of every queue: the overdue first, those without a tick last."""
    for row in examined.queues:
        offset, total = 0, row.get("recurring", 0)
        while offset < total:
            call = protocol.recurring.in_queue(row["name"], offset, SMALL_PAGE)
            total, records = examined.client.run(call)
            offset += SMALL_PAGE
            for record in records:
                yield RecurringJob(examined.client, record)


def _finding(examined: Examination, job: RecurringJob) -> Check | None:
    commands, name = examined.commands, f"{job.jid} of {job.queue_name}"
    if job.is_over:
        detail = f"{name} has ended: {ended_words(job)}"
        advice = "remove it, or use qless-py recur edit with a later --end or a higher --times"
        command = commands.qless("recur", "remove", job.jid)
        return Check("schedules", "warn", detail, advice, command)
    if job.is_paused:
        command = commands.qless("recur", "resume", job.jid)
        return Check("schedules", "warn", f"{name} is paused", "resume it", command)
    if job.is_dry:
        detail = f"{name} has no ticks left: no worker that pops has computed more"
        command = commands.qless(
            "recur", "edit", job.jid, "--cron", job.cron or "", "--zone", job.zone or "UTC"
        )
        advice = "compute them now; a live worker keeps doing so"
        return Check("schedules", "fail", detail, advice, command)
    late = examined.now - (job.next_at or examined.now)
    if late > OVERDUE_AFTER:
        detail = f"{name} has been overdue for {duration(late)}"
        detail += ": nothing has popped since, from any queue"
        command = commands.qless("work", "--queue", job.queue_name, *examined.handler)
        return Check("schedules", "fail", detail, "start a worker", command)
    return None
