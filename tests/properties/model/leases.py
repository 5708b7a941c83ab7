"""The transitions of running jobs, most of which present a lease, named and called as scripts."""

# ruff: noqa: PLR0913, PLR0917 - a transition has the arguments of its script

from typing import Any

from tests.properties.model import (
    completion,
    dependencies,
    queue_positions,
    results,
    submission,
    unique,
)
from tests.properties.model.state import Job, Namespace, Refused

Options = dict[str, Any]


def heartbeat(ns: Namespace, jid: str, lease: str, data: str) -> Any:
    job = ns.held(jid, lease)
    ns.check_data(data)
    if data:
        job.data = submission.encoded(data)
    return _renew(ns, job)


def _renew(ns: Namespace, job: Job) -> int:
    job.expires_at = max(ns.now + ns.lease_length(job.queue), job.handed_off or 0)
    job.grace = False
    ns.look_at(f"leases:{job.queue}", job.expires_at)
    ns.workers[job.worker or ""] = ns.now
    return job.expires_at


def heartbeat_many(ns: Namespace, leases: list[tuple[str, str]]) -> Any:
    answers: list[Any] = []
    for jid, lease in leases:
        try:
            answers.append(_renew(ns, ns.held(jid, lease)))
        except Refused as refusal:
            answers.append(str(refusal))
    return answers


def complete(
    ns: Namespace, jid: str, lease: str, data: str, result: str, options: Options, *more: str
) -> Any:
    job = ns.held(jid, lease)
    ns.check_data(data, result)
    onward = options.get("next")
    ns.call.planned.add(jid)
    ns.call.ending, ns.call.yields = None if onward else jid, True
    ns.call.completing = jid
    specs, datas = list(options.get("jobs", [])), list(more)
    own_at = next((at for at, spec in enumerate(specs) if spec["jid"] == jid), None)
    own_spec = None if own_at is None else specs.pop(own_at) | {"data": datas.pop(own_at)}
    # A job has one next life at most.
    if own_spec is not None and (onward or any(spec["jid"] == jid for spec in specs)):
        raise Refused("BADARG")
    plans = submission.check_many(ns, specs, tuple(datas), on_conflict="ignore")
    own = None if own_spec is None else submission.check(ns, {"on_conflict": "replace"} | own_spec)
    if onward:
        parents = dependencies.unresolved(ns, jid, onward.get("depends", []), exists=True)
        _leave_running(ns, job, data, result)
        _advance(ns, job, onward, parents)
        put_jobs = submission.apply_many(ns, plans)
    else:
        _leave_running(ns, job, data, result)
        put_jobs = submission.apply_many(ns, plans)
        again = own is not None and own.ignored is None and own.spec["jid"] == jid
        if again and own is not None and own.spec.get("batch") == job.batch:
            job.batch = None
        completion.complete(ns, job)
        if again:
            job.batch = None
    state = job.state
    if own is not None and own_at is not None:
        put_jobs.insert(own_at, submission.apply(ns, own))
    completion.after_completions(ns, 1)
    return {"state": state, "jobs": put_jobs}


def _leave_running(ns: Namespace, job: Job, data: str, result: str) -> None:
    ns.today(job.queue).run.append(ns.now - (job.popped_at or 0))
    queue_positions.leave(ns, job)
    ns.note(job, "done")
    job.data = submission.encoded(data) if data else job.data
    results.keep(ns, job, result)
    job.left, job.failure, job.tries = job.retries, None, None
    job.crashes = job.stalls = 0


def _advance(ns: Namespace, job: Job, onward: Options, parents: list[str]) -> None:
    """Continue in the next queue; dependents keep waiting."""
    before, queue, delay = job.queue, onward["queue"], onward.get("delay", 0)
    job.put_at = ns.now
    ns.note(job, "put", {"queue": queue})
    job.followups.clear()
    due = ns.now + delay if delay else None
    policy = onward.get("on_parent_failed", "wait")
    dependencies.link(ns, job, onward.get("depends", []), parents, policy)
    if parents:
        queue_positions.to_depends(ns, job, queue, due)
    else:
        queue_positions.to_ready(ns, job, queue, due)
    unique.settle(ns, job)
    ns.today(before)
    ns.today(queue)
    ns.publish_if_tracked("completed", job)
    ns.log("advanced", job.jid, before, to=queue)


