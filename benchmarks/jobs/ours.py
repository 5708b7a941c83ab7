"""This project: put, work off, pick up, fork, recover."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.jobs import floors
from benchmarks.jobs.fleet import QUEUE, worker
from benchmarks.jobs.report import Figure, Scale
from qless_py import Client
from qless_py.client.job import Job
from tests.servers import Server

DATA: Final = {"user": 12345, "address": "someone@example.org", "subject": "Welcome", "tries": 3}
NOTHING: Final = "benchmarks.jobs.handlers.nothing"
# What a setting is called, its children, and its arguments.
SETTINGS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "default setting": (2, ()),
    "best setting": (2, ("--batch", "100")),
}
_CALL: Final = 100
_BULLMQ: Final = 8_200  # No-op jobs a second, on such a machine.
_PEER_PICKUP: Final = 1.2  # Milliseconds, likewise.


@dataclass(frozen=True, slots=True)
class Run:
    """How long it took to work a number of jobs off, and what the server spent on each."""

    jobs: int
    seconds: float
    server_cpu: float

    @property
    def rate(self) -> float:
        return self.jobs / self.seconds


def puts(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure putting: one job in a call, a hundred in a call, pipelines of single ones."""
    part = "put"
    for label, put in (("one by one", _one_by_one), ("in bulk", _in_bulk), ("pipelined", _piped)):
        with Client(server.url) as client:
            client.redis.flushall()
            began = time.perf_counter()
            put(client, scale.jobs)
            rate = scale.jobs / (time.perf_counter() - began)
        yield Figure(part, label, rate, "jobs/s")


def _one_by_one(client: Client, count: int) -> None:
    queue = client.queues[QUEUE]
    for _ in range(count):
        queue.put(NOTHING, DATA)


def _in_bulk(client: Client, count: int) -> None:
    fill(client, count, NOTHING, DATA)


def _piped(client: Client, count: int) -> None:
    for _ in range(count // _CALL):
        with client.pipeline() as pipeline:
            for _ in range(_CALL):
                pipeline.put(QUEUE, NOTHING, DATA)


def fill(client: Client, count: int, klass: str, data: Any) -> None:
    """Put so many equal jobs."""
    queue = client.queues[QUEUE]
    for first in range(0, count, _CALL):
        queue.put_many([{"klass": klass, "data": data}] * min(_CALL, count - first))


def rates(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure working off: jobs that do nothing, and jobs that take 1 and 10 ms."""
    part = "put in advance, worked off by 2 children"
    for label, (children, arguments) in SETTINGS.items():
        done = work_off(server, scale.jobs, NOTHING, DATA, *arguments, children=children)
        target = 3 * _BULLMQ if label == "best setting" else None
        yield Figure(part, f"jobs that do nothing, {label}", done.rate, "jobs/s", target)
        yield Figure(part, f"  server CPU of each, {label}", done.server_cpu, "us")
    for milliseconds in (1, 10):
        data = {"seconds": milliseconds / 1000}
        count = max(scale.jobs // 10 // milliseconds, 200)
        done = work_off(server, count, "benchmarks.jobs.handlers.rest", data)
        yield Figure(part, f"jobs of {milliseconds} ms", done.rate, "jobs/s")
        ideal = 2000 / milliseconds
        yield Figure(part, "  of what two sleepers could do", 100 * done.rate / ideal, "%")


def work_off(
    server: Server, count: int, klass: str, data: Any, *arguments: str, children: int = 2
) -> Run:
    """Put jobs into a paused queue, start a worker, open the queue, wait for the last job."""
    with Client(server.url) as client:
        client.redis.flushall()
        queue = client.queues[QUEUE]
        queue.pause()
        fill(client, count, klass, data)
        with worker(server, *arguments, children=children) as wait:
            cpu = _cpu(client)
            began = time.perf_counter()
            queue.unpause()
            wait(lambda: not _left(client))
            seconds = time.perf_counter() - began
            spent = (_cpu(client) - cpu) / count * 1e6
        _check(client, count)
        return Run(count, seconds, spent)


def _left(client: Client) -> int:
    counts = client.queues[QUEUE].counts
    return counts["waiting"] + counts["running"] + counts["stalled"] + counts["scheduled"]


def _check(client: Client, count: int) -> None:
    failed = client.jobs.failed()
    day = client.queues[QUEUE].stats()
    if failed or day["run"]["count"] != count:
        raise RuntimeError(f"of {count} jobs {day['run']['count']} completed; failed: {failed}")


def _cpu(client: Client) -> float:
    info = client.redis.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


def pickup(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure how long a job waits for an idle worker: from before its put to its first line."""
    part = "pickup on an idle queue"
    with Client(server.url) as client:
        client.redis.flushall()
        with worker(server) as wait:
            queue = client.queues[QUEUE]
            jids = []
            for _ in range(scale.pickups):
                time.sleep(random.uniform(*floors.PAUSE))
                sent = {"sent": time.time()}
                jids.append(queue.put("benchmarks.jobs.handlers.stamp", sent))
            wait(lambda: not _left(client))
        waits = [1000 * value for value in results(client, jids)]
    for label, value in zip(("p50", "p95", "p99"), quantiles(waits), strict=True):
        target = 0.7 * _PEER_PICKUP if label == "p50" else None
        yield Figure(part, label, value, "ms", target, "most")


def quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Give the median, and the values that 95 and 99 of a hundred do not exceed."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def results(client: Client, jids: Sequence[str]) -> list[float]:
    """Give what the jobs returned."""
    found = []
    for jid in jids:
        job = client.jobs[jid]
        if not isinstance(job, Job) or job.result is None:
            raise RuntimeError(f"{jid} has no result")
        found.append(float(job.result))
    return found


def forking(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure a fork for each job, beside a bare one out of the same lean parent."""
    part = "a process for each job"
    bare = floors.forks("import qless_py.worker", scale.forks)
    yield Figure(part, "bare fork out of such a parent", bare, "/s")
    done = work_off(server, scale.forks, NOTHING, DATA, "--isolation", "job")
    yield Figure(part, "jobs that do nothing", done.rate, "jobs/s", 0.6 * bare)


def recovery(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure from the kill -9 of a child to its job's next start."""
    with Client(server.url) as client:
        client.redis.flushall()
        data = {"folder": str(server.folder)}
        with worker(server) as wait:
            queue = client.queues[QUEUE]
            jids = []
            for _ in range(scale.deaths):
                jids.append(queue.put("benchmarks.jobs.handlers.die_once", data))
                wait(lambda: not _left(client))
        waits = results(client, jids)
    part = "a child killed by SIGKILL"
    yield Figure(part, "its job runs again, median", statistics.median(waits), "s", 2, "most")
    yield Figure(part, "its job runs again, worst", max(waits), "s")
