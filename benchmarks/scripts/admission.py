"""Cases for admission: with many parked jobs on a throttle, and with jobs of many users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from benchmarks.namespace import DATA, KLASS, PAGE, batched, pop_jobs
from benchmarks.scripts.keyspace import Keyspace
from benchmarks.scripts.timing import Calls, Case, Prepare, numbered, repeated
from qless_py.protocol import Call, puts, queues, throttles, users
from qless_py.protocol.call import unpack

_ROWS: Final = 1000


def _park(keyspace: Keyspace) -> None:
    """Park as many jobs on one throttle as there are of other kinds, unless this was done."""
    if keyspace.run(throttles.read("full")).waiting:
        return
    keyspace.run(throttles.set_encoded("full", {"concurrency": 1}))
    keyspace.put_new("parked", 2, lambda _: {"throttles": ["full"]})
    pop_jobs(keyspace.runner, "parked", 1)
    # The throttle is full now: this pop parks the second job, and later jobs park when put.
    keyspace.run(queues.pop_records(["parked"], "holder", 1))
    keyspace.put_new("parked", keyspace.scale.others, lambda _: {"throttles": ["full"]})


def _pop_unthrottled(keyspace: Keyspace, count: int) -> Calls:
    _park(keyspace)
    keyspace.put_new("parked", count, lambda _: {})
    return [queues.pop_records(["parked"], "popper", 1)] * count


def _put_parked(keyspace: Keyspace, count: int) -> Calls:
    _park(keyspace)
    own = {"throttles": ["full"]}
    return [puts.put_encoded("parked", jid, KLASS, DATA, own) for jid in keyspace.new(count)]


def _set_limits(keyspace: Keyspace, count: int) -> Calls:
    _park(keyspace)
    return [throttles.set_encoded("full", {"concurrency": 1 + n % 2}) for n in range(count)]


def _tick_after_delete(keyspace: Keyspace, count: int) -> Calls:
    _park(keyspace)
    keyspace.run(throttles.delete("full"))
    return [queues.tick()] * count


def _pop_of_users(number: int) -> Prepare:
    def calls(keyspace: Keyspace, count: int) -> Calls:
        if not keyspace.run(queues.length("shared")):
            different = keyspace.scale.others // 10
            keyspace.put_new(
                "shared", keyspace.scale.others, lambda at: {"user": f"u{at % different}"}
            )
        return [queues.pop_records(["shared"], "popper", number)] * count

    return calls


def _pop_with_throttles(keyspace: Keyspace, count: int) -> Calls:
    ids = [f"t{number}" for number in range(8)]
    keyspace.send([throttles.set_encoded(one, {"concurrency": 10**6, "rate": 1e6}) for one in ids])
    keyspace.run(throttles.set_encoded("queue:all-options", {"concurrency": 10**6}))
    keyspace.put_new(
        "all-options", count * PAGE, lambda at: {"user": f"v{at % 100}", "throttles": ids}
    )
    return [queues.pop_records(["all-options"], "popper", PAGE)] * count


def _pop_refused(keyspace: Keyspace, count: int) -> Calls:
    """Have each job refused by another throttle, so that all of them are checked."""
    ids = [f"r{number}" for number in range(PAGE)]
    keyspace.send([throttles.set_encoded(one, {"concurrency": 0}) for one in ids])
    keyspace.put_new("refused", count * PAGE, lambda at: {"throttles": [ids[at % PAGE]]})
    return [queues.pop_records(["refused"], "popper", PAGE)] * count


def _of_new_throttles(make: Callable[[str], Call[Any]]) -> Prepare:
    def calls(keyspace: Keyspace, count: int) -> Calls:
        found = keyspace.new(count)
        keyspace.send([throttles.set_encoded(one, {"concurrency": 1}) for one in found])
        return [make(one) for one in found]

    return calls


def _release(keyspace: Keyspace, count: int) -> Calls:
    keyspace.put_new("forced", count * PAGE, lambda _: {"throttles": ["forced"]})
    held = [jid for jid, _ in pop_jobs(keyspace.runner, "forced", count * PAGE)]
    return [throttles.release("forced", page) for page in batched(held)]


def _back_off(keyspace: Keyspace, count: int) -> Calls:
    keyspace.put_new("backing", count, lambda at: {"throttles": [f"b{at}"]})
    held = pop_jobs(keyspace.runner, "backing", count)
    return [Call("back_off", (jid, lease, 1000, ""), unpack) for jid, lease in held]


def _of_known_users(make: Callable[[str], Call[Any]]) -> Prepare:
    def calls(keyspace: Keyspace, count: int) -> Calls:
        found = keyspace.new(count)
        keyspace.send([users.set_options(one, 2, 5) for one in found])
        return [make(one) for one in found]

    return calls


CASES: Final = (
    Case("pop", "pop of 1, many jobs parked", _pop_unthrottled),
    Case("put", "put, parked", _put_parked),
    Case("pop", "pop of 1 of many users", _pop_of_users(1)),
    Case("pop", "pop of 100 of many users", _pop_of_users(PAGE), large=True),
    Case("pop", "pop of 100, 8 throttles each", _pop_with_throttles, large=True),
    Case("pop", "pop of 100, all refused", _pop_refused, large=True),
    Case("throttle_set", "throttle_set, many jobs parked", _set_limits),
    Case("tick", "tick, unparking many jobs", _tick_after_delete),
    Case("throttle_delete", "throttle_delete", _of_new_throttles(throttles.delete)),
    Case("throttle_block", "throttle_block", numbered(lambda n: throttles.block(f"k{n}", 5))),
    Case("throttle_release", "throttle_release of 100", _release, large=True),
    Case("back_off", "back_off", _back_off),
    Case("user_set", "user_set", numbered(lambda n: users.set_options(f"u{n}", 3))),
    Case("user_unset", "user_unset", _of_known_users(users.unset)),
    Case(
        "read/peek",
        "read/peek, 100 jobs of users",
        repeated(lambda _: queues.peek_records("shared", 0, PAGE)),
    ),
    Case(
        "read/throttle",
        "read/throttle, 1,000 and 1,000",
        repeated(lambda _: throttles.holders("forced", 0, _ROWS)),
        large=True,
    ),
    Case(
        "read/throttles",
        "read/throttles, 100",
        repeated(lambda _: throttles.read_page(None, PAGE)),
        large=True,
    ),
    Case("read/user", "read/user", repeated(lambda _: users.waiting("u1", "shared"))),
    Case(
        "read/users",
        "read/users, 100",
        repeated(lambda _: users.read_queue_page("shared", None, PAGE)),
        large=True,
    ),
)
