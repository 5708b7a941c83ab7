"""The transitions that move no job by themselves: settings of jobs, queues, workers, batches
and recurring jobs.
"""

# ruff: noqa: PLR0913, PLR0917 - a transition has the arguments of its script

import hashlib
from typing import Any

from tests.properties.model import batches, completion, queue_positions, recurring, submission
from tests.properties.model.state import Batch, Namespace, Recurring, Refused

Options = dict[str, Any]

HOUR = 3_600_000  # Milliseconds for which a command waits for the next heartbeat.


def tag(ns: Namespace, jid: str, tags: list[str]) -> Any:
    job = ns.load(jid)
    submission.set_tags(ns, job, job.tags + [one for one in tags if one not in job.tags])
    return job.tags


def untag(ns: Namespace, jid: str, tags: list[str]) -> Any:
    job = ns.load(jid)
    submission.set_tags(ns, job, [one for one in job.tags if one not in tags])
    return job.tags


def track(ns: Namespace, jid: str) -> Any:
    job = ns.load(jid)
    ns.tracked.setdefault(jid, ns.now)
    job.tracked = True
    ns.log("track", jid, job.queue)
    ns.publish("track", jid)
    return True


def untrack(ns: Namespace, jid: str) -> Any:
    job = ns.jobs.get(jid)
    if job is None and jid not in ns.tracked:
        raise Refused("NOJOB")
    known = ns.tracked.pop(jid, None) is not None
    if job is not None:
        job.tracked = False
    ns.log("untrack", jid, job.queue if job else "")
    ns.publish("untrack", jid)
    return known


def priority(ns: Namespace, jid: str, priority: str) -> Any:
    ns.load(jid).priority = float(priority)
    return priority


def edit(ns: Namespace, jid: str, data: str, options: Options) -> Any:
    ns.check_data(data)
    job = ns.load(jid)
    if data:
        if job.state in ("running", "complete"):
            raise Refused("WRONGSTATE")
        digest = hashlib.sha1(job.data, usedforsecurity=False).hexdigest()
        if options.get("expects", digest) != digest:
            raise Refused("CHANGED")
        job.data = submission.encoded(data)
        ns.note(job, "edited")
    if "tags" in options:
        submission.set_tags(ns, job, options["tags"])
    job.priority = options.get("priority", job.priority)
    return True


def log(ns: Namespace, jid: str, lease: str, what: str, data: str) -> Any:
    ns.check_data(data)
    job = ns.held(jid, lease) if lease else ns.load(jid)
    ns.note(job, what, {"data": data} if data else None)
    return True


def progress(ns: Namespace, jid: str, lease: str, data: str) -> Any:
    ns.check_data(data)
    job = ns.held(jid, lease)
    job.progress = data
    ns.log("progress", jid, job.queue)
    return True


def pause(ns: Namespace, queues: list[str], options: Options) -> Any:
    for queue in queues:
        ns.paused[queue] = options | {"since": ns.now}
        ns.queues.setdefault(queue, ns.now)
        ns.due.pop(f"pause:{queue}", None)
        if "until" in options:
            ns.due[f"pause:{queue}"] = options["until"]
        reason = options.get("reason", "")
        ns.publish("log", {"event": "paused", "queue": queue, "reason": reason})
    return True


def unpause(ns: Namespace, queues: list[str]) -> Any:
    for queue in queues:
        if ns.paused.pop(queue, None) is not None:
            ns.due.pop(f"pause:{queue}", None)
            ns.publish("log", {"event": "unpaused", "queue": queue})
    return True


def config_set(ns: Namespace, option: str, value: str) -> Any:
    ns.config[option] = value
    ns.publish("log", {"event": "config_set", "option": option, "value": value})
    return True


def config_unset(ns: Namespace, option: str) -> Any:
    ns.config.pop(option, None)
    ns.publish("log", {"event": "config_unset", "option": option})
    return True


def throttle_set(ns: Namespace, throttle: str, limits: dict[str, Any]) -> Any:
    """Set limits that nobody ever reaches."""
    ns.publish("log", {"event": "throttle_set", "throttle": throttle})
    shown = limits | {"throttle": throttle, "set_at": ns.now, "parked": 0}
    running = [job for job in ns.jobs.values() if job.state == "running"]
    return shown | {"holding": sum(throttle in job.throttles for job in running)}


def user_set(ns: Namespace, user: str, given: dict[str, Any]) -> Any:
    ns.publish("log", {"event": "user_set", "user": user})
    return given


def worker_register(ns: Namespace, worker: str, nonce: str, info: str) -> Any:
    if nonce in ns.dead:
        raise Refused("DEADWORKER")
    ns.workers[worker], ns.info[worker] = ns.now, info
    return True


def worker_beat(ns: Namespace, worker: str, info: str) -> Any:
    ns.workers[worker] = ns.now
    if info:
        ns.info[worker] = info
    at, command = ns.commands.pop(worker, (0, ""))
    return command if ns.now - at <= HOUR else ""


