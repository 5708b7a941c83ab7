"""What every query shows of the model, as (script, arguments, expected reply).

Views of jobs are compared by the fields that mean something to users.
"""

import math
from collections.abc import Iterator
from typing import Any

from tests.properties.model import batches, dependencies, queue_positions, recurring, transitions
from tests.properties.model.state import DAY, DEFAULTS, Day, Job, Namespace, Recurring

ALL = 100
Expected = tuple[str, tuple[Any, ...], Any]


def everything(
    ns: Namespace, *, queues: list[str], jids: list[str], workers: list[str]
) -> Iterator[Expected]:
    """List every query worth sending, with the reply that the model expects."""
    known = sorted({*ns.jobs, *ns.recurring, *jids})
    for start in range(0, len(known), ALL):
        some = known[start : start + ALL]
        yield "read/jobs", (some,), [view(ns, jid) for jid in some]
        results = [[jid, *ns.results[jid]] for jid in some if jid in ns.results]
        yield "read/results", (some,), results
    for queue in queues:
        yield from _of_queue(ns, queue)
    yield from _of_namespace(ns)
    for worker in workers:
        yield "read/worker", (worker, 0, ALL, ALL), _worker(ns, worker)
    for group in ns.groups:
        failed = [(job.failed_at, job.jid) for job in ns.jobs.values() if job.group == group]
        yield "read/failed", (group, 0, ALL), _page([jid for _, jid in sorted(failed)[::-1]])
    for tag, jobs in ns.tags.items():
        jobs_in_order = sorted(jobs, key=lambda jid, at=jobs: (at[jid], jid))  # type: ignore[misc]
        yield "read/tagged", (tag, 0, ALL), _page(jobs_in_order)
    for batch in [*ns.batches, "none"]:
        yield "read/batch", (batch,), batches.show(ns, batch) or False


def _of_namespace(ns: Namespace) -> Iterator[Expected]:
    seen = sorted(ns.queues, key=lambda queue: (ns.queues[queue], queue))
    shown = {"total": len(seen), "queues": [counts(ns, queue) for queue in seen]}
    yield "read/queues", (0, ALL), shown
    done = [job.jid for job in queue_positions.completed(ns)[::-1]]
    yield "read/state", ("complete", "", 0, ALL), _page(done)
    yield "read/tracked", (0, ALL, ""), _tracked(ns)
    groups = sorted(((at, group) for group, at in ns.groups.items()), reverse=True)
    sizes = {group: [job.group for job in ns.jobs.values()].count(group) for group in ns.groups}
    rows = [[group, sizes[group], at] for at, group in groups]
    yield "read/groups", (0, ALL), {"total": len(rows), "groups": rows}
    uses = sorted(((len(jobs), tag) for tag, jobs in ns.tags.items() if jobs), reverse=True)
    yield "read/tags", (0, ALL, 0), [[tag, number] for number, tag in uses]
    yield "read/workers", (0, ALL), _workers(ns)
    yield "read/config", (), DEFAULTS | ns.config