def complete_many(ns: Namespace, leases: list[tuple[str, str]], *results: str) -> Any:
    ns.check_data(*results)
    answers = []
    for (jid, lease), result in zip(leases, results, strict=True):
        try:
            job = ns.held(jid, lease)
        except Refused as refusal:
            answers.append(str(refusal))
            continue
        _leave_running(ns, job, "", result)
        completion.complete(ns, job)
        answers.append("complete")
    completion.after_completions(ns, len(leases))
    return answers


def fail(ns: Namespace, jid: str, lease: str, group: str, message: str, data: str) -> Any:
    job = ns.held(jid, lease)
    ns.check_data(data)
    worker = job.worker or ""
    queue_positions.leave(ns, job)
    ns.note(job, "failed", {"worker": worker, "group": group})
    job.data = submission.encoded(data) if data else job.data
    completion.fail(ns, job, group, message, worker)
    completion.carry_out(ns)
    return jid


def retry(ns: Namespace, jid: str, lease: str, delay: int, options: Options) -> Any:
    job = ns.held(jid, lease)
    failure = {name: options[name] for name in ("group", "message") if name in options}
    holder = job.worker or ""
    worker = holder if failure else ""
    queue_positions.leave(ns, job)
    job.left -= not options.get("apart")
    job.tries = options.get("tries", job.tries)
    left = job.left
    if left < 0:
        completion.exhaust(ns, job, worker, **failure)
    else:
        if failure:
            completion.set_failure(ns, job, failure["group"], failure["message"], worker)
        ns.note(job, "retried", _retried(ns, holder, delay, failure))
        queue_positions.to_ready(ns, job, job.queue, ns.now + delay)
        ns.today(job.queue).retries += 1
        ns.log("retried", jid, job.queue)
        unique.settle(ns, job)
    completion.carry_out(ns)
    return left


def _retried(ns: Namespace, holder: str, delay: int, failure: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"worker": holder}
    if failure:
        said |= {"group": failure["group"], "error": failure["message"].splitlines()[0]}
    return said | ({"due": ns.now + delay} if delay > 0 else {})


def discard(ns: Namespace, jid: str, lease: str) -> Any:
    job = ns.held(jid, lease)
    if completion.is_waited_for(ns, job):
        raise Refused("HASDEPENDENTS")
    completion.cancel(ns, job)
    completion.carry_out(ns)
    return jid


def release(ns: Namespace, jid: str, lease: str) -> Any:
    job = ns.held(jid, lease)
    ns.note(job, "released")
    queue_positions.leave(ns, job)
    queue_positions.back_to_waiting(ns, job)
    ns.log("released", jid, job.queue)
    return job.state


def snooze(ns: Namespace, jid: str, lease: str, delay: int) -> Any:
    job = ns.held(jid, lease)
    queue_positions.leave(ns, job)
    ns.note(job, "snoozed", {"due": ns.now + delay})
    queue_positions.to_scheduled(ns, job, job.queue, ns.now + delay)
    unique.settle(ns, job)
    ns.log("snoozed", jid, job.queue)
    return ns.now + delay


def hand_off(ns: Namespace, jid: str, lease: str, worker: str, ms: int) -> Any:
    job = ns.held(jid, lease)
    job.worker, job.grace = worker, False
    job.expires_at = job.handed_off = ns.now + ms
    ns.note(job, "handed-off", {"worker": worker, "due": job.expires_at})
    ns.look_at(f"leases:{job.queue}", job.expires_at)
    ns.workers[worker] = ns.now
    return job.expires_at


def timeout(ns: Namespace, jids: list[str]) -> Any:
    jobs = []
    for jid in jids:
        jobs.append(ns.load(jid))
        if jobs[-1].state != "running":
            raise Refused("WRONGSTATE")
    for job in jobs:
        ns.note(job, "timed-out", {"worker": job.worker, "reason": "timeout"})
        ns.publish_lost(job)
        queue_positions.leave(ns, job)
        queue_positions.to_front(ns, job, "stalled", 2)
    return jids
