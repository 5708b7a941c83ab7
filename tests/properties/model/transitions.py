"""Every transition that moves jobs, named and called as its script, on the model.

Each takes the arguments of the script and returns what the script replies, or raises Refused. The
names are those of lua/*.lua; the rest of them is in owning.py and settings.py.
"""

# ruff: noqa: PLR0913, PLR0917 - a transition has the arguments of its script

from collections.abc import Sequence
from typing import Any

from tests.properties.model import (
    batches,
    completion,
    dependencies,
    maintenance,
    queue_positions,
    results,
    submission,
    unique,
)
from tests.properties.model.state import Job, Namespace, Refused

Options = dict[str, Any]


def put(ns: Namespace, queue: str, jid: str, klass: str, data: str, options: Options) -> Any:
    spec = options | {"queue": queue, "jid": jid, "klass": klass, "data": data}
    return submission.apply(ns, submission.check(ns, spec))


def put_many(ns: Namespace, queue: str, jobs: list[Options], *data: str) -> Any:
    return submission.apply_many(ns, submission.check_many(ns, jobs, data, queue=queue))


def requeue(ns: Namespace, queue: str, jid: str, klass: str, data: str, options: Options) -> Any:
    if "on_conflict" in options:
        raise Refused("BADARG")
    job = ns.load(jid)
    spec = options | {"queue": queue, "jid": jid, "klass": klass or job.klass, "data": data}
    spec["on_conflict"] = "replace"
    if not data:
        spec |= {"data": job.data, "codec": job.codec}
    return [submission.apply(ns, submission.check(ns, spec))[0], False]


def pop(ns: Namespace, queues: Sequence[str], worker: str, count: int, options: Options) -> Any:
    if options.get("nonce") in ns.dead:
        raise Refused("DEADWORKER")
    ns.workers[worker] = ns.now
    due = maintenance.run(ns)
    jobs: list[str] = []
    is_any_late = False
    for queue in queues:
        if len(jobs) < count and not is_paused(ns, queue):
            for job in _looked_at(ns, queue, count - len(jobs)):
                if _is_late(ns, job):
                    _expire(ns, job)
                    is_any_late = True
                else:
                    _hand_out(ns, job, worker)
                    jobs.append(job.jid)
    # Where users take turns, the time is computed after the pop, with the new leases.
    after = maintenance.next_in(ns)
    due = after if jobs and due and after == ns.told_next else due
    if is_any_late:
        completion.carry_out(ns)
        due = 0
    return {"jobs": jobs, "next": due, "more": due == 0}


def _looked_at(ns: Namespace, queue: str, count: int) -> list[Job]:
    """Return the jobs that a pop comes across, late ones among them.

    In plain order those are in front, as many as are wanted. Where jobs are chosen, late ones are
    left out and returned first.
    """
    ready = queue_positions.waiting(ns, queue)
    if queue not in ns.fair:
        return ready[:count]
    there = {job.jid: job for job in ready}
    late = [there[jid] for jid in ns.late if jid in there]
    came = [there[jid] for jid in ns.taken if jid in there][:count]
    if queue_positions.sharing(ns, queue) and _may_come(ns, ready, late, came, count):
        return [*late, *came]
    late, came = [], []
    for job in ready:
        if len(came) < count:
            (late if _is_late(ns, job) else came).append(job)
    return [*late, *came]


def _may_come(
    ns: Namespace, ready: list[Job], late: list[Job], came: list[Job], count: int
) -> bool:
    """Return whether users may have had their turns like that: each of them in order."""
    for user in {job.user for job in [*late, *came]}:
        number = sum(1 for job in [*late, *came] if job.user == user)
        line = [job for job in ready if job.user == user][:number]
        if [job for job in late if job.user == user] != [job for job in line if _is_late(ns, job)]:
            return False
        if [job for job in came if job.user == user] != [
            job for job in line if not _is_late(ns, job)
        ]:
            return False
        if len(came) == count and came[-1].user == user and line[-1] is not came[-1]:
            return False
    return len(came) == count or len(late) + len(came) == len(ready)


def _is_late(ns: Namespace, job: Job) -> bool:
    return job.expires is not None and job.expires <= ns.now


def _expire(ns: Namespace, job: Job) -> None:
    """Fail a job whose turn comes after its expiry; put again, it does not expire."""
    ns.note(job, "failed", {"group": "expired"})
    text = f'Job was not handed out in queue "{job.queue}" before its time was over'
    completion.fail(ns, job, "expired", text, "")


def is_paused(ns: Namespace, queue: str) -> bool:
    pause = ns.paused.get(queue)
    return pause is not None and not pause.get("until", ns.now + 1) <= ns.now


def _hand_out(ns: Namespace, job: Job, worker: str) -> None:
    ns.note(job, "popped", {"worker": worker})
    ns.today(job.queue).wait.append(max(ns.now - job.age[0], 0))
    job.state, job.worker, job.popped_at = "running", worker, ns.now
    job.lease = ns.leases.get(job.jid)
    job.expires_at = ns.now + ns.lease_length(job.queue)
    ns.look_at(f"leases:{job.queue}", job.expires_at)
    unique.settle(ns, job)
    ns.publish_if_tracked("popped", job)