def _of_queue(ns: Namespace, queue: str) -> Iterator[Expected]:
    shown = states(ns, queue)
    for state, jids in shown.items():
        yield "read/state", (state, queue, 0, ALL), _page(jids)
    yield "read/counts", (queue,), counts(ns, queue)
    if not queue_positions.sharing(ns, queue):
        yield "read/peek", (queue, 0, ALL), [view(ns, jid) for jid in peek(ns, queue)]
    length = sum(len(shown[state]) for state in ("waiting", "stalled", "running", "scheduled"))
    yield "read/length", (queue,), length
    recurring = [_recurring(ns.recurring[jid]) for jid in shown["recurring"]]
    yield "read/recurring", (queue, 0, ALL), {"total": len(recurring), "jobs": recurring}
    yield "read/stats", (queue, ""), _stats(ns.days.get((ns.now // DAY, queue), Day()))


def _page(jids: list[str]) -> dict[str, Any]:
    return {"total": len(jids), "jids": jids}


def states(ns: Namespace, queue: str) -> dict[str, list[str]]:
    """List the jobs of a queue by state; due ones count as waiting, lapsed ones as stalled."""
    # First the jobs without a user, then those of all users.
    waiting = sorted(queue_positions.waiting(ns, queue), key=lambda job: bool(job.user))
    scheduled = queue_positions.scheduled(ns, queue)
    running = queue_positions.running(ns, queue)
    depends = [job for job in ns.jobs.values() if job.state == "depends" and job.queue == queue]
    due = [job for job in scheduled if (job.due or 0) <= ns.now]
    lapsed = [job for job in running if (job.expires_at or 0) <= ns.now]
    listed = {
        "waiting": [job for job in waiting if job.front < 2] + due,
        "stalled": [job for job in waiting if job.front == 2] + lapsed,
        "running": running[len(lapsed) :],
        "scheduled": scheduled[len(due) :],
        "depends": sorted(depends, key=lambda job: (job.depends_since, job.jid)),
        "throttled": [],
    }
    jids = {state: [job.jid for job in jobs] for state, jobs in listed.items()}
    return jids | {"recurring": [own.jid for own in recurring.listed(ns, queue)]}


def counts(ns: Namespace, queue: str) -> dict[str, Any]:
    paused = transitions.is_paused(ns, queue)
    return {
        "name": queue,
        "paused": paused,
        **{state: len(jids) for state, jids in states(ns, queue).items()},
        "head_age": _head_age(ns, queue),
        **({"pause": ns.paused[queue]} if paused else {}),
    }


def _head_age(ns: Namespace, queue: str) -> int:
    """For how long the first job has been ready: of those without a user, with one, or due."""
    ready = queue_positions.waiting(ns, queue)
    heads = [next((job.place[1] for job in ready if bool(job.user) == is_shared), None)
             for is_shared in (False, True)]  # fmt: skip
    due = [job.due or 0 for job in queue_positions.scheduled(ns, queue)[:1]]
    instants = [one for one in [*heads, *due] if one is not None and one <= ns.now]
    return ns.now - min(instants) if instants else -1


def peek(ns: Namespace, queue: str) -> list[str]:
    """Order what pop would consider: lapsed leases before all that was not timed out."""
    ranked: list[tuple[tuple[float, int], int, str]] = []
    for job in queue_positions.running(ns, queue):
        if (job.expires_at or 0) <= ns.now:
            ranked.append(((-1e308, 0), len(ranked), job.jid))
    for job in queue_positions.waiting(ns, queue):
        score, eligible, _ = job.place
        ranked.append(((score, eligible), len(ranked), job.jid))
    for job in queue_positions.scheduled(ns, queue):
        if (job.due or 0) <= ns.now:
            ranked.append(((-job.priority, job.due or 0), len(ranked), job.jid))
    return [jid for _, _, jid in sorted(ranked)][:ALL]


def view(ns: Namespace, jid: str) -> dict[str, Any] | bool:
    if jid in ns.jobs:
        return _job(ns, ns.jobs[jid])
    if jid in ns.recurring:
        return _recurring(ns.recurring[jid])
    return False


SAME = ("klass", "state", "queue", "data", "priority", "retries", "put_at", "tags")
SHOWN_IF = (
    *(
        "worker",
        "lease",
        "popped_at",
        "expires_at",
        "grace",
        "handed_off",
        "tracked",
        "codec",
        "crashes",
        "stalls",
    ),
    *("group", "failed_at", "completed_at", "failure", "due", "spawned_from", "batch", "unique"),
    *("keep", "result", "progress", "owns", "user", "throttles", "soft_limit", "expires"),
    *("tries", "context"),
)
ABSENT = {"queue": "", "priority": 0, "tags": []}
"""What a stored field that is left out means."""


def _job(ns: Namespace, job: Job) -> dict[str, Any]:
    return {
        "jid": job.jid,
        **{name: getattr(job, name) for name in SAME},
        **{name: value for name in SHOWN_IF if (value := getattr(job, name)) or value == ""},
        "left": job.left,
        "history": job.history,
        "parents": sorted(job.parents),
        "dependencies": dependencies.open_parents(job),
        "dependents": [jid for jid, _ in dependencies.dependents(ns, job.jid)],
    }


def _recurring(own: Recurring) -> dict[str, Any]:
    names = ("jid", "klass", "queue", "data", "interval", "retries", "priority", "tags", "count")
    shown = {name: getattr(own, name) for name in names}
    shown |= {name: value for name in ("codec", "paused", "runs") if (value := getattr(own, name))}
    return shown | {"state": "recur", "next": own.slot, "backlog": own.backlog}


def comparable(shown: Any, limit: int) -> Any:
    """Normalize a view of a script or the model for comparison.

    An empty map and an empty list are one on the wire; a history may be longer than a limit that
    was lowered after its last entry. The model does not know what a worker reported of commands.
    """
    if isinstance(shown, dict) and "klass" in shown and "next" in shown:
        return plain({"backlog": 0, **ABSENT, **shown, "slot": None})
    if isinstance(shown, dict) and "klass" in shown:
        full = {**ABSENT, "parents": [], "left": shown["retries"], **shown}
        for name in ("parents", "dependencies"):
            full[name] = sorted(full[name])
        full["history"] = _cut(full["history"], limit)
        for name in ("order", "ahead", "generation", "apart", "spilled", "has_failure"):
            full.pop(name, None)
        full.pop("has_result", None)
        for name in ("has_progress", "followups"):
            full.pop(name, None)
        return plain(full)
    if isinstance(shown, dict):
        named = {key: value for key, value in shown.items() if key != "report"}
        return plain({key: comparable(value, limit) for key, value in named.items()})
    if isinstance(shown, list):
        return [comparable(value, limit) for value in shown]
    return plain(shown)


def _cut(history: list[Any], limit: int) -> list[Any]:
    if limit <= 0:
        return history
    return history[:1] + history[1:][max(len(history) - limit, 0) :]


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if one is not None} or []
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):  # A whole number comes as an integer on the wire.
        return int(value) if value.is_integer() else float(f"{value:.9g}")
    if isinstance(value, bytes):
        return value.decode()
    return value


def _tracked(ns: Namespace) -> dict[str, Any]:
    jids = sorted(ns.tracked, key=lambda jid: (ns.tracked[jid], jid))
    return {
        "total": len(jids),
        "jobs": [view(ns, jid) for jid in jids if jid in ns.jobs],
        "expired": [jid for jid in jids if jid not in ns.jobs],
    }


def _worker(ns: Namespace, worker: str) -> dict[str, Any]:
    jobs = queue_positions.listed_for(ns, worker)
    return {
        "jobs": [job.jid for job in jobs if (job.expires_at or 0) > ns.now],
        "stalled": [job.jid for job in jobs if (job.expires_at or 0) <= ns.now],
        "seen_at": ns.workers.get(worker),
        "info": ns.info.get(worker),
    }


def _workers(ns: Namespace) -> dict[str, Any]:
    oldest = ns.now - ns.milliseconds("max-worker-age")
    seen = sorted(((at, name) for name, at in ns.workers.items() if at > oldest), reverse=True)
    rows = []
    for at, name in seen:
        of = _worker(ns, name)
        numbers = {key: len(of[key]) for key in ("jobs", "stalled")}
        rows.append({"name": name, "seen_at": at, "info": ns.info.get(name, ""), **numbers})
    return {"total": len(rows), "workers": rows}


def _stats(day: Day) -> dict[str, Any]:
    return {
        "retries": day.retries,
        "failures": day.failures,
        "failed": day.failures - day.undone,
        "wait": _sample(day.wait),
        "run": _sample(day.run),
    }


def _sample(times: list[int]) -> dict[str, Any]:
    mean = sum(times) / len(times) if times else 0
    squares = sum((ms - mean) ** 2 for ms in times)
    std = math.sqrt(squares / (len(times) - 1)) if len(times) > 1 else 0
    return {"count": len(times), "mean": mean, "std": std, "histogram": _histogram(times)}


def _histogram(times: list[int]) -> dict[str, int]:
    """Count by qless' slots: 60 seconds, 59 minutes, 23 hours, 6 days."""
    slots: dict[str, int] = {}
    for seconds in (ms // 1000 for ms in times):
        for unit, length, below in (("s", 1, 60), ("m", 60, 60), ("h", 3600, 24), ("d", 86400, 7)):
            if seconds < length * below:
                slot = f"{unit}{seconds // length}"
                slots[slot] = slots.get(slot, 0) + 1
                break
    return slots
