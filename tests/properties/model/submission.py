"""A put in two halves, check and apply: everything that makes a job goes through here."""

from dataclasses import dataclass, field
from typing import Any

from tests.properties.model import batches, dependencies, queue_positions, results, unique
from tests.properties.model.state import Job, Namespace, Refused, Release

INLINE = 1024


@dataclass(slots=True)
class Plan:
    """What a put will do; `ignored` names the job that it is answered with when it does nothing.

    That job `joins` a batch instead. `replaces` the holder of a key; `eligible` is its age.
    """

    spec: dict[str, Any]
    ignored: str | None = None
    joins: str | None = None
    replaces: bool = False
    eligible: int | None = None
    parents: list[str] = field(default_factory=list)


def check(ns: Namespace, spec: dict[str, Any]) -> Plan:
    """Refuse a put that cannot be, or plan it."""
    ns.check_data(spec["data"])
    if spec["jid"] in ns.call.named or spec["jid"] == spec.get("parent"):
        raise Refused("BADARG")
    return decide(ns, spec)


def decide(ns: Namespace, spec: dict[str, Any]) -> Plan:
    plan = Plan(dict(spec))
    jid = spec["jid"]
    if jid in ns.recurring and jid not in ns.jobs:
        policy = spec.get("on_conflict")
        if policy == "raise" or (not ns.call.yields and policy != "ignore"):
            raise Refused("EXISTS")
        plan.ignored = jid
    elif _put_before(ns, spec):
        plan.ignored = jid
    else:
        _decide_conflicts(ns, plan)
    return plan


def _decide_conflicts(ns: Namespace, plan: Plan) -> None:
    spec = plan.spec
    if _jid_conflict(ns, spec):
        plan.ignored = spec["jid"]
    else:
        plan.ignored = _key_conflict(ns, plan)
    by = spec.get("parent", ns.call.completing)
    if plan.ignored is not None:
        if "batch" in spec:
            _join_instead(ns, plan, plan.ignored, by)
        return
    jid = spec["jid"]
    if "batch" in spec:
        if plan.replaces:
            _is_in(ns, jid, spec["batch"])
        batches.require_open(ns, spec["batch"], by, jid)
        ns.call.planned_batches[jid] = spec["batch"]
    _plan_keys(ns, spec)
    exists = (jid in ns.jobs or plan.replaces) and jid != ns.call.ending
    plan.parents = dependencies.unresolved(ns, jid, spec.get("depends", []), exists=exists)
    ns.call.planned.add(jid)
    if not plan.replaces:
        ns.call.named.add(jid)


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
    if policy == "raise":
        raise Refused("EXISTS")
    return True


def _holder(ns: Namespace, key: str) -> str | None:
    """Name the job that will hold a key once the earlier puts of the call are carried out."""
    if key not in ns.call.claims:
        holder = unique.holder(ns, key)
        ns.call.claims[key] = None if holder is not None and _gives_up(ns, holder, key) else holder
    return ns.call.claims[key]


def _gives_up(ns: Namespace, holder: str, key: str) -> bool:
    """Whether this call completes the holder, and with that frees its key."""
    return holder == ns.call.ending and ns.unique[key][1] is None


def _key_conflict(ns: Namespace, plan: Plan) -> str | None:
    spec = plan.spec
    if "unique" not in spec:
        return None
    key, policy = spec["unique"]["key"], spec.get("unique_conflict", "ignore")
    holder = _holder(ns, key)
    if holder is None or holder == spec["jid"]:
        return None
    is_planned = key in ns.call.claimed
    there = None if is_planned else unique.owner(ns, key)
    live = there is not None and there.state not in ("running", "complete")
    if policy == "replace" and (is_planned or live):
        plan.replaces = True
        spec["jid"] = holder
        if there is not None and there.is_waiting and there.queue == spec["queue"]:
            plan.eligible = there.age[0]
        return None
    if policy == "raise" or (policy == "replace" and not ns.call.yields):
        raise Refused("EXISTS")
    return holder


