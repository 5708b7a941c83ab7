"""Batches: members, counters, and jobs to put when all of the members have ended."""

from typing import Any

from tests.properties.model import dependencies
from tests.properties.model.state import Batch, Job, Namespace, Refused, Release

CALLBACKS = ("on_success", "on_complete", "on_failure")


def require_open(ns: Namespace, name: str, by: str | None = None, jid: str = "") -> Batch:
    batch = ns.batches.get(name)
    if batch is None:
        raise Refused("NOBATCH")
    if batch.closed_at is not None and by not in batch.members and not _takes_back(ns, name, jid):
        raise Refused("BATCHCLOSED")
    return batch


def _takes_back(ns: Namespace, name: str, jid: str) -> bool:
    """Whether a closed batch takes a job as its own."""
    batch, job = ns.batches[name], ns.jobs.get(jid)
    if jid in batch.canceled:
        return True
    left_for_good = batch.finished_at is not None and job is not None and job.state == "complete"
    return job is not None and job.batch == name and not left_for_good


def join(ns: Namespace, job: Job, name: str) -> None:
    job.batch = name
    batch = ns.batches[name]
    if job.jid not in batch.members:
        batch.members.add(job.jid)
        if job.jid in batch.canceled:
            batch.canceled.remove(job.jid)
            batch.numbers["canceled"] -= 1
        else:
            batch.numbers["total"] += 1
        batch.finished_at = None


def leave(ns: Namespace, job: Job, outcome: str) -> None:
    """End a member as completed, failed or canceled; a failed one may be canceled later."""
    batch = ns.batches.get(job.batch or "")
    if batch is None:
        return
    if outcome == "canceled":
        batch.canceled.add(job.jid)
    if job.jid not in batch.members:
        if outcome == "canceled":
            batch.numbers["failed"] -= 1
            batch.numbers["canceled"] += 1
        return
    batch.members.remove(job.jid)
    batch.numbers[outcome] += 1
    if outcome == "failed":
        _fire(ns, job.batch or "", "on_failure")
    _finish_if_done(ns, job.batch or "")


def rejoin(ns: Namespace, job: Job, outcome: str) -> None:
    """Reopen a member that had ended; in a finished batch only one that had failed."""
    batch = ns.batches.get(job.batch or "")
    if batch is None or (batch.finished_at is not None and outcome == "completed"):
        job.batch = None
        return
    batch.members.add(job.jid)
    batch.numbers[outcome] -= 1
    batch.finished_at = None


def close(ns: Namespace, name: str) -> None:
    batch = ns.batches.get(name)
    if batch is not None and batch.closed_at is None:
        batch.closed_at = ns.now
        _finish_if_done(ns, name)


def _finish_if_done(ns: Namespace, name: str) -> None:
    batch = ns.batches[name]
    if batch.closed_at is None or batch.finished_at is not None or batch.members:
        return
    batch.finished_at = batch.touched = ns.now
    if not batch.numbers["failed"] and not batch.numbers["canceled"]:
        _fire(ns, name, "on_success")
    _fire(ns, name, "on_complete")


def _fire(ns: Namespace, name: str, callback: str) -> None:
    """Put a call-back, once."""
    batch = ns.batches[name]
    if callback in batch.callbacks and callback not in batch.fired:
        batch.fired.add(callback)
        dependencies.enlist(ns, Release("batch", batch=name, callback=callback))


def _phase(batch: Batch) -> str:
    if batch.finished_at is None:
        return "open" if batch.closed_at is None else "running"
    return next((one for one in ("failed", "canceled") if batch.numbers[one]), "complete")


def show(ns: Namespace, name: str) -> dict[str, Any] | None:
    batch = ns.batches.get(name)
    if batch is None:
        return None
    state = "open" if batch.closed_at is None else "closed"
    shown: dict[str, Any] = {
        "name": name,
        "state": state if batch.finished_at is None else "finished",
        "phase": _phase(batch),
        "pending": len(batch.members),
        **{name: batch.numbers[name] for name in ("total", "completed", "failed", "canceled")},
        **{callback: spec["jid"] for callback, spec in batch.callbacks.items()},
        **batch.conflicts,
    }
    for field in ("owner", "opened_at", "closed_at", "finished_at"):
        if (value := getattr(batch, field)) is not None:
            shown[field] = value
    return shown
