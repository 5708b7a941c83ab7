"""Checks of queues and workers: pauses, queues that nobody serves, dead workers, hanging jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from qless_py import protocol
from qless_py.cli.doctor.report import SHOWN, Check, Examination, first
from qless_py.client.humanize import duration, plural
from qless_py.client.search import quote
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from qless_py.protocol import reservers
from qless_py.protocol.jobs import SMALL_PAGE
from qless_py.protocol.queues import Counts, RunningJob

_FORGOTTEN: Final = 3600.0  # Seconds after which a pause without an end counts as forgotten.
_LONG: Final = 86400.0
_RUNNING: Final = 2000  # Running jobs that are looked at, of all queues together.


def pauses(examined: Examination) -> Iterator[Check]:
    """Find paused queues that hold jobs back."""
    paused = [row for row in examined.queues if row.get("paused")]
    found = [_pause(examined, row) for row in paused]
    findings = [one for one in found if one is not None]
    yield from first(findings, examined.commands.qless("queues"))
    if not findings:
        rows = examined.queues
        waiting = sum(row.get("waiting", 0) for row in rows)
        detail = f"{plural(len(rows), 'queue')}, {plural(waiting, 'job')} waiting"
        yield Check("queues", "ok", f"{detail}, none held back by a pause")


def _pause(examined: Examination, row: Counts) -> Check | None:
    name, pause = row["name"], row.get("pause") or {}
    held = _ready(row)
    age = examined.now - pause.get("since", examined.now)
    left = pause["until"] - examined.now if "until" in pause else None
    if not held or (left is not None and left < _LONG):
        return None
    said = f"{name} has been paused for {duration(max(age, 0.0))}"
    said += f" by {pause['by']}" if pause.get("by") else ""
    said += f", for {duration(left)} more" if left is not None else ""
    said += f" ({pause['reason']})" if pause.get("reason") else ""
    said += f": {plural(held, 'job')} held back"
    is_forgotten = left is None and age >= _FORGOTTEN
    command = examined.commands.qless("queue", "unpause", name)
    return Check("queues", "fail" if is_forgotten else "warn", said, "end the pause", command)


def _ready(row: Counts) -> int:
    """Return how many jobs of a queue a worker could run, now or when a throttle lets it."""
    return row.get("waiting", 0) + row.get("stalled", 0) + row.get("throttled", 0)


def workers(examined: Examination) -> Iterator[Check]:
    """Find queues with jobs that no live, registered worker takes."""
    live = [row for row in examined.workers if examined.is_live(row)]
    accepting = [_entries(row["info"]) for row in live if row["info"].get("state") != "quiet"]
    quiet = [row for row in live if row["info"].get("state") == "quiet"]
    unserved: list[Counts] = []
    silenced: list[Counts] = []
    for row in examined.queues:
        if not _ready(row) or row.get("paused") or _takes(accepting, row["name"]):
            continue
        is_quiet = _takes([_entries(one["info"]) for one in quiet], row["name"])
        (silenced if is_quiet else unserved).append(row)
    if unserved:
        yield _unserved(examined, unserved, live)
    if silenced:
        names = [one["name"] for one in quiet]
        command = examined.commands.qless("workers", "resume", *names[:SHOWN])
        if len(names) > SHOWN:
            command = examined.commands.qless("workers", "resume", "--all")
        detail = f"the workers of {_names(silenced)} are quiet: {_waiting(silenced)}"
        yield Check("workers", "fail", detail, "let them take jobs again", command)
    if not unserved and not silenced:
        registered = sum(1 for entries in accepting if entries is not None)
        yield Check("workers", "ok", f"{registered} live, every queue with ready jobs is served")


def _unserved(examined: Examination, rows: list[Counts], live: list[Any]) -> Check:
    registered = sum(1 for row in live if _entries(row["info"]) is not None)
    detail = f"no worker serves {_names(rows)}: {_waiting(rows)}"
    if registered:
        detail += f"; {plural(registered, 'live worker')} for other queues"
    clients = len(live) - registered
    if clients:
        detail += (
            f"; {plural(clients, 'client')} popped in the last minute, registered as no worker"
        )
    queues = [row["name"] for row in rows if row["name"] != OPERATIONS_QUEUE]
    chosen = queues if 0 < len(queues) <= SHOWN else ["*"]
    options = [word for name in chosen for word in ("--queue", name)]
    command = examined.commands.qless("work", *options, *examined.handler)
    return Check("workers", "fail", detail, "start a worker", command)


def _names(rows: list[Counts]) -> str:
    shown = ", ".join(row["name"] for row in rows[:SHOWN])
    more = len(rows) - SHOWN
    return f"{shown} and {plural(more, 'more queue')}" if more > 0 else shown


def _waiting(rows: list[Counts]) -> str:
    """Return how many jobs wait, and for how long the oldest has."""
    number = plural(sum(map(_ready, rows)), "job")
    ages = [row["head_age"] for row in rows if row["head_age"] is not None]
    return f"{number} waiting" + (f", the oldest for {duration(max(ages))}" if ages else "")


def _entries(info: Any) -> list[str] | None:
    """Return the queues that a worker is registered for; None for a client that is no worker."""
    entries = info.get("queues")
    if isinstance(entries, list) and all(isinstance(one, str) for one in entries):
        return entries
    return None


def _takes(workers: Iterable[list[str] | None], queue: str) -> bool:
    known = [entries for entries in workers if entries is not None]
    if queue == OPERATIONS_QUEUE:
        return bool(known)  # Every worker also serves it.
    return any(reservers.takes(entries, queue) for entries in known)


def dead_workers(examined: Examination) -> Iterator[Check]:
    """Find workers that were not seen for a minute and hold jobs."""
    findings = []
    for row in examined.workers:
        held = row["jobs"] + row["stalled"]
        if not held or examined.is_live(row):
            continue
        name, age = row["name"], examined.now - row["seen_at"]
        detail = f"{name} holds {plural(held, 'job')} and was last seen {duration(age)} ago"
        advice = "return its jobs to their queues now; else each returns when its lease ends"
        search = f"worker:{quote(name)}"
        command = examined.commands.qless("job", "timeout", "--search", search, "--yes")
        findings.append(Check("dead workers", "fail", detail, advice, command))
    yield from first(findings, examined.commands.qless("workers", "list"))
    if not findings:
        yield Check("dead workers", "ok", "none holds a job")


def running(examined: Examination) -> Iterator[Check]:
    """Find jobs that run for very long, on live workers: their handlers may hang."""
    total = sum(row.get("running", 0) for row in examined.queues)
    lost = {row["name"] for row in examined.workers if not examined.is_live(row)}
    looked_at, findings = 0, []
    for queue, job in islice(_running(examined), _RUNNING):
        looked_at += 1
        if job.worker not in lost and _is_long(examined, job):
            findings.append(_hanging(examined, queue, job))
    yield from first(findings, examined.commands.qless("jobs", "state:running"))
    if not findings:
        seen = "" if looked_at >= total else f", {looked_at:,} of them looked at"
        longest = duration(examined.hanging_after)
        yield Check("running", "ok", f"{plural(total, 'job')}{seen}, none for over {longest}")


def _running(examined: Examination) -> Iterator[tuple[str, RunningJob]]:
    for row in examined.queues:
        offset, total = 0, row.get("running", 0)
        while offset < total:
            total, page = examined.client.run(protocol.queues.running(row["name"], offset))
            offset += SMALL_PAGE
            for job in page:
                yield row["name"], job


def _is_long(examined: Examination, job: RunningJob) -> bool:
    age = examined.now - job.popped_at
    return age > examined.hanging_after or 0 < job.hard_limit < age - _FORGOTTEN


def _hanging(examined: Examination, queue: str, job: RunningJob) -> Check:
    age = duration(examined.now - job.popped_at)
    detail = f"{job.jid} ({job.klass}) of {queue} has been running for {age} on {job.worker}"
    advice = "if it hangs, take it from its worker, so that it runs again elsewhere"
    command = examined.commands.qless("job", "timeout", job.jid)
    return Check("running", "warn", detail, advice, command)
