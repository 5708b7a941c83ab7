"""A put in two halves, check and apply: everything that makes a job goes through here."""

from dataclasses import dataclass, field
from typing import Any

from tests.properties.model import batches, dependencies, queue_positions, results, unique
from tests.properties.model.state import Job, Namespace, Refused

INLINE = 1024


@dataclass(slots=True)
class Plan:
    """What a put will do; `ignored` names the job that it is answered with when it does nothing."""

    spec: dict[str, Any]
    ignored: str | None = None
    replaces_data_of: str | None = None
    parents: list[str] = field(default_factory=list)


def check(ns: Namespace, spec: dict[str, Any]) -> Plan:
    """Refuse a put that cannot be, or plan it."""
    ns.check_data(spec["data"])
    if spec["jid"] in ns.call.planned or spec["jid"] == spec.get("parent"):
        raise Refused("BADARG")
    return decide(ns, spec)


def decide(ns: Namespace, spec: dict[str, Any]) -> Plan:
    plan = Plan(spec)
    jid = spec["jid"]
    if jid in ns.recurring and jid not in ns.jobs:
        if not ns.call.yields and spec.get("on_conflict") != "ignore":
            raise Refused("EXISTS")
        plan.ignored = jid
        return plan
    if _put_before(ns, spec) or _jid_conflict(ns, spec):
        plan.ignored = jid
    else:
        _key_conflict(ns, plan)
    if plan.ignored is not None:
        return plan
    if "batch" in spec:
        by = spec.get("parent", ns.call.completing)
        batches.require_open(ns, spec["batch"], by, jid)
    plan.parents = dependencies.unresolved(ns, jid, spec.get("depends", []), exists=jid in ns.jobs)
    ns.call.planned.add(jid)
    return plan


def _put_before(ns: Namespace, spec: dict[str, Any]) -> bool:
    """Whether a running job has put this before; it needs its lease."""
    if "parent" not in spec:
        return False
    return spec["jid"] in ns.held(spec["parent"], spec["lease"]).followups


def _jid_conflict(ns: Namespace, spec: dict[str, Any]) -> bool:
    jid, policy = spec["jid"], spec.get("on_conflict", "replace")
    if policy == "revive":
        return jid in ns.jobs and ns.jobs[jid].state != "failed"
    if policy == "replace" or not (jid in ns.jobs or ns.tombstones.get(jid, 0) > ns.now):
        return False
    if policy == "raise" and not ns.call.yields:
        raise Refused("EXISTS")
    return True


def _key_conflict(ns: Namespace, plan: Plan) -> None:
    spec = plan.spec
    if "unique" not in spec:
        return
    key, policy = spec["unique"]["key"], spec.get("unique_conflict", "ignore")
    claimed = ns.call.claims.get(key)
    holder = unique.holder(ns, key) if claimed is None else claimed
    if holder is None or _gives_up(ns, holder, key):
        ns.call.claims[key] = spec["jid"]
        return
    if holder == spec["jid"]:
        return
    there = unique.owner(ns, key) if claimed is None else None
    if policy == "replace" and there is not None and there.state not in ("running", "complete"):
        plan.replaces_data_of = holder
    elif policy != "ignore" and not ns.call.yields:
        raise Refused("EXISTS")
    plan.ignored = holder


def _gives_up(ns: Namespace, holder: str, key: str) -> bool:
    """Whether this call completes the holder, and with that frees its key."""
    return holder == ns.call.ending and ns.unique[key][1] is None


def check_many(
    ns: Namespace, specs: list[dict[str, Any]], data: tuple[str, ...], **defaults: str
) -> list[Plan]:
    """Check several puts of one call; all are checked before the first is carried out."""
    full = [defaults | spec | {"data": one} for spec, one in zip(specs, data, strict=True)]
    return [check(ns, spec) for spec in full]


def apply_many(ns: Namespace, plans: list[Plan]) -> list[list[Any]]:
    return [apply(ns, plan) for plan in plans]


def put_later(ns: Namespace, spec: dict[str, Any]) -> None:
    """Put the call-back of a batch, unless its jid exists."""
    ns.call.claims.clear()
    ns.call.planned.clear()
    apply(ns, decide(ns, spec | {"on_conflict": "ignore"}))