def tick(ns: Namespace) -> Any:
    due = maintenance.run(ns)
    return {"next": due, "more": due == 0}


def force_finish(ns: Namespace, jid: str, result: str) -> Any:
    ns.check_data(result)
    job = ns.load(jid)
    if job.state == "complete":
        raise Refused("FINISHED")
    if job.state == "running":
        ns.publish_lost(job)
    had_failed = job.state == "failed"
    queue_positions.leave(ns, job)
    if had_failed:
        batches.rejoin(ns, job, "failed")
    ns.note(job, "force-finished")
    results.keep(ns, job, result)
    completion.complete(ns, job)
    completion.after_completions(ns, 1)
    return "complete"


def cancel(ns: Namespace, jids: list[str], _how: object) -> Any:
    found = [ns.jobs[jid] for jid in jids if jid in ns.jobs and ns.jobs[jid].state != "complete"]
    for job in found:
        waiting = {jid for jid, edge in dependencies.dependents(ns, job.jid) if edge.score == 0}
        if waiting - set(jids):
            raise Refused("HASDEPENDENTS")
    for job in found:
        completion.cancel(ns, job)
    completion.carry_out(ns)
    return [job.jid for job in found]


def unfail(ns: Namespace, queue: str, group: str, count: int) -> Any:
    failed = [job for job in ns.jobs.values() if job.group == group]
    oldest = sorted(failed, key=lambda job: (job.failed_at, job.jid))[:count]
    for job in oldest:
        queue_positions.leave(ns, job)
        batches.rejoin(ns, job, "failed")
        job.put_at, job.left, job.tries = ns.now, job.retries, None
        job.crashes = job.stalls = 0
        ns.note(job, "put", {"queue": queue})
        if dependencies.open_parents(job):
            queue_positions.to_depends(ns, job, queue, None)
        else:
            queue_positions.to_waiting(ns, job, queue, ns.now)
        unique.settle(ns, job)
        ns.today(queue)
        ns.log("put", job.jid, queue)
        ns.publish_if_tracked("put", job)
    return len(oldest)


def depends_on(ns: Namespace, jid: str, parents: list[str], options: Options) -> Any:
    job = _depending(ns, jid)
    found = dependencies.unresolved(ns, jid, parents, exists=True)
    dependencies.link(ns, job, parents, found, options.get("on_parent_failed", "wait"))
    return len(dependencies.open_parents(job))


def depends_off(ns: Namespace, jid: str, parents: list[str]) -> Any:
    job = _depending(ns, jid)
    dependencies.cut(ns, job, parents or list(job.parents))
    left = len(dependencies.open_parents(job))
    if not left:
        queue_positions.leave(ns, job)
        queue_positions.to_ready(ns, job, job.queue, job.due)
    return left


def _depending(ns: Namespace, jid: str) -> Job:
    job = ns.load(jid)
    if job.state != "depends":
        raise Refused("WRONGSTATE")
    return job


def job_died(ns: Namespace, jid: str, lease: str, cause: str) -> Any:
    job = ns.held(jid, lease)
    ns.publish_lost(job)
    _charge(ns, job, cause)
    completion.carry_out(ns)
    return job.state


def worker_died(
    ns: Namespace, worker: str, nonce: str, started: str, cause: str, *more: str
) -> Any:
    ns.dead[nonce] = ns.now
    report: dict[str, Any] = {"charged": [], "returned": [], "failed": [], "more": False}
    for job in _of_process(ns, worker, nonce, [started, *more]):
        ns.publish_lost(job)
        if not started or job.jid in (started, *more):
            _charge(ns, job, cause)
            report["failed" if job.state == "failed" else "charged"].append(job.jid)
        else:
            ns.note(job, "released")
            queue_positions.leave(ns, job)
            queue_positions.back_to_waiting(ns, job)
            report["returned"].append(job.jid)
    completion.carry_out(ns)
    return report


def _of_process(ns: Namespace, worker: str, nonce: str, started: list[str]) -> list[Job]:
    """List what a process held: the jobs that had started also in their grace periods."""
    listed = [job for job in queue_positions.listed_for(ns, worker) if job.jid not in started]
    had_started = [ns.jobs[jid] for jid in started if jid in ns.jobs]
    return [
        job
        for job in (*listed, *had_started)
        if job.worker == worker and (job.lease or "").partition(".")[2] == nonce
    ]


def _charge(ns: Namespace, job: Job, cause: str) -> None:
    """Charge the job for the death: a retry, and after too many deaths it fails."""
    worker = job.worker or ""
    job.crashes += 1
    ns.note(job, "crashed", {"worker": worker, "cause": cause})
    if not job.grace:
        ns.today(job.queue).retries += 1
    if job.crashes < ns.option("max-crashes"):
        maintenance.give_back(ns, job, f"the worker died while it ran this job: {cause}")
        return
    queue_positions.leave(ns, job)
    ns.note(job, "failed", {"group": "poison-pill", "worker": worker})
    message = f"The worker died {job.crashes} times while it ran this job: {cause}"
    completion.fail(ns, job, "poison-pill", message, worker)
