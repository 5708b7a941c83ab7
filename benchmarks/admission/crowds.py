"""The server's time for each call where 100,000 jobs are parked on a limit, and 10,000 users wait.

Then the limit is raised over all that is parked, and later taken away: how long each call takes
that carries that out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import redis

from benchmarks.admission import prices
from benchmarks.scripts.space import DATA, KLASS, PAGE, Lease, Scale, Space
from benchmarks.scripts.timing import Case, Timing, measure, measure_empty
from qless_py import protocol
from qless_py.protocol import Call, jobs, puts, queues, throttles, users
from qless_py.protocol.call import unpack

_ROWS: Final = 1000
Calls = Sequence[Call[Any]]
Make = Callable[[Space, int], Calls]


def scale(parked: int, calls: int) -> Scale:
    """Give what the measurement of scripts wants to know."""
    return Scale(parked, parked, calls, max(calls // 5, 1), 0, 0)


def measure_all(connection: redis.Redis, parked: int, calls: int) -> list[Timing]:
    """Time all there is to call, each script in the place where it has most to do."""
    space = _crowded(connection, parked, calls)
    found = [measure_empty(space)]
    found += [measure(space, case) for case in (*_CROWDED, *_LIMITED)]
    found += [_drained(space, "pop of 100, limit raised", "pop", _pop_all)]
    space = _crowded(connection, parked, calls)
    found += [measure(space, case) for case in _DELETED]
    found += [_drained(space, "tick, limit deleted", "tick", _tick_all)]
    return found


def measure_cpu(connection: redis.Redis, parked: int, calls: int) -> list[tuple[str, float]]:
    """Give the milliseconds of the server's processor that the dearest calls take.

    The times of the single calls hold what other programs took of the processor meanwhile.
    """
    space = _crowded(connection, parked, calls)
    space.send([throttles.set_encoded(f"t{at}", {"rate": 1}) for at in range(min(_ROWS, parked))])
    cases: dict[str, Call[Any]] = {
        "pop of 100, many users": queues.pop_records(["users"], "worker-1", PAGE),
        "pop of 1, many users": queues.pop_records(["users"], "worker-1", 1),
        "pop of 100, plain": queues.pop_records(["plain"], "worker-1", PAGE),
        "read/users, 250 of a queue": users.read_queue_page("users"),
        "read/throttles, 250": throttles.read_page(),
        "read/peek, many users": protocol.queues.peek_records("users", 0, PAGE),
    }
    number = max(calls // 10, 2)
    prices.crowd(space.runner, "plain", (number + 1) * PAGE, lambda at: {"jid": f"p{at}"})
    found = []
    for label, call in cases.items():
        space.run(call)  # The script is loaded, and what is due is done.
        before = prices.cpu(connection)
        for _ in range(number):
            space.run(call)
        found.append((label, 1000 * (prices.cpu(connection) - before) / number))
    return found


def _crowded(connection: redis.Redis, parked: int, calls: int) -> Space:
    connection.flushall()
    space = Space(connection, scale(parked, calls))
    prices.park(space.runner, parked)
    many = parked // 10
    prices.crowd(
        space.runner, "users", parked, lambda at: {"jid": f"u{at}", "user": f"u{at % many}"}
    )
    return space


def _drained(space: Space, label: str, script: str, calls: Make) -> Timing:
    """Time calls until all that was parked has gone on; as many more find nothing to do."""
    return measure(space, Case(script, label, calls, large=True))


def _free(jid: str, **options: Any) -> Call[Any]:
    return puts.put_encoded("mail", jid, KLASS, DATA, options)


def _each(make: Callable[[str], Call[Any]]) -> Make:
    return lambda space, count: [make(jid) for jid in space.new(count)]


def _same(call: Callable[[], Call[Any]]) -> Make:
    return lambda _, count: [call() for _ in range(count)]


def _put_hundred(space: Space, count: int) -> Calls:
    return [
        puts.put_many_encoded(
            "mail",
            [{"jid": jid, "klass": KLASS, "throttles": ["api"]} for jid in space.new(PAGE)],
            [DATA] * PAGE,
        )
        for _ in range(count)
    ]


def _parked(space: Space, count: int) -> list[str]:
    """Name parked jobs out of the middle."""
    start = space.scale.waiting // 2
    return [f"c{start + at:031x}" for at in range(count)]


def _pop_free(space: Space, count: int) -> Calls:
    space.send([_free(jid) for jid in space.new(count)])
    return [queues.pop_records(["mail"], "worker-1", 1)] * count


def _leases(space: Space, queue: str, count: int) -> list[Lease]:
    found: list[Lease] = []
    while len(found) < count:
        popped = space.run(
            queues.pop_records([queue], "holder", min(PAGE, count - len(found)))
        ).jobs
        found += [(job.jid, job.fields["lease"]) for job in popped]
    return found


def _complete(space: Space, count: int) -> Calls:
    return [jobs.complete_encoded(jid, lease) for jid, lease in _leases(space, "users", count)]


def _back_off(space: Space, count: int) -> Calls:
    held = _leases(space, "users", count)
    return [Call("back_off", (jid, lease, 1, ""), unpack) for jid, lease in held]


def _pop_all(space: Space, _: int) -> Calls:
    return [queues.pop_records(["mail"], "worker-1", PAGE)] * (space.scale.waiting // PAGE + PAGE)


def _tick_all(space: Space, _: int) -> Calls:
    return [queues.tick()] * (space.scale.waiting // 50 + PAGE)


_CROWDED: Final = (
    Case("put", "put, parked behind all", _each(lambda jid: _free(jid, throttles=["api"]))),
    Case("put_many", "put_many of 100, parked", _put_hundred, large=True),
    Case("put", "put of a user", _each(lambda jid: _free(jid, user="ada"))),
    Case("pop", "pop of 1, all parked but one", _pop_free),
    Case(
        "pop", "pop of 1, many users", _same(lambda: queues.pop_records(["users"], "worker-1", 1))
    ),
    Case(
        "pop",
        "pop of 100, many users",
        _same(lambda: queues.pop_records(["users"], "worker-1", PAGE)),
        large=True,
    ),
    Case("complete", "complete, of a user", _complete),
    Case("back_off", "back_off", _back_off),
    Case(
        "priority",
        "priority of a parked job",
        lambda space, count: [jobs.priority(jid, 3) for jid in _parked(space, count)],
    ),
    Case("tick", "tick", _same(queues.tick)),
    Case("throttle_block", "throttle_block", _same(lambda: throttles.block("api", 0.001))),
    Case("throttle_release", "throttle_release", _same(lambda: throttles.release("api", ["no"]))),
    Case("user_set", "user_set", _same(lambda: users.set_options("u1", 2))),
    Case("user_unset", "user_unset", _same(lambda: users.unset("u1"))),
    Case(
        "read/throttle",
        "read/throttle, 1,000 waiting",
        _same(lambda: throttles.holders("api", 0, _ROWS)),
        large=True,
    ),
    Case("read/throttles", "read/throttles", _same(throttles.read_page)),
    Case(
        "read/users",
        "read/users, 250 of a queue",
        _same(lambda: users.read_queue_page("users")),
        large=True,
    ),
    Case(
        "read/peek",
        "read/peek, many users",
        _same(lambda: protocol.queues.peek_records("users", 0, PAGE)),
        large=True,
    ),
    Case(
        "read/state",
        "read/state, 1,000 throttled",
        _same(lambda: protocol.jobs.in_state("throttled", "mail", 0, _ROWS)),
        large=True,
    ),
)
_LIMITED: Final = (
    Case(
        "throttle_set",
        "throttle_set, raised over all parked",
        _same(lambda: throttles.set_encoded("api", {"concurrency": 10_000_000})),
    ),
)
_DELETED: Final = (
    Case(
        "throttle_delete",
        "throttle_delete over all parked",
        _same(lambda: throttles.delete("api")),
        once=True,
    ),
)
