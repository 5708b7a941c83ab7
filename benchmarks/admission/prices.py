"""What users and throttles add to the life of a job: CPU time of the server, and waiting."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import redis

from benchmarks.scripts.space import DATA, KLASS, PAGE
from qless_py.protocol import Call, jobs, puts, queues, throttles
from qless_py.store.runner import Runner

_ROUNDS: Final = 7
_MANY: Final = 1_000_000
_WARM: Final = 50
_PAGES: Final = 10

Fields = Mapping[str, Any]
Seconds = tuple[float, float, float, float]
"""Per job: of the server's CPU for put, pop and complete, and of waiting for all three."""


@dataclass(frozen=True, slots=True)
class Price:
    """Microseconds of server CPU for each call, and of waiting for all three, per job."""

    label: str
    put: float
    pop: float
    complete: float
    round_trip: float

    @property
    def cpu(self) -> float:
        return self.put + self.pop + self.complete


@dataclass(frozen=True, slots=True)
class Feature:
    """One way to put jobs; `prepare` sets limits and puts whatever is there before."""

    label: str
    fields: Callable[[], Iterator[Fields]]
    prepare: Callable[[Runner, int], None]


def _always(**fields: Any) -> Callable[[], Iterator[Fields]]:
    return lambda: cycle([fields])


def _nothing(_: Runner, __: int) -> None:
    pass


def _limits(limits: Mapping[str, Any]) -> Callable[[Runner, int], None]:
    """Set limits that are never reached."""

    def prepare(runner: Runner, _: int) -> None:
        for name, one in limits.items():
            runner.run(throttles.set_encoded(name, one))

    return prepare


def crowd(runner: Runner, queue: str, count: int, fields: Callable[[int], Fields]) -> None:
    """Put many jobs into a queue, ten calls of a hundred at a time."""
    pages: list[Call[Any]] = []
    for start in range(0, count, PAGE):
        specs = [
            {"jid": f"c{start + at:031x}", "klass": KLASS, **fields(start + at)}
            for at in range(min(PAGE, count - start))
        ]
        pages.append(puts.put_many_encoded(queue, specs, [DATA] * len(specs)))
        if len(pages) == _PAGES or start + PAGE >= count:
            for result in runner.run_many(pages):
                if isinstance(result, Exception):
                    raise result
            pages = []


def park(runner: Runner, count: int) -> None:
    """Park so many jobs on a throttle that one job holds."""
    runner.run(throttles.set_encoded("api", {"concurrency": 1}))
    crowd(runner, "mail", 1, lambda _: {"jid": "holder", "throttles": ["api"]})
    runner.run(queues.pop_records(["mail"], "holder", 1))
    crowd(runner, "mail", 1, lambda _: {"jid": "first", "throttles": ["api"]})
    runner.run(queues.pop_records(["mail"], "holder", 1))
    crowd(runner, "mail", count - 1, lambda _: {"throttles": ["api"]})


def _user_of(number: int) -> Fields:
    return {"user": f"u{number}"}


def share(runner: Runner, users: int) -> None:
    """Have one job of each of many users wait."""
    crowd(runner, "mail", users, _user_of)


FREE: Final = {"concurrency": _MANY}
FAST: Final = {"rate": _MANY, "burst": _MANY}
FEATURES: Final = (
    Feature("plain", _always(), _nothing),
    Feature("a user", _always(user="ada"), _nothing),
    Feature("a user with max_running", _always(user="ada"), _limits({"user:ada": FREE})),
    Feature("a throttle of the queue", _always(), _limits({"queue:mail": FREE})),
    Feature("one throttle", _always(throttles=["a"]), _limits({"a": FREE})),
    Feature(
        "three throttles",
        _always(throttles=["a", "b", "c"]),
        _limits(dict.fromkeys("abc", FREE)),
    ),
    Feature("a rate", _always(throttles=["a"]), _limits({"a": FAST})),
    Feature("plain, {parked:,} parked in front", _always(), park),
    Feature(
        "{users:,} users who wait",
        lambda: (_user_of(number) for number in cycle(range(10_000))),
        lambda runner, n: share(runner, n // 10),
    ),
)


@dataclass(slots=True)
class _Place:
    """A namespace where jobs are put in one way, and what they cost so far, in seconds."""

    label: str
    runner: Runner
    fields: Iterator[Fields]
    rounds: list[Seconds]

    def price(self) -> Price:
        columns = zip(*self.rounds, strict=True)
        return Price(self.label, *(statistics.median(column) * 1e6 for column in columns))


def measure(
    connection: redis.Redis, count: int, parked: int, step: Callable[[int, int], None]
) -> list[Price]:
    """Let `count` jobs live in each way, some rounds over; give the medians.

    Every way has its namespace, so that a round can take them in turn: what else the machine does
    meanwhile is spread over all of them.
    """
    connection.flushall()
    places = []
    for at, feature in enumerate(FEATURES):
        label = feature.label.format(parked=parked, users=parked // 10)
        place = _Place(label, Runner(connection, f"p{at}"), feature.fields(), [])
        feature.prepare(place.runner, parked)
        _live(place.runner, place.fields, _WARM)
        places.append(place)
    for turn in range(_ROUNDS):
        step(turn, _ROUNDS)
        for place in places:
            place.rounds.append(_round(connection, place.runner, place.fields, count))
    step(_ROUNDS, _ROUNDS)
    return [place.price() for place in places]


def _round(
    connection: redis.Redis, runner: Runner, fields: Iterator[Fields], count: int
) -> Seconds:
    """Live through one round."""
    before = cpu(connection)
    for _ in range(count):
        runner.run(_put(next(fields)))
    after_put = cpu(connection)
    held = []
    for _ in range(count):
        held += runner.run(queues.pop_records(["mail"], "worker-1", 1)).jobs
    after_pop = cpu(connection)
    for job in held:
        runner.run(jobs.complete_encoded(job.jid, job.fields["lease"]))
    after = cpu(connection)
    if len(held) != count:
        raise RuntimeError(f"{len(held)} of {count} jobs came")
    waited = statistics.median(_live(runner, fields, count // 4))
    spent = (after_put - before, after_pop - after_put, after - after_pop)
    put, pop, complete = (one / count for one in spent)
    return put, pop, complete, waited


def _put(fields: Fields) -> Call[Any]:
    return puts.put_encoded("mail", uuid.uuid4().hex, KLASS, DATA, dict(fields))


def _live(runner: Runner, fields: Iterator[Fields], count: int) -> list[float]:
    """Put, pop and complete jobs one by one; give the seconds that each took."""
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        runner.run(_put(next(fields)))
        (job,) = runner.run(queues.pop_records(["mail"], "worker-1", 1)).jobs
        runner.run(jobs.complete_encoded(job.jid, job.fields["lease"]))
        taken.append(time.perf_counter() - begun)
    return taken


def cpu(connection: redis.Redis) -> float:
    """Give the seconds of CPU that the server has used."""
    info = connection.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])
