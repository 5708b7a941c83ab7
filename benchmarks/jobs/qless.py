"""This project: rates of put and completion, pickup latency, forks, recovery."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.jobs import limits
from benchmarks.jobs.report import Figure, Scale
from benchmarks.jobs.worker_process import QUEUE, worker
from benchmarks.namespace import PAGE, batched
from benchmarks.server import cpu_seconds
from qless_py import Client
from qless_py.client.job import Job
from qless_py.protocol.options import PutSpec
from tests.servers import Server

DATA: Final = {"user": 12345, "address": "someone@example.org", "subject": "Welcome", "tries": 3}
_HANDLERS: Final = "benchmarks.jobs.handlers"
NO_OP: Final = f"{_HANDLERS}.no_op"
# Arguments of the worker.
SETTINGS: Final = {"default settings": (), "best settings": ("--batch", "100")}
_BULLMQ_RATE: Final = 8_200  # No-op jobs per second on such a machine.
_PEER_PICKUP: Final = 1.2  # Milliseconds on such a machine.


@dataclass(frozen=True, slots=True)
class Run:
    """The time to complete a number of jobs, and microseconds of server CPU per job."""

    jobs: int
    seconds: float
    server_cpu: float

    @property
    def rate(self) -> float:
        return self.jobs / self.seconds


def put_rates(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure puts: one job per call, a hundred per call, pipelines of single jobs."""
    for label, put in (("one by one", _put), ("in bulk", _put_many), ("pipelined", _pipeline)):
        with Client(server.url) as client:
            client.redis.flushall()
            began = time.perf_counter()
            put(client, scale.jobs)
            rate = scale.jobs / (time.perf_counter() - began)
        yield Figure("put", label, rate, "jobs/s")


def _put(client: Client, count: int) -> None:
    queue = client.queues[QUEUE]
    for _ in range(count):
        queue.put(NO_OP, DATA)


def _put_many(client: Client, count: int, klass: str = NO_OP, data: Any = DATA) -> None:
    queue = client.queues[QUEUE]
    job: PutSpec = {"klass": klass, "data": data}
    for page in batched([job] * count):
        queue.put_many(page)


def _pipeline(client: Client, count: int) -> None:
    for _ in range(count // PAGE):
        with client.pipeline() as pipeline:
            for _ in range(PAGE):
                pipeline.put(QUEUE, NO_OP, DATA)


def job_rates(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure the processing of a backlog: no-op jobs, and jobs that take 1 and 10 ms."""
    part = "backlog processed by 2 children"
    for label, arguments in SETTINGS.items():
        done = process_backlog(server, scale.jobs, NO_OP, DATA, *arguments)
        target = 3 * _BULLMQ_RATE if label == "best settings" else None
        yield Figure(part, f"no-op jobs, {label}", done.rate, "jobs/s", target)
        yield Figure(part, f"  server CPU per job, {label}", done.server_cpu, "us")
    for milliseconds in (1, 10):
        data = {"seconds": milliseconds / 1000}
        count = max(scale.jobs // 10 // milliseconds, 200)
        done = process_backlog(server, count, f"{_HANDLERS}.sleep", data)
        yield Figure(part, f"jobs of {milliseconds} ms", done.rate, "jobs/s")
        maximum = 2000 / milliseconds
        yield Figure(part, "  share of the maximum of 2 children", 100 * done.rate / maximum, "%")


def process_backlog(server: Server, count: int, klass: str, data: Any, *arguments: str) -> Run:
    """Put jobs into a paused queue, start a worker, unpause the queue, wait for the last job."""
    with Client(server.url) as client:
        client.redis.flushall()
        queue = client.queues[QUEUE]
        queue.pause()
        _put_many(client, count, klass, data)
        with worker(server, *arguments) as wait:
            cpu = cpu_seconds(client.redis)
            began = time.perf_counter()
            queue.unpause()
            wait(lambda: not _unfinished(client))
            seconds = time.perf_counter() - began
            spent = (cpu_seconds(client.redis) - cpu) / count * 1e6
        _check_completed(client, count)
        return Run(count, seconds, spent)


def _unfinished(client: Client) -> int:
    counts = client.queues[QUEUE].counts
    return counts["waiting"] + counts["running"] + counts["stalled"] + counts["scheduled"]


def _check_completed(client: Client, count: int) -> None:
    failed = client.jobs.failed()
    completed = client.queues[QUEUE].stats()["run"]["count"]
    if failed or completed != count:
        raise RuntimeError(f"{completed} of {count} jobs completed; failed: {failed}")


def pickup(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure the time from before a put to the first line of the handler, with an idle worker."""
    part = "pickup latency, idle worker"
    with Client(server.url) as client:
        client.redis.flushall()
        with worker(server) as wait:
            queue = client.queues[QUEUE]
            jids = []
            for _ in range(scale.pickups):
                time.sleep(random.uniform(*limits.PAUSE))
                sent = {"sent": time.time()}
                jids.append(queue.put(f"{_HANDLERS}.time_since_put", sent))
            wait(lambda: not _unfinished(client))
        waits = [1000 * value for value in results(client, jids)]
    for label, value in zip(("p50", "p95", "p99"), percentiles(waits), strict=True):
        target = 0.7 * _PEER_PICKUP if label == "p50" else None
        yield Figure(part, label, value, "ms", target, "max")


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the percentiles p50, p95 and p99."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def results(client: Client, jids: Sequence[str]) -> list[float]:
    """Return the results of jobs."""
    found = []
    for jid in jids:
        job = client.jobs[jid]
        if not isinstance(job, Job) or job.result is None:
            raise RuntimeError(f"{jid} has no result")
        found.append(float(job.result))
    return found


def forking(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure jobs that run in a process each, next to forks of an equally small parent."""
    part = "one process per job"
    forks = limits.forks("import qless_py.worker", scale.forks)
    yield Figure(part, "fork only, same imports", forks, "/s")
    done = process_backlog(server, scale.forks, NO_OP, DATA, "--isolation", "job")
    yield Figure(part, "no-op jobs", done.rate, "jobs/s", 0.6 * forks)


def recovery(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure the time from the SIGKILL of a child to the next run of its job."""
    with Client(server.url) as client:
        client.redis.flushall()
        data = {"folder": str(server.folder)}
        with worker(server) as wait:
            queue = client.queues[QUEUE]
            jids = []
            for _ in range(scale.kills):
                jids.append(queue.put(f"{_HANDLERS}.kill_once", data))
                wait(lambda: not _unfinished(client))
        waits = results(client, jids)
    part = "child killed by SIGKILL"
    yield Figure(part, "job runs again after, median", statistics.median(waits), "s", 2, "max")
    yield Figure(part, "job runs again after, worst", max(waits), "s")
