"""What a job costs: bytes while it waits, and CPU time of the server process during its life."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis

from benchmarks.scripts.space import DATA, KLASS, NAMESPACE, Lease
from qless_py.protocol import Call, jobs, puts, queues
from qless_py.store.runner import Runner

BYTES_BUDGET: Final = 640
BUDGETS: Final = {
    "put alone": 45,
    "put in calls of 100": 20,
    "put, pop, complete one by one": 130,
    "put, pop, complete in batches": 60,
}
_ROUNDS: Final = 3
_PIPELINE: Final = 100
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU time per job (or per bare call), in the median of some rounds."""

    label: str
    microseconds: float
    budget: float | None

    @property
    def within_budget(self) -> bool:
        return self.budget is None or self.microseconds <= self.budget


@dataclass(slots=True)
class Meter:
    """Reads the CPU time of the server around a piece of work."""

    redis: redis.Redis
    jobs: int
    runner: Runner
    held: list[Lease]

    def measure(self, work: Callable[[Meter], None]) -> float:
        """Give microseconds per job."""
        before = _cpu_seconds(self.redis)
        work(self)
        return (_cpu_seconds(self.redis) - before) / self.jobs * 1e6

    def send(self, call: Call[Any]) -> Any:
        return self.runner.run(call)

    def pipeline(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls in pipelines; none may be refused."""
        results = self.runner.run_many(calls)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results


def bytes_per_job(connection: redis.Redis, count: int) -> float:
    """Fill an empty keyspace with waiting jobs and see what each took."""
    meter = Meter(connection, count, Runner(connection, NAMESPACE), [])
    meter.send(_page())  # From here on the script and the buffers of the connection are there.
    connection.flushall()
    before = connection.info("memory")["used_memory"]
    _put_in_calls(meter)
    return float(connection.info("memory")["used_memory"] - before) / count


def measure(connection: redis.Redis, count: int, step: Callable[[int, int], None]) -> list[Cost]:
    """Live the lives of `count` jobs in every way, some rounds over."""
    found: dict[str, list[float]] = {}
    for turn in range(_ROUNDS):
        step(turn, _ROUNDS)
        for label, taken in _round(connection, count).items():
            found.setdefault(label, []).append(taken)
    step(_ROUNDS, _ROUNDS)
    return [
        Cost(label, statistics.median(rounds), BUDGETS.get(label))
        for label, rounds in found.items()
    ]


def _round(connection: redis.Redis, count: int) -> dict[str, float]:
    connection.flushall()
    meter = Meter(connection, count, Runner(connection, NAMESPACE), [])
    _warm(meter)
    found = {
        "PING alone": meter.measure(_ping),
        "PING in pipelines": meter.measure(_ping_in_pipelines),
        "empty script alone": meter.measure(_empty),
        "empty script in pipelines": meter.measure(_empty_in_pipelines),
        "put alone": meter.measure(_put),
        "pop alone": meter.measure(_pop),
        "complete alone": meter.measure(_complete),
        "put, pop, complete one by one": meter.measure(_live),
        "put in calls of 100": meter.measure(_put_in_calls),
        "pop of 16": meter.measure(_pop_in_calls),
        "complete_many of 16": meter.measure(_complete_in_calls),
    }
    batches = ("put in calls of 100", "pop of 16", "complete_many of 16")
    found["put, pop, complete in batches"] = sum(found[label] for label in batches)
    found["put in pipelines"] = meter.measure(_put_in_pipelines)
    found["pop of 1 in pipelines"] = meter.measure(_pop_in_pipelines)
    found["complete in pipelines"] = meter.measure(_complete_in_pipelines)
    return found


def _cpu_seconds(connection: redis.Redis) -> float:
    info = connection.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


def _jid() -> str:
    return uuid.uuid4().hex


def _one() -> Call[Any]:
    return puts.put_encoded("mail", _jid(), KLASS, DATA, {})


def _page() -> Call[Any]:
    fields = [{"jid": _jid(), "klass": KLASS} for _ in range(_PIPELINE)]
    return puts.put_many_encoded("mail", fields, [DATA] * _PIPELINE)


def _take(count: int) -> Call[Any]:
    return queues.pop_records(["mail"], "worker-1", count, "abcdef")


def _leases(reply: Any) -> list[Lease]:
    return [(job.jid, job.fields["lease"]) for job in reply.jobs]


def _warm(meter: Meter) -> None:
    """Load every script, so that no measurement holds its compilation."""
    meter.send(_page())
    for _ in range(2):
        meter.send(_one())
        meter.held = _leases(meter.send(_take(2)))
        meter.send(jobs.complete_encoded(*meter.held[0]))
        meter.send(jobs.complete_many([meter.held[1]], [b""]))
    while meter.send(_take(_PIPELINE)).jobs:
        pass
    meter.held = []


# A server that was idle for longer takes longer to wake: bare calls alone come as slowly as puts.
def _ping(meter: Meter) -> None:
    for _ in range(meter.jobs):
        _one()
        meter.redis.ping()


def _ping_in_pipelines(meter: Meter) -> None:
    _bare_pipelines(meter, ("PING",))


def _empty(meter: Meter) -> None:
    sha = meter.redis.script_load("#!lua\nreturn 1")
    for _ in range(meter.jobs):
        _one()
        meter.redis.execute_command("EVALSHA", sha, 1, "{ql}")


def _empty_in_pipelines(meter: Meter) -> None:
    _bare_pipelines(meter, ("EVALSHA", meter.redis.script_load("#!lua\nreturn 1"), 1, "{ql}"))


def _bare_pipelines(meter: Meter, command: Sequence[Any]) -> None:
    for _ in range(meter.jobs // _PIPELINE):
        pipeline = meter.redis.pipeline(transaction=False)
        for _ in range(_PIPELINE):
            pipeline.execute_command(*command)
        pipeline.execute()


def _put(meter: Meter) -> None:
    for _ in range(meter.jobs):
        meter.send(_one())


def _pop(meter: Meter) -> None:
    meter.held = [lease for _ in range(meter.jobs) for lease in _leases(meter.send(_take(1)))]


def _complete(meter: Meter) -> None:
    for jid, lease in meter.held:
        meter.send(jobs.complete_encoded(jid, lease))


def _live(meter: Meter) -> None:
    for _ in range(meter.jobs):
        meter.send(_one())
        ((jid, lease),) = _leases(meter.send(_take(1)))
        meter.send(jobs.complete_encoded(jid, lease))


def _put_in_calls(meter: Meter) -> None:
    for _ in range(meter.jobs // _PIPELINE):
        meter.send(_page())


def _pop_in_calls(meter: Meter) -> None:
    meter.held = []
    while found := _leases(meter.send(_take(_AT_ONCE))):
        meter.held += found


def _complete_in_calls(meter: Meter) -> None:
    for start in range(0, len(meter.held), _AT_ONCE):
        some = meter.held[start : start + _AT_ONCE]
        meter.send(jobs.complete_many(some, [b""] * len(some)))


def _put_in_pipelines(meter: Meter) -> None:
    meter.pipeline([_one() for _ in range(meter.jobs)])


def _pop_in_pipelines(meter: Meter) -> None:
    replies = meter.pipeline([_take(1)] * meter.jobs)
    meter.held = [lease for reply in replies for lease in _leases(reply)]


def _complete_in_pipelines(meter: Meter) -> None:
    meter.pipeline([jobs.complete_encoded(jid, lease) for jid, lease in meter.held])
