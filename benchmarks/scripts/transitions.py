"""Cases for all transitions: for one job, or for a page of 100 where the script accepts many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from benchmarks.namespace import DATA, KLASS, PAGE, batched
from benchmarks.scripts.keyspace import GROUP, PARENT, Keyspace, dependent, every_minute
from benchmarks.scripts.timing import (
    Calls,
    Case,
    Prepare,
    of_held,
    of_new,
    of_page_held,
    of_page_waiting,
    of_waiting,
    repeated,
)
from qless_py.protocol import (
    Call,
    batches,
    config,
    jobs,
    namespace,
    puts,
    queues,
    recurring,
    workers,
)
from qless_py.protocol.call import pack, unpack

_QUEUES: Final = [f"q{number}" for number in range(PAGE)]
_HUB: Final = "hub"


def _fields(jid: str) -> dict[str, str]:
    return {"jid": jid, "klass": KLASS}


def _put_with_most_options(jid: str) -> Call[Any]:
    options = {
        "priority": 5,
        "tags": ["mail", "nightly", jid],
        "on_conflict": "ignore",
        "unique": {"key": jid, "scope": "running"},
        "keep": 60_000,
        "delay": 1000,
    }
    return puts.put_encoded("mail", jid, KLASS, DATA, options)


def _put_many(keyspace: Keyspace, count: int) -> Calls:
    pages = batched(keyspace.new(count * PAGE))
    return [
        puts.put_many_encoded("mail", [_fields(jid) for jid in page], [DATA] * PAGE)
        for page in pages
    ]


def _complete_putting_jobs(keyspace: Keyspace, count: int) -> Calls:
    pages = batched(keyspace.new(count * PAGE))
    return [
        jobs.complete_encoded(
            *lease,
            jobs=[{**_fields(jid), "queue": "mail"} for jid in page],
            jobs_data=[DATA] * PAGE,
        )
        for lease, page in zip(keyspace.held(count), pages, strict=True)
    ]


def _complete_parent(keyspace: Keyspace, _: int) -> Calls:
    # The parent is at the head of its queue, because it was put before its dependents.
    (parent,) = keyspace.run(queues.pop_records(["dependents"], "holder", 1)).jobs
    if parent.jid != PARENT:
        raise RuntimeError(f"popped {parent.jid} instead of {PARENT}")
    return [jobs.complete_encoded(PARENT, parent.fields["lease"])]


def _complete_many_trimming(keyspace: Keyspace, count: int) -> Calls:
    keyspace.run(config.set_option("jobs-history-count", "0"))
    return _complete_many(keyspace, count)


_complete_many = of_page_held(lambda held: jobs.complete_many(held, [b"ok"] * PAGE))


def _unfail(_: Keyspace, count: int) -> Calls:
    return [jobs.unfail("broken", GROUP, PAGE)] * count


def _depends_on(keyspace: Keyspace, count: int) -> Calls:
    """Add edges to a job with 900 dependents: each new edge visits all of them."""
    keyspace.run(puts.put_encoded("dependents", _HUB, KLASS, DATA, {"depends": [PARENT]}))
    keyspace.put_new("dependents", 900, lambda _: {"depends": [_HUB]})
    return [jobs.depend(_HUB, [jid]) for jid in keyspace.waiting(min(count, 900))]


def _depends_off(_: Keyspace, count: int) -> Calls:
    return [jobs.undepend(dependent(number), [PARENT]) for number in range(count)]


def _untag(keyspace: Keyspace, count: int) -> Calls:
    found = keyspace.waiting(count)
    keyspace.send([jobs.tag(jid, ["nightly", "spare"]) for jid in found])
    return [jobs.untag(jid, ["nightly"]) for jid in found]


def _untrack(keyspace: Keyspace, count: int) -> Calls:
    found = keyspace.waiting(count)
    keyspace.send([jobs.track(jid) for jid in found])
    return [jobs.untrack(jid) for jid in found]


def _of_recurring(make: Callable[[str], Call[Any]]) -> Prepare:
    def calls(keyspace: Keyspace, count: int) -> Calls:
        found = keyspace.new(count)
        keyspace.send([every_minute(jid) for jid in found])
        return [make(jid) for jid in found]

    return calls


def _open_batch(name: str) -> Call[Any]:
    callback = {**_fields(f"{name}-done"), "queue": "mail", "data": 1}
    return batches.open_encoded(name, {"on_complete": callback}, [DATA])


def _add_to_batch(keyspace: Keyspace, count: int) -> Calls:
    keyspace.run(_open_batch("large"))
    return [batches.add("large", page) for page in batched(keyspace.waiting(count * PAGE))]


def _close_batch(keyspace: Keyspace, count: int) -> Calls:
    found = keyspace.new(count)
    keyspace.send([_open_batch(name) for name in found])
    return [batches.close(name) for name in found]


def _deregister(keyspace: Keyspace, count: int) -> Calls:
    found = list(batched(keyspace.new(count * PAGE)))
    keyspace.send([workers.beat(name) for page in found for name in page])
    return [workers.deregister(page) for page in found]


def _worker_died(keyspace: Keyspace, count: int) -> Calls:
    found = keyspace.new(count)
    for name in found:
        keyspace.held(PAGE, worker=name, nonce=name)
    return [workers.died(name, name, "", "killed by signal 9") for name in found]


def _forget(keyspace: Keyspace, count: int) -> Calls:
    found = keyspace.new(count)
    keyspace.send([puts.put_encoded(name, name, KLASS, DATA, {}) for name in found])
    return [queues.forget([name]) for name in found]


def _pop_by_pattern(keyspace: Keyspace, count: int) -> Calls:
    """Pop from a thousand queues with a job each."""
    keyspace.put("mail", [{"jid": jid, "queue": f"tenant-{jid}"} for jid in keyspace.new(1000)])
    return [queues.pop_records(["tenant-*"], "popper", 1, "n", {"order": "round-robin"})] * count


_LATER: Final = 4_000_000_000_000  # Milliseconds; after the end of every measurement.


def _by_cron(jid: str, group: str | None = None) -> Call[Any]:
    ticks = [_LATER + 60_000 * number for number in range(128)]
    options = {"cron": "* * * * *", "zone": "UTC", "after": _LATER - 60_000, "ticks": ticks}
    if group is not None:
        options["group"] = group
    return recurring.recur_encoded("mail", jid, KLASS, DATA, interval=0, offset=0, options=options)


def _refill(keyspace: Keyspace, count: int) -> Calls:
    found = keyspace.new(count)
    keyspace.send([_by_cron(jid) for jid in found])
    after = _LATER + 60_000 * 127
    ticks = [after + 60_000 * number for number in range(1, 129)]
    calls = []
    for jid in found:
        record = keyspace.run(jobs.read(jid))
        if record is None:
            raise RuntimeError(f"recurring job {jid} is missing")
        calls.append(recurring.refill(jid, record.fields["generation"], after, ticks, final=False))
    return calls


def _sync(keyspace: Keyspace, count: int) -> Calls:
    groups = keyspace.new(count)
    for group in groups:
        keyspace.send([_by_cron(f"{group}-{number}", group) for number in range(20)])
    return [recurring.sync(group, []) for group in groups]


CASES: Final = (
    Case("put", "put", of_new(lambda jid: puts.put_encoded("mail", jid, KLASS, DATA, {}))),
    Case("put", "put, most options", of_new(_put_with_most_options)),
    Case(
        "put",
        "put, replacing",
        of_waiting(lambda jid: puts.put_encoded("mail", jid, KLASS, DATA, {})),
    ),
    Case("put_many", "put_many of 100", _put_many, large=True),
    Case(
        "requeue",
        "requeue",
        of_waiting(lambda jid: puts.requeue_encoded("moved", jid, "", b"", {})),
    ),
    Case("pop", "pop of 1", repeated(lambda _: queues.pop_records(["mail"], "popper", 1, "n"))),
    Case(
        "pop",
        "pop of 1, 100 queues",
        repeated(lambda _: queues.pop_records(_QUEUES, "popper", 1, "n")),
    ),
    Case(
        "pop",
        "pop of 100",
        repeated(lambda _: queues.pop_records(["mail"], "popper", 100)),
        large=True,
    ),
    Case("pop", "pop of 1, by pattern, 1,000 queues with jobs", _pop_by_pattern, large=True),
    Case("tick", "tick", repeated(lambda _: queues.tick())),
    Case(
        "heartbeat",
        "heartbeat",
        of_held(lambda jid, lease: Call("heartbeat", (jid, lease, b""), unpack)),
    ),
    Case("heartbeat_many", "heartbeat_many of 100", of_page_held(jobs.heartbeat_many), large=True),
    Case("complete", "complete", of_held(jobs.complete_encoded)),
    Case(
        "complete",
        "complete, next queue",
        of_held(lambda jid, lease: jobs.complete_encoded(jid, lease, advance={"queue": "next"})),
    ),
    Case("complete", "complete, 100 new jobs", _complete_putting_jobs, large=True),
    Case("complete_many", "complete_many of 100", _complete_many, large=True),
    Case("complete_many", "complete_many, deleting 103 jobs", _complete_many_trimming, large=True),
    Case(
        "fail", "fail", of_held(lambda jid, lease: jobs.fail_encoded(jid, lease, GROUP, "message"))
    ),
    Case("retry", "retry", of_held(lambda jid, lease: jobs.retry_encoded(jid, lease, 1000))),
    Case("release", "release", of_held(jobs.release_lease)),
    Case("discard", "discard", of_held(lambda jid, lease: Call("discard", (jid, lease), unpack))),
    Case(
        "snooze", "snooze", of_held(lambda jid, lease: Call("snooze", (jid, lease, 1000), unpack))
    ),
    Case(
        "timeout",
        "timeout of 100",
        of_page_held(lambda held: Call("timeout", (pack([jid for jid, _ in held]),), unpack)),
        large=True,
    ),
    Case("force_finish", "force_finish", of_waiting(jobs.force_finish_encoded)),
    Case("cancel", "cancel of 100", of_page_waiting(jobs.cancel), large=True),
    Case(
        "bulk",
        "bulk, cancel of 100",
        of_page_waiting(lambda jids: jobs.bulk("cancel", jids, {})),
        large=True,
    ),
    Case(
        "bulk",
        "bulk, move of 100",
        of_page_waiting(lambda jids: jobs.bulk("move", jids, {"queue": "moved"})),
        large=True,
    ),
    Case("unfail", "unfail of 100", _unfail, large=True),
    Case("tag", "tag", of_waiting(lambda jid: jobs.tag(jid, ["nightly"]))),
    Case("untag", "untag", _untag),
    Case("track", "track", of_waiting(jobs.track)),
    Case("untrack", "untrack", _untrack),
    Case("priority", "priority", of_waiting(lambda jid: jobs.priority(jid, 3))),
    Case("log", "log", of_held(lambda jid, lease: Call("log", (jid, lease, "step", b"1"), unpack))),
    Case(
        "progress",
        "progress",
        of_held(lambda jid, lease: Call("progress", (jid, lease, b"1"), unpack)),
    ),
    Case("pause", "pause of 100 queues", repeated(lambda _: queues.pause(_QUEUES, "reason"))),
    Case("unpause", "unpause of 100 queues", repeated(lambda _: queues.unpause(_QUEUES))),
    Case("recur", "recur", of_new(every_minute)),
    Case(
        "recur_update",
        "recur_update",
        _of_recurring(
            lambda jid: recurring.update_encoded(jid, {"priority": 2, "interval": 90_000})
        ),
    ),
    Case("recur_run", "recur_run", _of_recurring(recurring.run)),
    Case("recur_cancel", "recur_cancel", _of_recurring(recurring.cancel)),
    Case("recur_refill", "recur_refill of 128", _refill, large=True),
    Case("recur_sync", "recur_sync, removing 20", _sync, large=True),
    Case("config_set", "config_set", repeated(lambda _: config.set_option("spare", "1"))),
    Case("config_unset", "config_unset", repeated(lambda _: config.unset_option("spare"))),
    Case(
        "worker_register",
        "worker_register",
        of_new(lambda name: workers.register(name, name, b"{}")),
    ),
    Case("worker_beat", "worker_beat", of_new(lambda name: workers.beat(name, b"{}"))),
    Case("worker_deregister", "worker_deregister of 100", _deregister, large=True),
    Case("worker_died", "worker_died with 100 jobs", _worker_died, large=True),
    Case(
        "job_died", "job_died", of_held(lambda jid, lease: workers.job_died(jid, lease, "killed"))
    ),
    Case(
        "worker_command",
        "worker_command of 100",
        repeated(lambda _: workers.command([f"w{number}" for number in range(PAGE)], "quiet")),
    ),
    Case(
        "worker_report",
        "worker_report, 64 KiB",
        repeated(lambda _: workers.report("worker-1", "dump", "x" * 65_536)),
    ),
    Case("queue_forget", "queue_forget", _forget),
    Case("batch_open", "batch_open", of_new(_open_batch)),
    Case("batch_add", "batch_add of 100", _add_to_batch, large=True),
    Case("batch_close", "batch_close", _close_batch),
    Case("repair", "repair of a job", of_waiting(lambda jid: namespace.repair("job", jid))),
    Case("repair", "repair of a tag", repeated(lambda _: namespace.repair("tag", "nightly"))),
)

# With 100,000 dependents of one job.
DEPENDENT_CASES: Final = (
    Case("depends_on", "depends_on, 900 dependents", _depends_on),
    Case("depends_off", "depends_off", _depends_off),
    Case("complete", "complete of the parent job", _complete_parent, once=True),
    Case(
        "pop",
        "pop of 1, releasing dependents",
        repeated(lambda _: queues.pop_records(["mail"], "popper", 1)),
    ),
    Case("tick", "tick, releasing dependents", repeated(lambda _: queues.tick())),
)
