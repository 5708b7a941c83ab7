"""Time of each call on the server with 100,000 jobs parked on one limit and 10,000 users waiting.

Afterwards the limit is raised, and in a second run deleted, and the calls are timed that unpark all
jobs.
"""

from __future__ import annotations

from typing import Any, Final

import redis

from benchmarks.admission import feature_costs
from benchmarks.namespace import DATA, KLASS, PAGE, pop_jobs, put_jobs
from benchmarks.scripts.keyspace import Keyspace, Scale
from benchmarks.scripts.timing import (
    Calls,
    Case,
    Timing,
    measure,
    measure_no_op,
    of_new,
    repeated,
)
from benchmarks.server import cpu_seconds
from qless_py.protocol import Call, jobs, puts, queues, throttles, users
from qless_py.protocol.call import unpack

_ROWS: Final = 1000


def measure_all(connection: redis.Redis, parked: int, calls: int) -> list[Timing]:
    """Time every command where it has most to do."""
    keyspace = _loaded(connection, parked, calls)
    found = [measure_no_op(keyspace)]
    found += [measure(keyspace, case) for case in _CASES]
    keyspace = _loaded(connection, parked, calls)
    found += [measure(keyspace, case) for case in _DELETE_CASES]
    return found


def measure_cpu(connection: redis.Redis, parked: int, calls: int) -> list[tuple[str, float]]:
    """Return the milliseconds of server CPU of the most expensive calls.

    Unlike the timings of single calls, they exclude what other programs use of the processor.
    """
    keyspace = _loaded(connection, parked, calls)
    keyspace.send(
        [throttles.set_encoded(f"t{at}", {"rate": 1}) for at in range(min(_ROWS, parked))]
    )
    cases: dict[str, Call[Any]] = {
        "pop of 100, many users": queues.pop_records(["users"], "worker-1", PAGE),
        "pop of 1, many users": queues.pop_records(["users"], "worker-1", 1),
        "pop of 100, plain": queues.pop_records(["plain"], "worker-1", PAGE),
        "read/users, 250 of a queue": users.read_queue_page("users"),
        "read/throttles, 250": throttles.read_page(),
        "read/peek, many users": queues.peek_records("users", 0, PAGE),
    }
    number = max(calls // 10, 2)
    put_jobs(keyspace.runner, "plain", ({"jid": f"p{at}"} for at in range((number + 1) * PAGE)))
    found = []
    for label, call in cases.items():
        keyspace.run(call)  # Loads the script, and does the maintenance that is due.
        before = cpu_seconds(connection)
        for _ in range(number):
            keyspace.run(call)
        found.append((label, 1000 * (cpu_seconds(connection) - before) / number))
    return found


def _loaded(connection: redis.Redis, parked: int, calls: int) -> Keyspace:
    connection.flushall()
    keyspace = Keyspace(connection, Scale(parked, parked, calls, max(calls // 5, 1)))
    feature_costs.park(keyspace.runner, parked)
    count = parked // 10
    keyspace.put("users", ({"jid": f"u{at}", "user": f"u{at % count}"} for at in range(parked)))
    return keyspace


def _put_call(jid: str, **options: Any) -> Call[Any]:
    return puts.put_encoded("mail", jid, KLASS, DATA, options)


def _put_page(keyspace: Keyspace, count: int) -> Calls:
    return [
        puts.put_many_encoded(
            "mail",
            [{"jid": jid, "klass": KLASS, "throttles": ["api"]} for jid in keyspace.new(PAGE)],
            [DATA] * PAGE,
        )
        for _ in range(count)
    ]


def _parked(keyspace: Keyspace, count: int) -> list[str]:
    """Return parked jobs from the middle of the list."""
    start = keyspace.scale.waiting // 2
    return [f"c{start + at:031x}" for at in range(count)]


def _pop_unthrottled(keyspace: Keyspace, count: int) -> Calls:
    keyspace.send([_put_call(jid) for jid in keyspace.new(count)])
    return [queues.pop_records(["mail"], "worker-1", 1)] * count


def _complete(keyspace: Keyspace, count: int) -> Calls:
    return [
        jobs.complete_encoded(jid, lease)
        for jid, lease in pop_jobs(keyspace.runner, "users", count)
    ]


def _back_off(keyspace: Keyspace, count: int) -> Calls:
    held = pop_jobs(keyspace.runner, "users", count)
    return [Call("back_off", (jid, lease, 1, ""), unpack) for jid, lease in held]


# Enough calls to unpark all jobs, and about a hundred that find nothing to do.
def _pop_all(keyspace: Keyspace, _: int) -> Calls:
    return [queues.pop_records(["mail"], "worker-1", PAGE)] * (
        keyspace.scale.waiting // PAGE + PAGE
    )


def _tick_all(keyspace: Keyspace, _: int) -> Calls:
    return [queues.tick()] * (keyspace.scale.waiting // 50 + PAGE)


_CASES: Final = (
    Case("put", "put, parked last", of_new(lambda jid: _put_call(jid, throttles=["api"]))),
    Case("put_many", "put_many of 100, parked", _put_page, large=True),
    Case("put", "put of a user", of_new(lambda jid: _put_call(jid, user="ada"))),
    Case("pop", "pop of 1, all parked but one", _pop_unthrottled),
    Case(
        "pop",
        "pop of 1, many users",
        repeated(lambda _: queues.pop_records(["users"], "worker-1", 1)),
    ),
    Case(
        "pop",
        "pop of 100, many users",
        repeated(lambda _: queues.pop_records(["users"], "worker-1", PAGE)),
        large=True,
    ),
    Case("complete", "complete, of a user", _complete),
    Case("back_off", "back_off", _back_off),
    Case(
        "priority",
        "priority of a parked job",
        lambda keyspace, count: [jobs.priority(jid, 3) for jid in _parked(keyspace, count)],
    ),
    Case("tick", "tick", repeated(lambda _: queues.tick())),
    Case("throttle_block", "throttle_block", repeated(lambda _: throttles.block("api", 0.001))),
    Case(
        "throttle_release", "throttle_release", repeated(lambda _: throttles.release("api", ["no"]))
    ),
    Case("user_set", "user_set", repeated(lambda _: users.set_options("u1", 2))),
    Case("user_unset", "user_unset", repeated(lambda _: users.unset("u1"))),
    Case(
        "read/throttle",
        "read/throttle, 1,000 waiting",
        repeated(lambda _: throttles.holders("api", 0, _ROWS)),
        large=True,
    ),
    Case("read/throttles", "read/throttles", repeated(lambda _: throttles.read_page())),
    Case(
        "read/users",
        "read/users, 250 of a queue",
        repeated(lambda _: users.read_queue_page("users")),
        large=True,
    ),
    Case(
        "read/peek",
        "read/peek, many users",
        repeated(lambda _: queues.peek_records("users", 0, PAGE)),
        large=True,
    ),
    Case(
        "read/state",
        "read/state, 1,000 throttled",
        repeated(lambda _: jobs.in_state("throttled", "mail", 0, _ROWS)),
        large=True,
    ),
    Case(
        "throttle_set",
        "throttle_set, raising the limit",
        repeated(lambda _: throttles.set_encoded("api", {"concurrency": 10_000_000})),
    ),
    Case("pop", "pop of 100, after raising the limit", _pop_all, large=True),
)
_DELETE_CASES: Final = (
    Case(
        "throttle_delete",
        "throttle_delete, all parked",
        repeated(lambda _: throttles.delete("api")),
        once=True,
    ),
    Case("tick", "tick, after deleting the limit", _tick_all, large=True),
)
