"""Edges between jobs, and the list of what the end of a parent has set free."""

from tests.properties.model import results
from tests.properties.model.state import Edge, Job, Namespace, Refused, Release

POLICIES = ("wait", "cancel", "fail", "run")


def dependents(ns: Namespace, jid: str) -> list[tuple[str, Edge]]:
    """List who waits for a job, those that only wait in front."""
    released = {edge for release in ns.releases for _, edge in release.freed}
    found = [
        (child.jid, child.parents[jid])
        for child in ns.jobs.values()
        if jid in child.parents and child.parents[jid].open and child.parents[jid] not in released
    ]
    return sorted(found, key=lambda one: (one[1].score, one[0]))


def open_parents(job: Job) -> list[str]:
    return sorted(parent for parent, edge in job.parents.items() if edge.open)


def unresolved(ns: Namespace, jid: str, parents: list[str], *, exists: bool) -> list[str]:
    """Return the parents that the job would have to wait for; refuse a cycle."""
    if jid in parents:
        raise Refused("CYCLE")
    found = [parent for parent in parents if _is_open(ns, parent)]
    if exists and _reaches(ns, jid, set(found)):
        raise Refused("CYCLE")
    ns.call.planned_edges += [(parent, jid) for parent in found]
    return found


def _is_open(ns: Namespace, jid: str) -> bool:
    if jid == ns.call.ending:
        return False
    known = ns.jobs.get(jid)
    return jid in ns.call.planned or (known is not None and known.state != "complete")


def _reaches(ns: Namespace, jid: str, wanted: set[str]) -> bool:
    """Whether one of the wanted jobs already waits for the job, at whatever distance."""
    seen, pending = {jid}, [jid]
    while pending:
        parent = pending.pop()
        after = {child for child, _ in dependents(ns, parent)}
        after |= {child for one, child in ns.call.planned_edges if one == parent}
        if after & wanted:
            return True
        pending += after - seen
        seen |= after
    return False


def link(ns: Namespace, job: Job, wanted: list[str], unmet: list[str], policy: str) -> None:
    """Make a job wait for those of the wanted parents that are unmet.

    One that is complete is a parent, too, if it left a result and is not one already; one that has
    failed already counts as failing now.
    """
    for parent in wanted:
        if parent not in unmet and parent not in job.parents and parent in ns.results:
            job.parents[parent] = Edge(policy, open=False)
            ns.holders[parent].add(job.jid)
    for parent in unmet:
        job.parents[parent] = Edge(policy)
        failed = parent in ns.jobs and ns.jobs[parent].state == "failed"
        if failed and policy != "wait":
            enlist(ns, Release("failed", parent, late=job.jid))


def cut(ns: Namespace, job: Job, parents: list[str]) -> None:
    """Remove edges to parents, and with them the need for their results."""
    for parent in parents:
        job.parents.pop(parent, None)
        results.let_go(ns, parent, job.jid)


def unlink(ns: Namespace, job: Job) -> None:
    cut(ns, job, list(job.parents))


def enlist(ns: Namespace, release: Release) -> None:
    ns.releases.append(release)
    ns.look_at("releases", ns.now)
    ns.call.released = True


def register(ns: Namespace, parent: str, reason: str) -> None:
    """Set the dependents of a job free: all of them, or after a failure those that do not wait."""
    found = dependents(ns, parent)
    if reason == "failed":
        if any(edge.score for _, edge in found):
            enlist(ns, Release("failed", parent))
    elif found:
        release = Release(reason, parent, found)
        enlist(ns, release)
        if parent in ns.results:
            ns.holders[parent].add(release)


def finish(ns: Namespace, release: Release) -> None:
    """Remove a release from the list once it is carried out."""
    ns.releases.remove(release)
    if release.parent:
        results.let_go(ns, release.parent, release)
