"""How calls that concern admission are made: beside crowds that are parked, and those of users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from benchmarks.scripts.space import DATA, KLASS, PAGE, Lease, Space
from benchmarks.scripts.timing import Case
from qless_py import protocol
from qless_py.protocol import Call, puts, queues, throttles, users
from qless_py.protocol.call import unpack

Calls = Sequence[Call[Any]]

_ROWS: Final = 1000


def _again(make: Callable[[int], Call[Any]]) -> Callable[[Space, int], Calls]:
    return lambda _, count: [make(number) for number in range(count)]


def _put(space: Space, queue: str, count: int, options: Callable[[int], dict[str, Any]]) -> None:
    found = space.new(count)
    for start in range(0, count, PAGE):
        page = found[start : start + PAGE]
        fields = [
            {"jid": jid, "klass": KLASS, **options(start + at)} for at, jid in enumerate(page)
        ]
        space.run(puts.put_many_encoded(queue, fields, [DATA] * len(page)))


def _take(space: Space, queue: str, count: int) -> list[Lease]:
    found: list[Lease] = []
    while len(found) < count:
        popped = space.run(
            queues.pop_records([queue], "holder", min(PAGE, count - len(found)))
        ).jobs
        found += [(job.jid, job.fields["lease"]) for job in popped]
    return found


def _crowd(space: Space) -> None:
    """Park as many jobs on one throttle as there are of other kinds, unless they are there."""
    if space.run(throttles.read("crowd")).waiting:
        return
    space.run(throttles.set_encoded("crowd", {"concurrency": 1}))
    _put(space, "crowded", 2, lambda _: {"throttles": ["crowd"]})
    _take(space, "crowded", 1)
    space.run(queues.pop_records(["crowded"], "holder", 1))
    _put(space, "crowded", space.scale.others, lambda _: {"throttles": ["crowd"]})


def _free_ones(space: Space, count: int) -> Calls:
    _crowd(space)
    _put(space, "crowded", count, lambda _: {})
    return [queues.pop_records(["crowded"], "popper", 1)] * count


def _arrivals(space: Space, count: int) -> Calls:
    _crowd(space)
    own = {"throttles": ["crowd"]}
    return [puts.put_encoded("crowded", jid, KLASS, DATA, own) for jid in space.new(count)]


def _raised(space: Space, count: int) -> Calls:
    _crowd(space)
    return [throttles.set_encoded("crowd", {"concurrency": 1 + n % 2}) for n in range(count)]


def _let_go(space: Space, count: int) -> Calls:
    _crowd(space)
    space.run(throttles.delete("crowd"))
    return [queues.tick()] * count


def _of_users(number: int) -> Callable[[Space, int], Calls]:
    def calls(space: Space, count: int) -> Calls:
        if not space.run(protocol.queues.length("shared")):
            users = space.scale.others // 10
            _put(space, "shared", space.scale.others, lambda at: {"user": f"u{at % users}"})
        return [queues.pop_records(["shared"], "popper", number)] * count

    return calls


def _with_everything(space: Space, count: int) -> Calls:
    ids = [f"t{number}" for number in range(8)]
    space.send([throttles.set_encoded(one, {"concurrency": 10**6, "rate": 1e6}) for one in ids])
    space.run(throttles.set_encoded("queue:full", {"concurrency": 10**6}))
    _put(space, "full", count * PAGE, lambda at: {"user": f"v{at % 100}", "throttles": ids})
    return [queues.pop_records(["full"], "popper", PAGE)] * count


def _refused(space: Space, count: int) -> Calls:
    """Have every job refused by a throttle of its own, which takes a look at each."""
    ids = [f"r{number}" for number in range(PAGE)]
    space.send([throttles.set_encoded(one, {"concurrency": 0}) for one in ids])
    _put(space, "refused", count * PAGE, lambda at: {"throttles": [ids[at % PAGE]]})
    return [queues.pop_records(["refused"], "popper", PAGE)] * count


def _new_throttles(make: Callable[[str], Call[Any]]) -> Callable[[Space, int], Calls]:
    def calls(space: Space, count: int) -> Calls:
        found = space.new(count)
        space.send([throttles.set_encoded(one, {"concurrency": 1}) for one in found])
        return [make(one) for one in found]

    return calls


def _forced(space: Space, count: int) -> Calls:
    _put(space, "forced", count * PAGE, lambda _: {"throttles": ["forced"]})
    held = [jid for jid, _ in _take(space, "forced", count * PAGE)]
    return [throttles.release("forced", held[at : at + PAGE]) for at in range(0, len(held), PAGE)]


def _backing_off(space: Space, count: int) -> Calls:
    _put(space, "backing", count, lambda at: {"throttles": [f"b{at}"]})
    return [
        Call("back_off", (jid, lease, 1000, ""), unpack)
        for jid, lease in _take(space, "backing", count)
    ]


def _known_users(make: Callable[[str], Call[Any]]) -> Callable[[Space, int], Calls]:
    def calls(space: Space, count: int) -> Calls:
        found = space.new(count)
        space.send([users.set_options(one, 2, 5) for one in found])
        return [make(one) for one in found]

    return calls


CASES: Final = (
    Case("pop", "pop of 1, a crowd is parked", _free_ones),
    Case("put", "put, parked at once", _arrivals),
    Case("pop", "pop of 1 of many users", _of_users(1)),
    Case("pop", "pop of 100 of many users", _of_users(PAGE), large=True),
    Case("pop", "pop of 100, 8 throttles each", _with_everything, large=True),
    Case("pop", "pop of 100, all refused", _refused, large=True),
    Case("throttle_set", "throttle_set over a crowd", _raised),
    Case("tick", "tick, letting a crowd go", _let_go),
    Case("throttle_delete", "throttle_delete", _new_throttles(throttles.delete)),
    Case("throttle_block", "throttle_block", _again(lambda n: throttles.block(f"k{n}", 5))),
    Case("throttle_release", "throttle_release of 100", _forced, large=True),
    Case("back_off", "back_off", _backing_off),
    Case("user_set", "user_set", _again(lambda n: users.set_options(f"u{n}", 3))),
    Case("user_unset", "user_unset", _known_users(users.unset)),
    Case(
        "read/peek",
        "read/peek, 100 of users",
        _again(lambda _: protocol.queues.peek_records("shared", 0, PAGE)),
    ),
    Case(
        "read/throttle",
        "read/throttle, 1,000 and 1,000",
        _again(lambda _: throttles.holders("forced", 0, _ROWS)),
        large=True,
    ),
    Case(
        "read/throttles",
        "read/throttles, 100",
        _again(lambda _: throttles.read_page(None, PAGE)),
        large=True,
    ),
    Case("read/user", "read/user", _again(lambda _: users.waiting("u1", "shared"))),
    Case(
        "read/users",
        "read/users, 100",
        _again(lambda _: users.read_queue_page("shared", None, PAGE)),
        large=True,
    ),
)
