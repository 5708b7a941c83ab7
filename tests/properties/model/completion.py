"""How jobs end: failed, complete, canceled, forgotten; and what follows from it."""

from typing import Any

from tests.properties.model import (
    batches,
    dependencies,
    queue_positions,
    results,
    submission,
    unique,
)
from tests.properties.model.state import Edge, Job, Namespace, Release

HOUSEKEEPING = 50


def fail(ns: Namespace, job: Job, group: str, message: str, worker: str) -> None:
    """Into its failure group; the caller has taken the job out of its place."""
    _into_group(ns, job, group, message, worker)
    _log_failure(ns, job, worker)
    ns.publish_if_tracked("failed", job)


def _into_group(ns: Namespace, job: Job, group: str, message: str, worker: str) -> None:
    job.state, job.group, job.failed_at, job.due = "failed", group, ns.now, None
    job.expires = None
    set_failure(ns, job, group, message, worker)
    ns.groups[group] = ns.now
    batches.leave(ns, job, "failed")
    unique.settle(ns, job)
    dependencies.register(ns, job.jid, "failed")
    ns.today(job.queue).failures += 1


def _log_failure(ns: Namespace, job: Job, worker: str) -> None:
    text = {name: (job.failure or {})[name] for name in ("group", "message")}
    ns.log("failed", job.jid, job.queue, worker=worker, **text)


def set_failure(ns: Namespace, job: Job, group: str, message: str, worker: str) -> None:
    job.failure = {"group": group, "message": message, "when": ns.now, "worker": worker}


def exhaust(  # noqa: PLR0913, PLR0917 - what a caller may say of the failure
    ns: Namespace, job: Job, worker: str, group: str = "", message: str = "", cause: str = ""
) -> None:
    """No retry is left."""
    group = group or f"failed-retries-{job.queue}"
    ending = f": {cause}" if cause else ""
    message = message or f'Job exhausted retries in queue "{job.queue}"{ending}'
    ns.note(job, "failed", {"group": group})
    _into_group(ns, job, group, message, worker)
    ns.publish_if_tracked("failed", job)
    _log_failure(ns, job, worker)


def complete(ns: Namespace, job: Job) -> None:
    """End for good; the caller has taken the job out of its place."""
    queue = job.queue
    job.state, job.queue, job.completed_at, job.due = "complete", "", ns.now, None
    job.expires = None
    job.failure, job.left, job.tries = None, job.retries, None
    job.crashes = job.stalls = 0
    _settle(ns, job, "completed")
    unique.settle(ns, job)
    dependencies.register(ns, job.jid, "complete")
    ns.today(queue)
    ns.publish_if_tracked("completed", job)
    more: dict[str, Any] = {"result": True} if job.result is not None else {}
    ns.log("completed", job.jid, queue, **more)


def cancel(ns: Namespace, job: Job) -> None:
    """Delete a job, wherever it is."""
    ns.log("canceled", job.jid, job.queue, worker=job.worker or "")
    if job.state == "running":
        ns.publish_lost(job, "canceled")
    queue_positions.leave(ns, job)
    unique.drop(ns, job)
    held = bool(ns.holders[job.jid])
    _settle(ns, job, "canceled")
    dependencies.register(ns, job.jid, "canceled")
    _erase(ns, job)
    if job.result is not None and not held:
        ns.results.pop(job.jid, None)
    ns.publish_if_tracked("canceled", job)


def _settle(ns: Namespace, job: Job, outcome: str) -> None:
    batches.leave(ns, job, outcome)
    job.followups.clear()
    dependencies.unlink(ns, job)
    if job.keep is not None:
        ns.tombstones[job.jid] = ns.now + job.keep
    for name in job.owns:
        batches.close(ns, name)
    job.owns.clear()


def _erase(ns: Namespace, job: Job) -> None:
    del ns.jobs[job.jid]
    for tag in job.tags:
        ns.tags[tag].pop(job.jid)


def forget_completed(ns: Namespace, budget: int) -> int:
    """Delete completed jobs that are too old or too many; returns what is left of the budget."""
    found = queue_positions.completed(ns)
    excess = len(found) - int(ns.option("jobs-history-count"))
    before = ns.now - ns.milliseconds("jobs-history")
    for number, job in enumerate(found[:budget]):
        if job.completed_at is not None and job.completed_at > before and number >= excess:
            return budget - number
        ns.tracked.pop(job.jid, None)
        results.forget(ns, job)
        _erase(ns, job)
    return budget - min(budget, len(found))