def _plan_keys(ns: Namespace, spec: dict[str, Any]) -> None:
    """Note who holds which keys once this put is carried out."""
    jid, own = spec["jid"], spec.get("unique")
    before = ns.jobs[jid].unique if jid in ns.jobs else None
    if before is not None and (own is None or own["key"] != before["key"]):
        key = before["key"]
        holder = _holder(ns, key)
        if holder == jid and own is not None:
            ns.call.claims[key] = None
        elif holder == jid or (holder is None and own is None and before["scope"] != "window"):
            ns.call.claims[key] = jid
            ns.call.claimed.add(key)
    if own is not None:
        ns.call.claims[own["key"]] = jid
        ns.call.claimed.add(own["key"])


def _is_in(ns: Namespace, jid: str, batch: str) -> bool:
    """Whether a job is in a batch, or will be by an earlier put of the call; refuse another one."""
    own = ns.jobs[jid].batch if jid in ns.jobs else None
    own = ns.call.planned_batches.get(jid, own if own in ns.batches else None)
    if own not in (None, batch):
        raise Refused("EXISTS")
    return own is not None


def _join_instead(ns: Namespace, plan: Plan, jid: str, by: str | None) -> None:
    job, batch = ns.jobs.get(jid), plan.spec["batch"]
    is_planned = "unique" in plan.spec and plan.spec["unique"]["key"] in ns.call.claimed
    is_planned = is_planned and jid != plan.spec["jid"]
    ended = job is None or job.state in ("complete", "failed")
    if (is_planned or not ended) and not _is_in(ns, jid, batch):
        batches.require_open(ns, batch, by)
        plan.joins = batch
        ns.call.planned_batches[jid] = batch


def check_many(
    ns: Namespace, specs: list[dict[str, Any]], data: tuple[str, ...], **defaults: str
) -> list[Plan]:
    """Check several puts of one call; all are checked before the first is carried out."""
    full = [defaults | spec | {"data": one} for spec, one in zip(specs, data, strict=True)]
    return [check(ns, spec) for spec in full]


def apply_many(ns: Namespace, plans: list[Plan]) -> list[list[Any]]:
    return [apply(ns, plan) for plan in plans]


def put_later(ns: Namespace, release: Release) -> None:
    """Put the callback of a batch, unless a job of its jid has not ended yet."""
    batch, call = ns.batches.get(release.batch), ns.call
    spec = batch.callbacks.get(release.callback) if batch else None
    if batch is None or spec is None:
        return
    for planned in (call.claims, call.claimed, call.planned, call.named, call.planned_batches):
        planned.clear()
    job = ns.jobs.get(spec["jid"])
    ended = job is not None and job.state in ("complete", "failed")
    plan = decide(ns, spec | {"on_conflict": "replace" if ended else "ignore"})
    apply(ns, plan)
    if plan.ignored is not None:
        batch.conflicts[f"{release.callback}_conflict"] = plan.ignored
        more = {"batch": release.batch, "callback": release.callback, "holder": plan.ignored}
        ns.log("conflict", spec["jid"], spec["queue"], **more)


def apply(ns: Namespace, plan: Plan, at: int | None = None) -> list[Any]:
    """Carry a plan out; `at` is the slot of a recurring child, which counts as its time."""
    spec, queue = plan.spec, plan.spec["queue"]
    if plan.ignored is not None:
        if plan.joins is not None:
            batches.join(ns, ns.jobs[plan.ignored], plan.joins)
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
        eligible = job.put_at if plan.eligible is None else plan.eligible
        queue_positions.to_waiting(ns, job, queue, eligible)
    _remember(ns, job, spec)
    ns.today(queue)
    if "spawned_from" not in spec:
        ns.log("put", job.jid, queue)
    ns.call.events += lost
    ns.publish_if_tracked("put", job)
    return [job.jid, True]


def encoded(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


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
    job.left, job.due, job.tries = job.retries, None, None
    job.crashes = job.stalls = 0
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
    job.context = spec.get("context", job.context) or None
    if "expires_in" in spec:
        job.expires = job.put_at + spec["expires_in"]
    elif job.expires is not None and job.expires <= ns.now:
        job.expires = None  # It belongs to an earlier put.
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
