"""The cost of a job: memory while it waits, and the server's CPU time for all of its calls."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import redis

from benchmarks.namespace import DATA, KLASS, NAMESPACE, PAGE, Lease, batched, send
from benchmarks.scripts.timing import NO_OP, NO_OP_LIBRARY
from benchmarks.server import cpu_seconds
from qless_py.protocol import Call, config, jobs, puts, queues
from qless_py.store.runner import Runner

BYTES_BUDGET: Final = 560
COMPLETED_BYTES_BUDGET: Final = 600
PING: Final = "PING one by one"
PUT: Final = "put one by one"
LIFE: Final = ("put_many of 100", "pop of 50", "complete_many of 50")
BUDGETS: Final = {
    PUT: 45,
    "put_many of 100": 20,
    "put, pop, complete one by one": 130,
    "put, pop, complete in batches": 60,
}
_ROUNDS: Final = 3
_BATCH: Final = 16
_WORKER_BATCH: Final = 50  # What a worker pops at once by default.


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of server CPU per job, PING or no-op script: the median of the rounds."""

    label: str
    microseconds: float
    budget: float | None

    @property
    def within_budget(self) -> bool:
        return self.budget is None or self.microseconds <= self.budget


@dataclass(slots=True)
class Meter:
    """Measures the server's CPU time for a number of jobs."""

    redis: redis.Redis
    jobs: int
    runner: Runner = field(init=False)
    held: list[Lease] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runner = Runner(self.redis, NAMESPACE)

    def measure(self, work: Callable[[Meter], None]) -> float:
        """Return the microseconds per job."""
        before = cpu_seconds(self.redis)
        work(self)
        return (cpu_seconds(self.redis) - before) / self.jobs * 1e6

    def pop(self, count: int) -> list[Lease]:
        return _leases(self.runner.run(_pop_call(count)))


def bytes_per_job(connection: redis.Redis, count: int) -> float:
    """Return the bytes that each waiting job adds to an empty keyspace."""
    meter = Meter(connection, count)
    before = _empty_memory(meter)
    _put_pages(meter)
    return float(connection.info("memory")["used_memory"] - before) / count


def bytes_per_completed_job(connection: redis.Redis, count: int) -> float:
    """Return the bytes that each job without a result adds to an empty keyspace once completed."""
    meter = Meter(connection, count)
    before = _empty_memory(meter)
    _put_pages(meter)
    _pop_batches(meter, PAGE)
    _complete_batches(meter, PAGE)
    return float(connection.info("memory")["used_memory"] - before) / count


def _empty_memory(meter: Meter) -> int:
    """Return the bytes that the server uses without a job, all scripts loaded and buffers made."""
    _load_scripts(meter)
    # The server frees the buffer that held the library when it gets round to it.
    meter.redis.connection_pool.disconnect()
    _load_scripts(meter)
    meter.redis.flushall()
    return int(meter.redis.info("memory")["used_memory"])


def basic_costs(connection: redis.Redis, count: int) -> dict[str, float]:
    """Measure once a PING, a put, and the calls of `LIFE`, in an empty keyspace."""
    connection.flushall()
    meter = Meter(connection, count)
    _load_scripts(meter)
    found = {PING: meter.measure(_ping), PUT: meter.measure(_put)}
    connection.flushall()
    works = (
        _put_pages,
        lambda meter: _pop_batches(meter, _WORKER_BATCH),
        lambda meter: _complete_batches(meter, _WORKER_BATCH),
    )
    return found | {label: meter.measure(work) for label, work in zip(LIFE, works, strict=True)}


def measure(connection: redis.Redis, count: int) -> list[Cost]:
    """Put, pop and complete `count` jobs in every way, in several rounds."""
    rounds = [_round(connection, count) for _ in range(_ROUNDS)]
    return [
        Cost(label, statistics.median(one[label] for one in rounds), BUDGETS.get(label))
        for label in rounds[0]
    ]


def _round(connection: redis.Redis, count: int) -> dict[str, float]:
    connection.flushall()
    meter = Meter(connection, count)
    _load_scripts(meter)
    found = {
        PING: meter.measure(_ping),
        "PING in pipelines": meter.measure(_pipeline_ping),
        "no-op script one by one": meter.measure(_no_op),
        "no-op script in pipelines": meter.measure(_pipeline_no_op),
        PUT: meter.measure(_put),
        "pop one by one": meter.measure(_pop),
        "complete one by one": meter.measure(_complete),
        "put, pop, complete one by one": meter.measure(_put_pop_complete),
        "the same without statistics by class": meter.measure(_without_klass_stats),
        "put_many of 100": meter.measure(_put_pages),
        "pop of 16": meter.measure(_pop_batches),
        "complete_many of 16": meter.measure(_complete_batches),
    }
    batches = ("put_many of 100", "pop of 16", "complete_many of 16")
    found["put, pop, complete in batches"] = sum(found[label] for label in batches)
    found["put in pipelines"] = meter.measure(_pipeline_put)
    found["pop of 1 in pipelines"] = meter.measure(_pipeline_pop)
    found["complete in pipelines"] = meter.measure(_pipeline_complete)
    return found


