"""Unique keys: held while the holder is in their scope, or for a window of time."""

from typing import Any

from tests.properties.model.state import Job, Namespace

QUEUED = ("waiting", "stalled", "scheduled", "depends")


def in_scope(job: Job, scope: str) -> bool:
    return job.state in QUEUED or (scope == "running" and job.state == "running")


def holder(ns: Namespace, key: str) -> str | None:
    """Name the job that holds the key; of a window's holder only the jid may be left."""
    jid, until = ns.unique.get(key, ("", None))
    if until is not None:
        return jid if until > ns.now else None
    job = ns.jobs.get(jid)
    own = job.unique if job else None
    held = job and own and own["key"] == key and in_scope(job, own["scope"])
    return jid if held else None


def owner(ns: Namespace, key: str) -> Job | None:
    """Return the job that the key's holder still is, if it names that key."""
    job = ns.jobs.get(ns.unique[key][0])
    return job if job and job.unique and job.unique["key"] == key else None


def take(ns: Namespace, job: Job) -> None:
    if job.unique is not None:
        until = ns.now + job.unique["window"] if job.unique["scope"] == "window" else None
        ns.unique[job.unique["key"]] = (job.jid, until)


def drop(ns: Namespace, job: Job) -> None:
    """Return the key back when the job still has it."""
    key = (job.unique or {}).get("key", "")
    if ns.unique.get(key, ("", None))[0] == job.jid:
        ns.unique.pop(key)


def settle(ns: Namespace, job: Job) -> None:
    """Release a key that the new state does not cover, or take back a free one."""
    own: dict[str, Any] | None = job.unique
    if own is None or own["scope"] == "window":
        return
    if not in_scope(job, own["scope"]):
        drop(ns, job)
    elif holder(ns, own["key"]) is None:
        take(ns, job)
