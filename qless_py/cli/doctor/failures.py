"""Checks of failures: poison jobs, a flood of one failure, jobs that wait for a failed one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from qless_py import protocol
from qless_py.cli.doctor.report import SHOWN, Check, Examination, first
from qless_py.client.humanize import duration, error_line, plural
from qless_py.client.job import Job
from qless_py.protocol.jobs import MAX_PAGE, SMALL_PAGE, FailureGroup

POISON: Final = "poison-pill"
_FLOOD: Final = 25  # Failures of one group within _RECENT.
_RECENT: Final = 600.0
_GROUPS: Final = 50  # Groups that are examined, those with the latest failures.
_WAITING: Final = 2000  # Jobs that wait for others and are looked at, of all queues together.
_MESSAGE: Final = 120


def failures(examined: Examination) -> Iterator[Check]:
    """Find poison jobs, and groups in which many jobs have failed lately."""
    _, groups = examined.client.run(protocol.jobs.groups(0, MAX_PAGE))
    findings = [_poison(examined, one) for one in groups if one.group == POISON]
    for one in groups[:_GROUPS]:
        flood = None if one.group == POISON else _flood(examined, one)
        findings += [flood] if flood is not None else []
    yield from first(findings, examined.commands.qless("failed", "groups"))
    if not findings:
        failed = sum(one.number for one in groups)
        detail = f"{plural(failed, 'failed job')} in {plural(len(groups), 'group')}"
        yield Check("failures", "ok", f"{detail}, no flood and no poison job")


def _poison(examined: Examination, one: FailureGroup) -> Check:
    commands, job = examined.commands, _failed_job(examined, POISON, 0)
    detail = f"{plural(one.number, 'job')} killed their worker each time and failed as {POISON}"
    if one.number == 1:
        detail = f"1 job killed its worker each time and failed as {POISON}"
    advice = "fix what kills it, then retry"
    if job is not None:
        detail += f": {job.jid} ({job.klass_name}), {_message(job)}"
        advice = f"see what kills it ({commands.qless('job', 'show', job.jid)}), fix it and retry"
    command = commands.qless("failed", "retry", POISON, "--yes")
    return Check("failures", "fail", detail, advice, command)


def _flood(examined: Examination, one: FailureGroup) -> Check | None:
    if one.number < _FLOOD or examined.now - one.last_failed_at / 1000 > _RECENT:
        return None
    early = _failed_job(examined, one.group, _FLOOD - 1)
    since = _failed_at(early)
    if early is None or since is None or examined.now - since > _RECENT:
        return None
    span = duration(max(examined.now - since, 0.0))
    detail = f"{_FLOOD} of {plural(one.number, 'job')} failed as {one.group} within {span}"
    advice = "fix the cause, then retry them"
    if early.queue_name:
        pause = examined.commands.qless("queue", "pause", early.queue_name)
        advice = f"stop it ({pause}), fix the cause, then retry them"
    command = examined.commands.qless("failed", "retry", one.group, "--yes")
    return Check("failures", "fail", f"{detail}: {_message(early)}", advice, command)


def _failed_job(examined: Examination, group: str, offset: int) -> Job | None:
    """Return a job of a group; 0 is the latest failure."""
    found = examined.client.jobs.failed(group, offset, 1)["jobs"]
    return found[0] if found and isinstance(found[0], Job) else None


def _failed_at(job: Job | None) -> float | None:
    at = None if job is None else job.fields.get("failed_at")
    return None if at is None else float(at) / 1000


def _message(job: Job) -> str:
    failure: Mapping[str, Any] = job.failure or {}
    return error_line(failure.get("message"))[:_MESSAGE]


def dependents(examined: Examination) -> Iterator[Check]:
    """Find jobs that wait for a job that has failed."""
    total = sum(row.get("depends", 0) for row in examined.queues)
    held: dict[str, list[str]] = {}
    looked_at = 0
    for row in examined.queues:
        offset, number = 0, row.get("depends", 0)
        while offset < number and looked_at < _WAITING:
            page = examined.client.run(protocol.queues.blocked(row["name"], offset, SMALL_PAGE))
            if not page.looked_at:
                break
            offset, looked_at = offset + page.looked_at, looked_at + page.looked_at
            for jid, parent in page.jobs:
                held.setdefault(parent, []).append(jid)
    findings = [_held(examined, parent, jids) for parent, jids in held.items()]
    yield from first(findings, examined.commands.qless("jobs", "state:depends"))
    if not findings:
        seen = "" if looked_at >= total else f", {looked_at:,} of them looked at"
        detail = f"{plural(total, 'job')} waiting for others{seen}, for none that failed"
        yield Check("dependents", "ok", detail)


def _held(examined: Examination, parent: str, jids: list[str]) -> Check:
    named = ", ".join(jids[:SHOWN]) + (", …" * (len(jids) > SHOWN))
    verb = "waits" if len(jids) == 1 else "wait"
    detail = f"{plural(len(jids), 'job')} ({named}) {verb} for {parent}, which failed"
    job = examined.client.jobs[parent]
    if isinstance(job, Job) and job.failure:
        detail += f" as {job.failure['group']}"
    undepend = examined.commands.qless("job", "undepend", jids[0], "--on", parent)
    advice = f"retry it; or let the others go without it: {undepend}"
    return Check(
        "dependents", "fail", detail, advice, examined.commands.qless("job", "retry", parent)
    )
