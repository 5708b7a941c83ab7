"""Where a job is: into a place, and out of any; each job is in exactly one."""

from tests.properties.model import unique
from tests.properties.model.state import DAY, Job, Namespace


def to_waiting(ns: Namespace, job: Job, queue: str, eligible: int) -> None:
    """Enqueue the job by priority, then by when it became eligible."""
    job.state, job.queue, job.front, job.due = "waiting", queue, 0, None
    job.age = (eligible, ns.arrive())
    _mark(ns, job)


def back_to_waiting(ns: Namespace, job: Job) -> None:
    """Enqueue the job as if it had never been popped."""
    job.state = "stalled" if job.front == 2 else "waiting"
    _mark(ns, job)
    unique.settle(ns, job)


def to_front(ns: Namespace, job: Job, state: str, front: int) -> None:
    job.state, job.front = state, front
    job.age = (ns.now, ns.arrive())
    _mark(ns, job)
    unique.settle(ns, job)


def _mark(ns: Namespace, job: Job) -> None:
    """Choose jobs one by one in a queue that has had a user or a throttle."""
    if job.user or job.throttles:
        ns.fair.add(job.queue)


def to_scheduled(ns: Namespace, job: Job, queue: str, due: int) -> None:
    job.state, job.queue, job.due = "scheduled", queue, due
    ns.look_at(f"scheduled:{queue}", due)


def to_ready(ns: Namespace, job: Job, queue: str, due: int | None) -> None:
    """Enqueue the job, or schedule it if it is due later."""
    if due is not None and due > ns.now:
        to_scheduled(ns, job, queue, due)
    else:
        to_waiting(ns, job, queue, ns.now)


def to_depends(ns: Namespace, job: Job, queue: str, due: int | None) -> None:
    job.state, job.queue, job.due, job.depends_since = "depends", queue, due, ns.now


def leave(ns: Namespace, job: Job) -> None:
    """Remove a job from wherever it is."""
    if job.state == "running":
        job.worker = job.lease = job.popped_at = job.expires_at = None
        job.grace, job.handed_off = False, None
    elif job.state == "failed":
        _leave_group(ns, job)
    job.completed_at = None
    if job.state == "scheduled":
        job.due = None
    job.state = ""


def _leave_group(ns: Namespace, job: Job) -> None:
    """Undo the count of one failure, on the day on which it happened."""
    group, failed_at = job.group, job.failed_at
    job.group = job.failed_at = None
    if group is not None and all(other.group != group for other in ns.jobs.values()):
        ns.groups.pop(group)
    ns.today(job.queue)
    if failed_at is not None:
        ns.days[failed_at // DAY, job.queue].undone += 1


def running(ns: Namespace, queue: str) -> list[Job]:
    """List the running jobs of a queue, the one whose lease ends first in front."""
    found = [job for job in ns.jobs.values() if job.state == "running" and job.queue == queue]
    return sorted(found, key=lambda job: (job.expires_at, job.jid))


def listed_for(ns: Namespace, worker: str) -> list[Job]:
    """List what a worker holds; a job in its grace period is off that list."""
    found = [job for job in ns.jobs.values() if job.worker == worker and not job.grace]
    return sorted(found, key=lambda job: (job.expires_at, job.jid))


def waiting(ns: Namespace, queue: str) -> list[Job]:
    found = [job for job in ns.jobs.values() if job.is_waiting and job.queue == queue]
    return sorted(found, key=lambda job: job.place)


def sharing(ns: Namespace, queue: str) -> bool:
    """Whether jobs of users are ready in a queue, so that these take turns."""
    return any(job.user for job in waiting(ns, queue))


def scheduled(ns: Namespace, queue: str) -> list[Job]:
    found = [job for job in ns.jobs.values() if job.state == "scheduled" and job.queue == queue]
    return sorted(found, key=lambda job: (job.due, job.jid))


def completed(ns: Namespace) -> list[Job]:
    """List completed jobs, oldest first."""
    found = [job for job in ns.jobs.values() if job.state == "complete"]
    return sorted(found, key=lambda job: (job.completed_at, job.jid))