def after_completions(ns: Namespace, number: int) -> None:
    """Release dependents, and delete a few more jobs than have just completed."""
    carry_out(ns)
    forget_completed(ns, number + 3)


def carry_out(ns: Namespace) -> None:
    """Carry out what this call has set free, within the bounds of one call."""
    if ns.call.released:
        drain(ns, HOUSEKEEPING)


def drain(ns: Namespace, budget: int) -> int:
    while budget > 0:
        if not ns.releases:
            ns.due.pop("releases", None)
            return budget
        release = ns.releases[0]
        if release.reason == "batch":
            submission.put_later(ns, release)
            dependencies.finish(ns, release)
            budget -= 1
        elif release.late is not None:
            _apply_late(ns, release, release.late)
            dependencies.finish(ns, release)
            budget -= 1
        elif release.reason == "failed":
            budget -= _drain_failed(ns, release, budget)
        else:
            budget -= _drain_freed(ns, release, budget)
    return budget


def _drain_freed(ns: Namespace, release: Release, budget: int) -> int:
    """Go through those that waited for a job that has completed or was canceled."""
    some = release.freed[:budget]
    for jid, edge in some:
        release.freed.remove((jid, edge))
        child = ns.jobs.get(jid)
        if child is not None and child.parents.get(release.parent) is edge:
            _let_go(ns, child, release, edge)
    if not release.freed:
        dependencies.finish(ns, release)
    return len(some) + 1


def _drain_failed(ns: Namespace, release: Release, budget: int) -> int:
    """Go through those that do not wait for a failed job, until none of them is left waiting."""
    parent = ns.jobs.get(release.parent)
    found = (
        dependencies.dependents(ns, release.parent) if parent and parent.state == "failed" else []
    )
    impatient = [(jid, edge) for jid, edge in found if edge.score]
    applied = [_apply(ns, ns.jobs[jid], release, edge) for jid, edge in impatient[:budget]]
    if not any(applied):
        dependencies.finish(ns, release)
    return len(applied) + 1


def _apply_late(ns: Namespace, release: Release, jid: str) -> None:
    """Treat the one dependent that came when its parent had failed already."""
    parent = ns.jobs.get(release.parent)
    edge = dict(dependencies.dependents(ns, release.parent)).get(jid)
    if parent is not None and parent.state == "failed" and edge is not None and edge.score:
        _apply(ns, ns.jobs[jid], release, edge)


def _let_go(ns: Namespace, child: Job, release: Release, edge: Edge) -> None:
    if release.reason == "complete":
        if release in ns.holders[release.parent]:
            ns.holders[release.parent].add(child.jid)
        _resolve(ns, child, edge)
    elif not _apply(ns, child, release, edge):
        _resolve(ns, child, edge)


def _apply(ns: Namespace, child: Job, release: Release, edge: Edge) -> bool:
    """Apply the policy of an edge; returns whether there was anything to do."""
    if edge.policy == "run":
        _resolve(ns, child, edge)
    elif child.state != "depends":
        return False
    elif edge.policy == "cancel" and not is_waited_for(ns, child):
        cancel(ns, child)
    else:
        _fail_with(ns, child, release, edge)
    return True


def is_waited_for(ns: Namespace, job: Job) -> bool:
    return any(edge.score == 0 for _, edge in dependencies.dependents(ns, job.jid))


def _resolve(ns: Namespace, child: Job, edge: Edge) -> None:
    edge.open = False
    if child.state == "depends" and not dependencies.open_parents(child):
        queue_positions.leave(ns, child)
        queue_positions.to_ready(ns, child, child.queue, child.due)


def _fail_with(ns: Namespace, child: Job, release: Release, edge: Edge) -> None:
    """Fail with the parent; a failed one can be waited for again, a canceled one is gone."""
    if release.reason == "canceled":
        edge.open = False
    queue_positions.leave(ns, child)
    group = f"parent-{release.reason}"
    ns.note(child, "failed", {"group": group})
    fail(ns, child, group, f"Parent {release.parent} was {release.reason}", "")