def worker_command(ns: Namespace, workers: list[str], command: str) -> Any:
    known = [worker for worker in workers if worker in ns.workers]
    for worker in known:
        ns.commands[worker] = ns.now, command
        ns.publish(f"worker:{worker}", {"event": "command", "command": command})
    return len(known)


def worker_deregister(ns: Namespace, workers: list[str]) -> Any:
    known = [worker for worker in workers if ns.workers.pop(worker, None) is not None]
    for worker in workers:
        ns.info.pop(worker, None)
        ns.commands.pop(worker, None)
    return len(known)


def queue_forget(ns: Namespace, queues: list[str]) -> Any:
    for day, queue in list(ns.days):
        if queue in queues:
            del ns.days[day, queue]
    ns.fair -= {queue for queue in queues if not queue_positions.waiting(ns, queue)}
    for queue in queues:
        if not _has_jobs(ns, queue):
            _forget_settings(ns, queue)
    return len([queue for queue in queues if ns.queues.pop(queue, None) is not None])


def _has_jobs(ns: Namespace, queue: str) -> bool:
    ended = ("complete", "failed")
    lives = any(job.queue == queue and job.state not in ended for job in ns.jobs.values())
    return lives or bool(recurring.listed(ns, queue))


def _forget_settings(ns: Namespace, queue: str) -> None:
    ns.paused.pop(queue, None)
    for option in ("heartbeat", "retry-policy"):
        ns.config.pop(f"{queue}-{option}", None)
    for task in ("pause", "leases", "scheduled", "recurring"):
        ns.due.pop(f"{task}:{queue}", None)


def batch_open(ns: Namespace, batch: str, options: Options, *data: str) -> Any:
    owner = ns.held(options["owner"], options["lease"]) if "owner" in options else None
    given = {name: options[name] for name in batches.CALLBACKS if name in options}
    callbacks = {name: spec | {"data": data[spec["data"] - 1]} for name, spec in given.items()}
    ns.check_data(*(spec["data"] for spec in callbacks.values()))
    known = ns.batches.get(batch)
    if known is not None:
        if owner is None or known.owner != owner.jid:
            raise Refused("EXISTS")
        return batch
    ns.batches[batch] = Batch(ns.now, ns.now, owner.jid if owner else None, callbacks)
    if owner is not None:
        owner.owns.append(batch)
    return batch


def batch_add(ns: Namespace, batch: str, jids: list[str]) -> Any:
    batches.require_open(ns, batch)
    jobs = []
    for jid in jids:
        job = ns.load(jid)
        if job.state in ("complete", "failed") or job.batch not in (None, batch):
            raise Refused("WRONGSTATE")
        jobs.append(job)
    new = [job for job in jobs if job.batch is None]
    for job in new:
        batches.join(ns, job, batch)
    return len(new)


def recur(
    ns: Namespace,
    queue: str,
    jid: str,
    klass: str,
    data: str,
    interval: int,
    offset: int,
    options: Options,
) -> Any:
    ns.check_data(data)
    if jid in ns.jobs:
        raise Refused("EXISTS")
    before = ns.recurring.get(jid)
    count, runs = (before.count, before.runs) if before else (0, [])
    first = ns.now + offset
    own = Recurring(
        jid, klass, queue, data.encode(), interval, first, count=count, runs=runs, **options
    )
    ns.recurring[jid] = own
    recurring.set_slot(ns, own, first)
    ns.queues.setdefault(queue, ns.now)
    return jid


def recur_update(ns: Namespace, jid: str, data: str, options: Options) -> Any:
    ns.check_data(data)
    own = recurring.load(ns, jid)
    slot = own.slot
    if data:
        own.data, own.codec = data.encode(), options.get("codec")
    if "interval" in options:
        slot = max(slot + options["interval"] - own.interval, 0)
    for name in ("priority", "retries", "klass", "queue", "backlog", "interval"):
        if name in options:
            setattr(own, name, options[name])
    tags = options.get("tags", own.tags) + options.get("add_tags", [])
    own.tags = [one for one in dict.fromkeys(tags) if one not in options.get("remove_tags", [])]
    if options.get("paused") is False and own.paused and slot <= ns.now:
        slot += ((ns.now - slot) // own.interval + 1) * own.interval
    own.paused = options.get("paused", own.paused)
    recurring.set_slot(ns, own, slot)
    ns.queues.setdefault(own.queue, ns.now)
    return True


def recur_run(ns: Namespace, jid: str) -> Any:
    return recurring.spawn(ns, recurring.load(ns, jid), ns.now)


def recur_cancel(ns: Namespace, jid: str) -> Any:
    return ns.recurring.pop(jid, None) is not None


def batch_close(ns: Namespace, batch: str) -> Any:
    if batch not in ns.batches:
        raise Refused("NOBATCH")
    batches.close(ns, batch)
    completion.carry_out(ns)
    return batches.show(ns, batch)