def _put_call() -> Call[Any]:
    return puts.put_encoded("mail", uuid.uuid4().hex, KLASS, DATA, {})


def _put_page_call() -> Call[Any]:
    fields = [{"jid": uuid.uuid4().hex, "klass": KLASS} for _ in range(PAGE)]
    return puts.put_many_encoded("mail", fields, [DATA] * PAGE)


def _pop_call(count: int) -> Call[Any]:
    return queues.pop_records(["mail"], "worker-1", count, "abcdef")


def _without_klass_stats(meter: Meter) -> None:
    meter.runner.run(config.set_option("klass-stats", 0))
    _put_pop_complete(meter)
    meter.runner.run(config.unset_option("klass-stats"))


def _leases(reply: Any) -> list[Lease]:
    return [(job.jid, job.fields["lease"]) for job in reply.jobs]


def _load_scripts(meter: Meter) -> None:
    """Run every script, so that no measurement includes its compilation."""
    run = meter.runner.run
    run(_put_page_call())
    for _ in range(2):
        run(_put_call())
        first, second = meter.pop(2)
        run(jobs.complete_encoded(*first))
        run(jobs.complete_many([second], [b""]))
    while meter.pop(PAGE):
        pass


# A server that was idle for longer takes longer to wake up. Each PING and no-op script is therefore
# preceded by building a put call, which is not sent: they reach the server at the pace of puts.
def _ping(meter: Meter) -> None:
    for _ in range(meter.jobs):
        _put_call()
        meter.redis.ping()


def _no_op(meter: Meter) -> None:
    meter.redis.function_load(NO_OP_LIBRARY, replace=True)
    for _ in range(meter.jobs):
        _put_call()
        meter.redis.execute_command("FCALL", NO_OP, 1, "{ql}")


def _pipeline_ping(meter: Meter) -> None:
    _pipeline(meter, "PING")


def _pipeline_no_op(meter: Meter) -> None:
    meter.redis.function_load(NO_OP_LIBRARY, replace=True)
    _pipeline(meter, "FCALL", NO_OP, 1, "{ql}")


def _pipeline(meter: Meter, *command: Any) -> None:
    for _ in range(meter.jobs // PAGE):
        pipeline = meter.redis.pipeline(transaction=False)
        for _ in range(PAGE):
            pipeline.execute_command(*command)
        pipeline.execute()


def _put(meter: Meter) -> None:
    for _ in range(meter.jobs):
        meter.runner.run(_put_call())


def _pop(meter: Meter) -> None:
    meter.held = [lease for _ in range(meter.jobs) for lease in meter.pop(1)]


def _complete(meter: Meter) -> None:
    for jid, lease in meter.held:
        meter.runner.run(jobs.complete_encoded(jid, lease))


def _put_pop_complete(meter: Meter) -> None:
    for _ in range(meter.jobs):
        meter.runner.run(_put_call())
        ((jid, lease),) = meter.pop(1)
        meter.runner.run(jobs.complete_encoded(jid, lease))


def _put_pages(meter: Meter) -> None:
    for _ in range(meter.jobs // PAGE):
        meter.runner.run(_put_page_call())


def _pop_batches(meter: Meter, size: int = _BATCH) -> None:
    meter.held = []
    while found := meter.pop(size):
        meter.held += found


def _complete_batches(meter: Meter, size: int = _BATCH) -> None:
    for some in batched(meter.held, size):
        meter.runner.run(jobs.complete_many(some, [b""] * len(some)))


def _pipeline_put(meter: Meter) -> None:
    send(meter.runner, [_put_call() for _ in range(meter.jobs)])


def _pipeline_pop(meter: Meter) -> None:
    replies = send(meter.runner, [_pop_call(1)] * meter.jobs)
    meter.held = [lease for reply in replies for lease in _leases(reply)]


def _pipeline_complete(meter: Meter) -> None:
    send(meter.runner, [jobs.complete_encoded(jid, lease) for jid, lease in meter.held])