def apply(ns: Namespace, plan: Plan, at: int | None = None) -> list[Any]:
    """Carry a plan out; `at` is the slot of a recurring child, which counts as its time."""
    spec, queue = plan.spec, plan.spec["queue"]
    if plan.ignored is not None:
        _replace_data(ns, plan)
        return [plan.ignored, False]
    lost = _take(ns, spec)
    job = ns.jobs[spec["jid"]]
    job.put_at = ns.now if at is None else at
    ns.note_at(job.put_at, job, "put", {"queue": queue})
    _set_options(ns, job, plan)
    job.data = encoded(spec["data"])
    delay = spec.get("delay", 0)
    due = ns.now + delay if delay else None
    if dependencies.open_parents(job):
        queue_positions.to_depends(ns, job, queue, due)
    elif due:
        queue_positions.to_scheduled(ns, job, queue, due)
    else:
        queue_positions.to_waiting(ns, job, queue, job.put_at)
    _remember(ns, job, spec)
    ns.today(queue)
    if "spawned_from" not in spec:
        ns.log("put", job.jid, queue)
    ns.call.events += lost
    ns.publish_if_tracked("put", job)
    return [job.jid, True]


def encoded(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _replace_data(ns: Namespace, plan: Plan) -> None:
    holder = ns.jobs.get(plan.replaces_data_of or "")
    if holder is not None:
        holder.data, holder.codec = encoded(plan.spec["data"]), plan.spec.get("codec")


def _take(ns: Namespace, spec: dict[str, Any]) -> list[tuple[str, Any]]:
    """Make the job, or take the one there is out of its last run.

    Returns the messages to the worker that loses it.
    """
    jid = spec["jid"]
    if jid not in ns.jobs:
        retries = spec.get("retries", 5)
        tracked = jid in ns.tracked
        ns.jobs[jid] = Job(jid, spec["klass"], retries=retries, left=retries, tracked=tracked)
        if "keep" in spec or "on_conflict" in spec:
            ns.tombstones.pop(jid, None)
        return []
    job, lost = ns.jobs[jid], list[tuple[str, Any]]()
    if job.state == "running" and job.worker != spec.get("worker"):
        before, ns.call.events = ns.call.events, []
        ns.publish_lost(job)
        lost, ns.call.events = ns.call.events, before
    ended = {"failed": "failed", "complete": "completed"}.get(job.state)
    queue_positions.leave(ns, job)
    if ended is not None:
        batches.rejoin(ns, job, ended)
    job.klass, job.retries = spec["klass"], spec.get("retries", job.retries)
    job.left, job.crashes, job.due, job.tries = job.retries, 0, None, None
    job.progress = None
    results.forget(ns, job)
    job.followups.clear()
    return lost


def _set_options(ns: Namespace, job: Job, plan: Plan) -> None:
    """Apply the options; what is not given is kept, except the codec, which is that of the data."""
    spec = plan.spec
    job.priority = spec.get("priority", job.priority)
    job.codec = spec.get("codec")
    job.keep = spec.get("keep", job.keep)
    job.soft_limit = spec.get("soft_limit", job.soft_limit)
    job.expires = job.put_at + spec["expires_in"] if "expires_in" in spec else job.expires
    job.spawned_from = spec.get("spawned_from", job.spawned_from)
    if "tags" in spec:
        set_tags(ns, job, spec["tags"])
    job.user = spec.get("user", job.user) or None
    job.throttles = spec.get("throttles", job.throttles)
    if "unique" in spec:
        if job.unique is not None and job.unique["key"] != spec["unique"]["key"]:
            unique.drop(ns, job)
        job.unique = spec["unique"]
    if "batch" in spec and spec["batch"] != job.batch:
        batches.leave(ns, job, "canceled")
        batches.join(ns, job, spec["batch"])
    if spec.get("depends"):
        dependencies.unlink(ns, job)
        policy = spec.get("on_parent_failed", "wait")
        dependencies.link(ns, job, spec["depends"], plan.parents, policy)


def set_tags(ns: Namespace, job: Job, tags: list[str]) -> None:
    """Replace the tags; those that stay keep their time."""
    for tag in set(job.tags) - set(tags):
        ns.tags[tag].pop(job.jid)
    job.tags = list(tags)
    for tag in tags:
        ns.tags[tag].setdefault(job.jid, ns.now)


def _remember(ns: Namespace, job: Job, spec: dict[str, Any]) -> None:
    if "unique" in spec:
        unique.take(ns, job)
    else:
        unique.settle(ns, job)
    if spec.get("parent") in ns.jobs and spec["parent"] != ns.call.ending:
        ns.jobs[spec["parent"]].followups.add(spec["jid"])
