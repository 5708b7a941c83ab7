"""What users and throttles add to the cost of a job: CPU time of the server, and round trips."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import redis

from benchmarks.namespace import DATA, KLASS, pop_page, put_jobs
from benchmarks.server import cpu_seconds
from qless_py.protocol import Call, jobs, puts, queues, throttles
from qless_py.store.runner import Runner

_ROUNDS: Final = 7
_UNLIMITED: Final = 1_000_000
_WARM_UP: Final = 50

Options = Mapping[str, Any]
Seconds = tuple[float, float, float, float]
"""Per job: server CPU of put, pop and complete, and the round trips of all three."""


@dataclass(frozen=True, slots=True)
class FeatureCost:
    """Microseconds per job: server CPU of each call, and the round trips of all three."""

    label: str
    put: float
    pop: float
    complete: float
    round_trips: float

    @property
    def cpu(self) -> float:
        return self.put + self.pop + self.complete


@dataclass(frozen=True, slots=True)
class Feature:
    """A way to put jobs; `prepare` sets limits, or puts the jobs that are there before."""

    label: str
    options: Callable[[], Iterator[Options]]
    prepare: Callable[[Runner, int], None]


def _always(**options: Any) -> Callable[[], Iterator[Options]]:
    return lambda: cycle([options])


def _nothing(_: Runner, __: int) -> None:
    pass


def _limits(limits: Mapping[str, Any]) -> Callable[[Runner, int], None]:
    """Set limits that are never reached."""

    def prepare(runner: Runner, _: int) -> None:
        for name, one in limits.items():
            runner.run(throttles.set_encoded(name, one))

    return prepare


def park(runner: Runner, count: int) -> None:
    """Park jobs on a throttle whose only slot is taken."""
    runner.run(throttles.set_encoded("api", {"concurrency": 1}))
    for jid in ("holder", "first"):
        put_jobs(runner, "mail", [{"jid": jid, "throttles": ["api"]}])
        pop_page(runner, ["mail"], count=1)
    specs = ({"jid": f"c{at:031x}", "throttles": ["api"]} for at in range(count - 1))
    put_jobs(runner, "mail", specs)


def _put_of_users(runner: Runner, users: int) -> None:
    """Put a job of each user."""
    put_jobs(runner, "mail", ({"jid": f"c{at:031x}", "user": f"u{at}"} for at in range(users)))


_CONCURRENCY: Final = {"concurrency": _UNLIMITED}
_RATE: Final = {"rate": _UNLIMITED, "burst": _UNLIMITED}
FEATURES: Final = (
    Feature("plain", _always(), _nothing),
    Feature("a user", _always(user="ada"), _nothing),
    Feature("a user with max_running", _always(user="ada"), _limits({"user:ada": _CONCURRENCY})),
    Feature("a queue throttle", _always(), _limits({"queue:mail": _CONCURRENCY})),
    Feature("one throttle", _always(throttles=["a"]), _limits({"a": _CONCURRENCY})),
    Feature(
        "three throttles",
        _always(throttles=["a", "b", "c"]),
        _limits(dict.fromkeys("abc", _CONCURRENCY)),
    ),
    Feature("a rate limit", _always(throttles=["a"]), _limits({"a": _RATE})),
    Feature("plain, behind {parked:,} parked jobs", _always(), park),
    Feature(
        "{users:,} users waiting",
        lambda: ({"user": f"u{number}"} for number in cycle(range(10_000))),
        lambda runner, parked: _put_of_users(runner, parked // 10),
    ),
)


@dataclass(slots=True)
class _Namespace:
    """A namespace whose jobs use one feature, and the costs so far."""

    label: str
    runner: Runner
    options: Iterator[Options]
    rounds: list[Seconds]

    def cost(self) -> FeatureCost:
        columns = zip(*self.rounds, strict=True)
        return FeatureCost(self.label, *(statistics.median(column) * 1e6 for column in columns))


def measure(connection: redis.Redis, count: int, parked: int) -> list[FeatureCost]:
    """Put, pop and complete `count` jobs with each feature in several rounds; return the medians.

    Each feature has a namespace of its own, so that a round can alternate between them: whatever
    else the machine does meanwhile affects all of them.
    """
    connection.flushall()
    namespaces = []
    for at, feature in enumerate(FEATURES):
        label = feature.label.format(parked=parked, users=parked // 10)
        one = _Namespace(label, Runner(connection, f"p{at}"), feature.options(), [])
        feature.prepare(one.runner, parked)
        _round_trips(one.runner, one.options, _WARM_UP)
        namespaces.append(one)
    for _ in range(_ROUNDS):
        for one in namespaces:
            one.rounds.append(_round(connection, one.runner, one.options, count))
    return [one.cost() for one in namespaces]


def _round(
    connection: redis.Redis, runner: Runner, options: Iterator[Options], count: int
) -> Seconds:
    before = cpu_seconds(connection)
    for _ in range(count):
        runner.run(_put_call(next(options)))
    after_put = cpu_seconds(connection)
    held = []
    for _ in range(count):
        held += runner.run(queues.pop_records(["mail"], "worker-1", 1)).jobs
    after_pop = cpu_seconds(connection)
    for job in held:
        runner.run(jobs.complete_encoded(job.jid, job.fields["lease"]))
    after = cpu_seconds(connection)
    if len(held) != count:
        raise RuntimeError(f"popped {len(held)} of {count} jobs")
    round_trips = statistics.median(_round_trips(runner, options, count // 4))
    spent = (after_put - before, after_pop - after_put, after - after_pop)
    put, pop, complete = (one / count for one in spent)
    return put, pop, complete, round_trips


def _put_call(options: Options) -> Call[Any]:
    return puts.put_encoded("mail", uuid.uuid4().hex, KLASS, DATA, dict(options))


def _round_trips(runner: Runner, options: Iterator[Options], count: int) -> list[float]:
    """Put, pop and complete jobs one by one; return the seconds of each."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        runner.run(_put_call(next(options)))
        (job,) = runner.run(queues.pop_records(["mail"], "worker-1", 1)).jobs
        runner.run(jobs.complete_encoded(job.jid, job.fields["lease"]))
        taken.append(time.perf_counter() - began)
    return taken
