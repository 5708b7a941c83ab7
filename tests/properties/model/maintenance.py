"""What any pop does for the whole namespace before it takes work, within the bounds of a call."""

from collections.abc import Callable

from tests.properties.model import completion, queue_positions, recurring
from tests.properties.model.state import DAY, Batch, Job, Namespace

ABREAST = 10
MIN_SHARE = 5


def run(ns: Namespace) -> int | None:
    """Run due maintenance; returns the time until the next (0: more is due now), if any."""
    found = sorted((at, duty) for duty, at in ns.due.items())[:ABREAST]
    due = [duty for at, duty in found if at <= ns.now]
    for duty in due:
        _perform(ns, duty, max(completion.HOUSEKEEPING // len(due), MIN_SHARE))
    return next_in(ns)


def next_in(ns: Namespace) -> int | None:
    """Return the time until the next duty, if there is any."""
    return max(min(ns.due.values()) - ns.now, 0) if ns.due else None


def _perform(ns: Namespace, duty: str, budget: int) -> None:
    kind, _, queue = duty.partition(":")
    again = KINDS[kind](ns, queue, budget)
    if again is None:
        ns.due.pop(duty, None)
    else:
        ns.due[duty] = max(again, ns.now)


def _leases(ns: Namespace, queue: str, budget: int) -> int | None:
    """First time: the owner has its grace period. Second time, or without: back to the front."""
    lapsed = [job for job in queue_positions.running(ns, queue) if (job.expires_at or 0) <= ns.now]
    grace = ns.milliseconds("grace-period")
    for job in lapsed[:budget]:
        if not job.grace:
            _stall(ns, job)
        if job.grace or grace <= 0:
            give_back(ns, job)
        else:
            job.grace, job.expires_at = True, ns.now + grace
    return min((job.expires_at or 0 for job in queue_positions.running(ns, queue)), default=None)


def _stall(ns: Namespace, job: Job) -> None:
    ns.note(job, "timed-out", {"worker": job.worker, "reason": "lost lease"})
    job.stalls += 1
    ns.today(job.queue).retries += 1
    ns.publish_if_tracked("stalled", job)
    ns.publish_lost(job)


def give_back(ns: Namespace, job: Job, cause: str = "") -> None:
    """Return a job whose worker has lost it: that costs a retry."""
    worker = job.worker or ""
    queue_positions.leave(ns, job)
    job.left -= 1
    if job.left < 0:
        completion.exhaust(ns, job, worker, cause=cause)
    else:
        queue_positions.to_front(ns, job, "waiting", 1)


def _scheduled(ns: Namespace, queue: str, budget: int) -> int | None:
    due = [job for job in queue_positions.scheduled(ns, queue) if (job.due or 0) <= ns.now]
    for job in due[:budget]:
        queue_positions.to_waiting(ns, job, queue, job.due or 0)
    return min((job.due or 0 for job in queue_positions.scheduled(ns, queue)), default=None)


def _recurring(ns: Namespace, queue: str, budget: int) -> int | None:
    for own in recurring.listed(ns, queue):
        if budget > 0 and own.place <= ns.now:
            budget -= recurring.make_children(ns, own, budget)
    slots = [own.slot for own in recurring.listed(ns, queue) if not own.paused]
    return min(slots, default=None)


def _pause(ns: Namespace, queue: str, budget: int) -> int | None:
    del budget
    until: int | None = ns.paused.get(queue, {}).get("until")
    if until is not None and until <= ns.now:
        del ns.paused[queue]
        ns.publish("log", {"event": "unpaused", "queue": queue})
        return None
    return until


def _releases(ns: Namespace, queue: str, budget: int) -> int | None:
    del queue
    completion.drain(ns, budget)
    return ns.now if ns.releases else None


def _sweep(ns: Namespace, queue: str, budget: int) -> int:
    """Delete what has been kept for its time; again at once if one kind had more than that."""
    del queue
    kept = max(ns.milliseconds("jobs-history"), DAY)
    left = completion.forget_completed(ns, budget)
    for times, age in ((ns.tombstones, 0), (ns.dead, 3_600_000)):
        old = _old(times, ns.now - age, budget)
        for name in old:
            del times[name]
        left = min(left, budget - len(old))
    left = min(left, _sweep_windows(ns, budget), _sweep_tracked(ns, ns.now - kept, budget))
    left = min(left, _sweep_batches(ns, ns.now - kept, budget))
    for name in _old(ns.workers, ns.now - ns.milliseconds("max-worker-age"), budget):
        if not queue_positions.listed_for(ns, name):
            del ns.workers[name]
            ns.info.pop(name, None)
            ns.commands.pop(name, None)
    return ns.now + (60_000 if left > 0 else 0)


def _old(times: dict[str, int], before: int, budget: int) -> list[str]:
    return [name for at, name in sorted((at, name) for name, at in times.items()) if at <= before][
        :budget
    ]


def _sweep_windows(ns: Namespace, budget: int) -> int:
    ends_at = {key: until for key, (_, until) in ns.unique.items() if until is not None}
    old = _old(ends_at, ns.now, budget)
    for key in old:
        del ns.unique[key]
    return budget - len(old)


def _sweep_tracked(ns: Namespace, before: int, budget: int) -> int:
    old = _old(ns.tracked, before, budget)
    for jid in old:
        if jid in ns.jobs:
            ns.tracked[jid] = ns.now
        else:
            del ns.tracked[jid]
    return budget - len(old)


def _sweep_batches(ns: Namespace, before: int, budget: int) -> int:
    old = _old({name: batch.touched for name, batch in ns.batches.items()}, before, budget)
    for name in old:
        if _is_over(ns, ns.batches[name]):
            del ns.batches[name]
        else:
            ns.batches[name].touched = ns.now
    return budget - len(old)


def _is_over(ns: Namespace, batch: Batch) -> bool:
    """Whether nothing can come of a batch any more."""
    if batch.members or ns.releases:
        return False
    if batch.finished_at is not None:
        return batch.numbers["failed"] <= 0
    return batch.owner is None or batch.owner not in ns.jobs


KINDS: dict[str, Callable[[Namespace, str, int], int | None]] = {
    "leases": _leases,
    "scheduled": _scheduled,
    "recurring": _recurring,
    "pause": _pause,
    "releases": _releases,
    "sweep": _sweep,
}
