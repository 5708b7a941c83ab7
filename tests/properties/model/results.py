"""Results: kept for as long as their job shows them, or a dependent that was let go needs them."""

from tests.properties.model.state import Job, Namespace


def keep(ns: Namespace, job: Job, result: str) -> None:
    """Store a result under the codec of its job; "" is none and leaves an earlier one."""
    if result:
        job.result = result
        ns.results[job.jid] = (job.codec or "json", result)


def forget(ns: Namespace, job: Job) -> None:
    """Hide the result of a job; dependents that need it keep it."""
    if job.result is not None and not ns.holders[job.jid]:
        ns.results.pop(job.jid, None)
    job.result = None


def let_go(ns: Namespace, parent: str, holder: object) -> None:
    """Note that a holder needs a result no more; nobody else may need it either."""
    ns.holders[parent].discard(holder)
    job = ns.jobs.get(parent)
    if not ns.holders[parent] and (job is None or job.result is None):
        ns.results.pop(parent, None)
