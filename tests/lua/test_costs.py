"""What a job costs the server in numbers that no machine changes: commands and bytes.

The bounds are what is used now. A change that needs more raises them here, and says why.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

from benchmarks.namespace import DATA, KLASS, NAMESPACE, PAGE, Lease, batched, pop_page
from benchmarks.scripts import job_costs
from qless_py.protocol import jobs, puts
from qless_py.store.runner import Runner

JOBS = 200
BATCH = 50

Measure = Callable[[Callable[[], Any]], tuple[Any, float]]


@pytest.fixture
def commands(redis: redis_py.Redis) -> Measure:
    """Return a function that counts the commands per job, those inside scripts included."""

    def total() -> int:
        stats = redis.info("commandstats")
        return sum(int(one["calls"]) for name, one in stats.items() if name != "cmdstat_info")

    def measure(work: Callable[[], Any]) -> tuple[Any, float]:
        before = total()
        found = work()
        return found, (total() - before) / JOBS

    return measure


@pytest.fixture
def runner(redis: redis_py.Redis) -> Runner:
    """Return a runner whose scripts the server has."""
    made = Runner(redis, NAMESPACE)
    _put(made)
    ((jid, lease),) = pop_page(made, ["mail"], count=1)
    made.run(jobs.complete_encoded(jid, lease))
    made.run(puts.put_many_encoded("mail", [{"jid": "one", "klass": KLASS}], [DATA]))
    made.run(jobs.complete_many(pop_page(made, ["mail"], count=1), [b""]))
    return made


def _put(runner: Runner, count: int = 1) -> None:
    for _ in range(count):
        runner.run(puts.put_encoded("mail", uuid.uuid4().hex, KLASS, DATA, {}))


def _put_pages(runner: Runner) -> None:
    for _ in range(JOBS // PAGE):
        fields = [{"jid": uuid.uuid4().hex, "klass": KLASS} for _ in range(PAGE)]
        runner.run(puts.put_many_encoded("mail", fields, [DATA] * PAGE))


def _pop(runner: Runner, size: int) -> list[Lease]:
    return [one for _ in range(JOBS // size) for one in pop_page(runner, ["mail"], count=size)]


def _complete(runner: Runner, held: list[Lease]) -> None:
    for one in held:
        runner.run(jobs.complete_encoded(*one))


def _complete_pages(runner: Runner, held: list[Lease]) -> None:
    for some in batched(held, BATCH):
        runner.run(jobs.complete_many(some, [b""] * len(some)))


def test_commands_of_a_job_one_by_one(commands: Measure, runner: Runner) -> None:
    _, put = commands(lambda: _put(runner, JOBS))
    held, pop = commands(lambda: _pop(runner, 1))
    _, complete = commands(lambda: _complete(runner, held))

    assert len(held) == JOBS
    assert 1 < put <= 14
    assert 1 < pop <= 25.5
    assert 1 < complete <= 24.5


def test_commands_of_a_job_in_batches(commands: Measure, runner: Runner) -> None:
    _, put = commands(lambda: _put_pages(runner))
    held, pop = commands(lambda: _pop(runner, BATCH))
    _, complete = commands(lambda: _complete_pages(runner, held))

    assert len(held) == JOBS
    assert 0 < put <= 1.2
    assert 0 < pop <= 0.6
    assert 0 < complete <= 1.5


def test_bytes_of_a_job(redis: redis_py.Redis) -> None:
    waiting = job_costs.bytes_per_job(redis, 2000)
    redis.flushall()
    completed = job_costs.bytes_per_completed_job(redis, 2000)

    assert len(DATA) < waiting <= job_costs.BYTES_BUDGET
    assert len(DATA) < completed <= job_costs.COMPLETED_BYTES_BUDGET
