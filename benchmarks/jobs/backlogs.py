"""Backlogs processed by a worker of this project: rates, and the CPU time of server and worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.jobs import limits, puts
from benchmarks.jobs.rounds import Reading, Readings
from benchmarks.jobs.scale import Scale
from benchmarks.jobs.worker_process import QUEUE, worker
from benchmarks.server import cpu_seconds
from qless_py import Client
from tests.servers import Server

HANDLERS: Final = "benchmarks.jobs.handlers"
FORK: Final = "fork, exit, wait: same imports"
SHARE: Final = "share of the slower side"
_WARM_UP: Final = 20


@dataclass(frozen=True, slots=True)
class Run:
    """Jobs per second, and CPU microseconds per job: of server, worker, and children alone."""

    rate: float
    server: float
    worker: float
    children: float


def process(
    server: Server,
    count: int,
    *arguments: str,
    klass: str = puts.NO_OP,
    data: Any = puts.DATA,
    children: int = 2,
) -> Run:
    """Put jobs into the paused queue of an idle worker, unpause it, wait for the last job."""
    with Client(server.url) as client:
        client.redis.flushall()
        queue = client.queues[QUEUE]
        with worker(server, *arguments, children=children) as one:
            puts.put_many(client, _WARM_UP, klass, data)
            one.wait(lambda: not unfinished(client))
            queue.pause()
            puts.put_many(client, count, klass, data)
            on_server, all_of_it = cpu_seconds(client.redis), one.cpu_seconds()
            of_children = one.children_cpu_seconds()
            began = time.perf_counter()
            queue.unpause()
            one.wait(lambda: not unfinished(client))
            seconds = time.perf_counter() - began
            spent = (
                cpu_seconds(client.redis) - on_server,
                one.cpu_seconds() - all_of_it,
                one.children_cpu_seconds() - of_children,
            )
        _check_completed(client, count + _WARM_UP)
    return Run(count / seconds, *(1e6 * value / count for value in spent))


def unfinished(client: Client) -> int:
    """Return how many jobs are not complete."""
    counts = client.queues[QUEUE].counts
    return counts["waiting"] + counts["running"] + counts["stalled"] + counts["scheduled"]


def _check_completed(client: Client, count: int) -> None:
    failed = client.jobs.failed()
    completed = client.queues[QUEUE].stats()["run"]["count"]
    if failed or completed != count:
        raise RuntimeError(f"{completed} of {count} jobs completed; failed: {failed}")


def no_op(server: Server, scale: Scale, *arguments: str) -> Readings:
    """Measure jobs that do nothing, with two children."""
    run = process(server, scale.jobs, *arguments)
    yield Reading("no-op jobs", run.rate, "jobs/s")
    yield Reading("server CPU of the rest of a job", run.server, "us")
    yield Reading("worker CPU per job", run.worker, "us")


def without_file(server: Server, scale: Scale) -> Readings:
    """Measure the same as `no_op` and the puts, on a server without an append-only file."""
    with Client(server.url) as client:
        yield from puts.one_by_one(client, scale)
    yield from no_op(server, scale)


def one_child(server: Server, scale: Scale) -> Readings:
    """Measure one child, and what each of its two sides could do if it never waited."""
    run = process(server, scale.jobs, children=1)
    yield Reading("no-op jobs", run.rate, "jobs/s")
    yield Reading("CPU of the child per job", run.children, "us")
    yield Reading("CPU of the server per job", run.server, "us")
    of_child, of_server = 1e6 / run.children, 1e6 / run.server
    yield Reading("the child alone", of_child, "jobs/s")
    yield Reading("the server alone", of_server, "jobs/s")
    yield Reading(SHARE, run.rate / min(of_child, of_server), "")


def pool(server: Server, scale: Scale, handler: str, *arguments: str) -> Readings:
    """Measure one child that runs this handler."""
    klass = f"{HANDLERS}.{handler}"
    run = process(server, scale.jobs, *arguments, klass=klass, children=1)
    yield Reading("no-op jobs", run.rate, "jobs/s")
    yield Reading("CPU of the child per job", run.children, "us")
    yield Reading("CPU of the server per job", run.server, "us")


def timed_jobs(server: Server, scale: Scale) -> Readings:
    """Measure jobs that take 1 and 10 ms."""
    for milliseconds in (1, 10):
        data = {"seconds": milliseconds / 1000}
        count = max(scale.jobs // 10 // milliseconds, 20)
        run = process(server, count, klass=f"{HANDLERS}.sleep", data=data)
        yield Reading(f"jobs of {milliseconds} ms", run.rate, "jobs/s")
        maximum = 2000 / milliseconds
        yield Reading(f"  of the maximum, {milliseconds} ms", 100 * run.rate / maximum, "%")


def forking(server: Server, scale: Scale) -> Readings:
    """Measure jobs that run in a process each, next to plain forks of an equal parent."""
    imports = f"import qless_py.worker.child, {HANDLERS}"
    yield Reading(FORK, limits.forks(imports, scale.forks), "/s")
    run = process(server, scale.forks, "--isolation", "job")
    yield Reading("no-op jobs", run.rate, "jobs/s")
    yield Reading("worker CPU per job", run.worker, "us")
