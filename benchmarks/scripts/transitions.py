"""How every transition is called: one job where it takes one, a hundred where it takes many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from benchmarks.scripts.space import (
    DATA,
    GROUP,
    KLASS,
    PAGE,
    PARENT,
    Lease,
    Space,
    dependent,
    every_minute,
)
from benchmarks.scripts.timing import Case
from qless_py import protocol
from qless_py.protocol import Call, batches, config, jobs, puts, queues, recurring, workers
from qless_py.protocol.call import pack, unpack
from qless_py.protocol.namespace import repair

Calls = Sequence[Call[Any]]

_MANY: Final = [f"q{number}" for number in range(PAGE)]
_HUB: Final = "hub"


def _of_new(make: Callable[[str], Call[Any]]) -> Callable[[Space, int], Calls]:
    return lambda space, count: [make(jid) for jid in space.new(count)]


def _of_waiting(make: Callable[[str], Call[Any]]) -> Callable[[Space, int], Calls]:
    return lambda space, count: [make(jid) for jid in space.waiting(count)]


def _of_held(make: Callable[[str, str], Call[Any]]) -> Callable[[Space, int], Calls]:
    return lambda space, count: [make(jid, lease) for jid, lease in space.held(count)]


def _again(make: Callable[[int], Call[Any]]) -> Callable[[Space, int], Calls]:
    return lambda _, count: [make(number) for number in range(count)]


def _hundreds(found: Sequence[Any]) -> list[Sequence[Any]]:
    return [found[at : at + PAGE] for at in range(0, len(found), PAGE)]


def _of_hundred_held(make: Callable[[Sequence[Lease]], Call[Any]]) -> Callable[[Space, int], Calls]:
    return lambda space, count: [make(one) for one in _hundreds(space.held(count * PAGE))]


def _of_hundred_waiting(
    make: Callable[[Sequence[str]], Call[Any]],
) -> Callable[[Space, int], Calls]:
    return lambda space, count: [make(one) for one in _hundreds(space.waiting(count * PAGE))]


def _fields(jid: str) -> dict[str, str]:
    return {"jid": jid, "klass": KLASS}


def _put_with_everything(jid: str) -> Call[Any]:
    options = {
        "priority": 5,
        "tags": ["mail", "nightly", jid],
        "on_conflict": "ignore",
        "unique": {"key": jid, "scope": "running"},
        "keep": 60_000,
        "delay": 1000,
    }
    return puts.put_encoded("mail", jid, KLASS, DATA, options)


def _put_many(space: Space, count: int) -> Calls:
    pages = _hundreds(space.new(count * PAGE))
    return [
        puts.put_many_encoded("mail", [_fields(jid) for jid in page], [DATA] * PAGE)
        for page in pages
    ]


def _complete_leaving_jobs(space: Space, count: int) -> Calls:
    pages = _hundreds(space.new(count * PAGE))
    return [
        jobs.complete_encoded(
            *lease,
            jobs=[{**_fields(jid), "queue": "mail"} for jid in page],
            jobs_data=[DATA] * PAGE,
        )
        for lease, page in zip(space.held(count), pages, strict=True)
    ]


def _complete_parent(space: Space, _: int) -> Calls:
    # Of the queue's two jobs the other is behind the parent, and held by nobody.
    (parent,) = space.run(queues.pop_records(["family"], "holder", 1)).jobs
    if parent.jid != PARENT:
        raise RuntimeError("the parent of the dependents was to be popped")
    return [jobs.complete_encoded(PARENT, parent.fields["lease"])]


def _complete_many_of_too_many(space: Space, count: int) -> Calls:
    space.run(config.set_option("jobs-history-count", "0"))
    return _complete_many(space, count)


_complete_many = _of_hundred_held(lambda held: jobs.complete_many(held, [b"ok"] * PAGE))


def _unfail(_: Space, count: int) -> Calls:
    return [jobs.unfail("broken", GROUP, min(PAGE, 100))] * count


def _prepare_hub(space: Space) -> None:
    """Put a job that waits and has 900 dependents: each edge added to it walks down all of them."""
    space.run(puts.put_encoded("family", _HUB, KLASS, DATA, {"depends": [PARENT]}))
    for page in _hundreds(space.new(900)):
        fields = [{**_fields(jid), "depends": [_HUB]} for jid in page]
        space.run(puts.put_many_encoded("family", fields, [DATA] * PAGE))


def _depends_on(space: Space, count: int) -> Calls:
    _prepare_hub(space)
    return [jobs.depend(_HUB, [jid]) for jid in space.waiting(min(count, 900))]


def _depends_off(_: Space, count: int) -> Calls:
    return [jobs.undepend(dependent(number), [PARENT]) for number in range(count)]


def _untag(space: Space, count: int) -> Calls:
    found = space.waiting(count)
    space.send([jobs.tag(jid, ["nightly", "spare"]) for jid in found])
    return [jobs.untag(jid, ["nightly"]) for jid in found]


def _untrack(space: Space, count: int) -> Calls:
    found = space.waiting(count)
    space.send([jobs.track(jid) for jid in found])
    return [jobs.untrack(jid) for jid in found]


def _of_recurring(make: Callable[[str], Call[Any]]) -> Callable[[Space, int], Calls]:
    def calls(space: Space, count: int) -> Calls:
        found = space.new(count)
        space.send([every_minute(jid) for jid in found])
        return [make(jid) for jid in found]

    return calls


def _open_batch(name: str) -> Call[Any]:
    callback = {**_fields(f"{name}-done"), "queue": "mail", "data": 1}
    return batches.open_encoded(name, {"on_complete": callback}, [DATA])


def _add_to_batch(space: Space, count: int) -> Calls:
    space.run(_open_batch("large"))
    return [batches.add("large", page) for page in _hundreds(space.waiting(count * PAGE))]


def _close_batch(space: Space, count: int) -> Calls:
    found = space.new(count)
    space.send([_open_batch(name) for name in found])
    return [batches.close(name) for name in found]


def _deregister(space: Space, count: int) -> Calls:
    found = _hundreds(space.new(count * PAGE))
    space.send([workers.beat(name) for page in found for name in page])
    return [workers.deregister(page) for page in found]


def _died(space: Space, count: int) -> Calls:
    found = space.new(count)
    for name in found:
        space.held(PAGE, worker=name, nonce=name)
    return [workers.died(name, name, "", "killed by signal 9") for name in found]


def _forget(space: Space, count: int) -> Calls:
    found = space.new(count)
    space.send([puts.put_encoded(name, name, KLASS, DATA, {}) for name in found])
    return [queues.forget([name]) for name in found]


def _by_pattern(space: Space, count: int) -> Sequence[Call[Any]]:
    """Take from a thousand queues with a job each."""
    found = space.new(1000)
    for at in range(0, len(found), PAGE):
        some = found[at : at + PAGE]
        maps = [{"jid": jid, "klass": KLASS, "queue": f"tenant-{jid}"} for jid in some]
        space.run(puts.put_many_encoded("mail", maps, [DATA] * len(maps)))
    return [queues.pop_records(["tenant-*"], "popper", 1, "n", {"order": "round-robin"})] * count


_LATER: Final = 4_000_000_000_000  # An instant in ms that no measurement reaches.


def _by_cron(jid: str, group: str | None = None) -> Call[Any]:
    ticks = [_LATER + 60_000 * number for number in range(128)]
    options = {"cron": "* * * * *", "zone": "UTC", "after": _LATER - 60_000, "ticks": ticks}
    if group is not None:
        options["group"] = group
    return recurring.recur_encoded("mail", jid, KLASS, DATA, interval=0, offset=0, options=options)


def _refill(space: Space, count: int) -> Calls:
    found = space.new(count)
    space.send([_by_cron(jid) for jid in found])
    after = _LATER + 60_000 * 127
    ticks = [after + 60_000 * number for number in range(1, 129)]
    calls = []
    for jid in found:
        record = space.run(protocol.jobs.read(jid))
        if record is None:
            raise RuntimeError(f"{jid} recurs")
        calls.append(recurring.refill(jid, record.fields["generation"], after, ticks, final=False))
    return calls


def _sync(space: Space, count: int) -> Calls:
    groups = space.new(count)
    for group in groups:
        space.send([_by_cron(f"{group}-{number}", group) for number in range(20)])
    return [recurring.sync(group, []) for group in groups]


PLAIN: Final = (
    Case("put", "put", _of_new(lambda jid: puts.put_encoded("mail", jid, KLASS, DATA, {}))),
    Case("put", "put, most options", _of_new(_put_with_everything)),
    Case(
        "put",
        "put, replacing",
        _of_waiting(lambda jid: puts.put_encoded("mail", jid, KLASS, DATA, {})),
    ),
    Case("put_many", "put_many of 100", _put_many, large=True),
    Case(
        "requeue",
        "requeue",
        _of_waiting(lambda jid: puts.requeue_encoded("moved", jid, "", b"", {})),
    ),
    Case("pop", "pop of 1", _again(lambda _: queues.pop_records(["mail"], "popper", 1, "n"))),
    Case(
        "pop", "pop of 1, 100 queues", _again(lambda _: queues.pop_records(_MANY, "popper", 1, "n"))
    ),
    Case(
        "pop",
        "pop of 100",
        _again(lambda _: queues.pop_records(["mail"], "popper", 100)),
        large=True,
    ),
    Case("pop", "pop of 1, by pattern, 1,000 queues with jobs", _by_pattern, large=True),
    Case("tick", "tick", _again(lambda _: queues.tick())),
    Case(
        "heartbeat",
        "heartbeat",
        _of_held(lambda jid, lease: Call("heartbeat", (jid, lease, b""), unpack)),
    ),
    Case(
        "heartbeat_many", "heartbeat_many of 100", _of_hundred_held(jobs.heartbeat_many), large=True
    ),
    Case("complete", "complete", _of_held(jobs.complete_encoded)),
    Case(
        "complete",
        "complete, next queue",
        _of_held(lambda jid, lease: jobs.complete_encoded(jid, lease, advance={"queue": "next"})),
    ),
    Case("complete", "complete, 100 new jobs", _complete_leaving_jobs, large=True),
    Case("complete_many", "complete_many of 100", _complete_many, large=True),
    Case("complete_many", "… deleting 103 old ones", _complete_many_of_too_many, large=True),
    Case(
        "fail", "fail", _of_held(lambda jid, lease: jobs.fail_encoded(jid, lease, GROUP, "message"))
    ),
    Case("retry", "retry", _of_held(lambda jid, lease: jobs.retry_encoded(jid, lease, 1000))),
    Case("release", "release", _of_held(jobs.release_lease)),
    Case("discard", "discard", _of_held(lambda jid, lease: Call("discard", (jid, lease), unpack))),
    Case(
        "snooze", "snooze", _of_held(lambda jid, lease: Call("snooze", (jid, lease, 1000), unpack))
    ),
    Case(
        "timeout",
        "timeout of 100",
        _of_hundred_held(lambda held: Call("timeout", (pack([jid for jid, _ in held]),), unpack)),
        large=True,
    ),
    Case("force_finish", "force_finish", _of_waiting(jobs.force_finish_encoded)),
    Case("cancel", "cancel of 100", _of_hundred_waiting(jobs.cancel), large=True),
    Case(
        "bulk",
        "bulk, cancel of 100",
        _of_hundred_waiting(lambda jids: jobs.bulk("cancel", jids, {})),
        large=True,
    ),
    Case(
        "bulk",
        "bulk, move of 100",
        _of_hundred_waiting(lambda jids: jobs.bulk("move", jids, {"queue": "moved"})),
        large=True,
    ),
    Case("unfail", "unfail of 100", _unfail, large=True),
    Case("tag", "tag", _of_waiting(lambda jid: jobs.tag(jid, ["nightly"]))),
    Case("untag", "untag", _untag),
    Case("track", "track", _of_waiting(jobs.track)),
    Case("untrack", "untrack", _untrack),
    Case("priority", "priority", _of_waiting(lambda jid: jobs.priority(jid, 3))),
    Case(
        "log", "log", _of_held(lambda jid, lease: Call("log", (jid, lease, "step", b"1"), unpack))
    ),
    Case(
        "progress",
        "progress",
        _of_held(lambda jid, lease: Call("progress", (jid, lease, b"1"), unpack)),
    ),
    Case("pause", "pause of 100 queues", _again(lambda _: queues.pause(_MANY, "reason"))),
    Case("unpause", "unpause of 100 queues", _again(lambda _: queues.unpause(_MANY))),
    Case("recur", "recur", _of_new(every_minute)),
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
    Case("config_set", "config_set", _again(lambda _: config.set_option("spare", "1"))),
    Case("config_unset", "config_unset", _again(lambda _: config.unset_option("spare"))),
    Case(
        "worker_register",
        "worker_register",
        _of_new(lambda name: workers.register(name, name, b"{}")),
    ),
    Case("worker_beat", "worker_beat", _of_new(lambda name: workers.beat(name, b"{}"))),
    Case("worker_deregister", "worker_deregister of 100", _deregister, large=True),
    Case("worker_died", "worker_died with 100 jobs", _died, large=True),
    Case(
        "job_died", "job_died", _of_held(lambda jid, lease: workers.job_died(jid, lease, "killed"))
    ),
    Case(
        "worker_command",
        "worker_command of 100",
        _again(lambda _: workers.command([f"w{number}" for number in range(PAGE)], "quiet")),
    ),
    Case("queue_forget", "queue_forget", _forget),
    Case("batch_open", "batch_open", _of_new(_open_batch)),
    Case("batch_add", "batch_add of 100", _add_to_batch, large=True),
    Case("batch_close", "batch_close", _close_batch),
    Case("repair", "repair of a job", _of_waiting(lambda jid: repair("job", jid))),
    Case("repair", "repair of a tag", _again(lambda _: repair("tag", "nightly"))),
)

# A hundred thousand jobs wait for the parent of these.
FAMILY: Final = (
    Case("depends_on", "depends_on, 900 dependents", _depends_on),
    Case("depends_off", "depends_off", _depends_off),
    Case("complete", "complete of the parent", _complete_parent, once=True),
    Case("pop", "pop of 1, releasing", _again(lambda _: queues.pop_records(["mail"], "popper", 1))),
    Case("tick", "tick, releasing", _again(lambda _: queues.tick())),
)
