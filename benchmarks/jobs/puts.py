"""Puts of this project: one by one, in bulk, in pipelines, and from asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from benchmarks.jobs.rounds import Reading, Readings
from benchmarks.jobs.scale import Scale
from benchmarks.jobs.worker_process import QUEUE
from benchmarks.namespace import PAGE, batched
from benchmarks.server import cpu_seconds
from qless_py import Client
from qless_py.aio import Client as AsyncClient
from qless_py.protocol.options import PutSpec
from tests.servers import Server

DATA: Final = {"user": 12345, "address": "someone@example.org", "subject": "Welcome", "tries": 3}
NO_OP: Final = "benchmarks.jobs.handlers.no_op"


def measure(server: Server, scale: Scale) -> Readings:
    """Measure every way to put jobs."""
    with Client(server.url) as client:
        yield from one_by_one(client, scale)
        yield _reading("put in bulk", client, put_many, scale.jobs)
        yield _reading("put in pipelines", client, _pipeline, scale.puts)
    one, gathered = asyncio.run(_asyncio_rates(server, scale))
    yield Reading("asyncio, one by one", one, "jobs/s")
    yield Reading("asyncio, gathered by 100", gathered, "jobs/s")


def one_by_one(client: Client, scale: Scale) -> Readings:
    """Measure one put after the other, on an empty server."""
    put_many(client, 1)  # Connect.
    client.redis.flushall()
    _put(client, 1)
    before = cpu_seconds(client.redis)
    began = time.perf_counter()
    _put(client, scale.puts)
    seconds = time.perf_counter() - began
    spent = cpu_seconds(client.redis) - before
    yield Reading("put one by one", scale.puts / seconds, "jobs/s")
    yield Reading("server CPU of a put", 1e6 * spent / scale.puts, "us")


def _reading(label: str, client: Client, put: Callable[[Client, int], None], count: int) -> Reading:
    client.redis.flushall()
    began = time.perf_counter()
    put(client, count)
    return Reading(label, count / (time.perf_counter() - began), "jobs/s")


def _put(client: Client, count: int) -> None:
    queue = client.queues[QUEUE]
    for _ in range(count):
        queue.put(NO_OP, DATA)


def put_many(client: Client, count: int, klass: str = NO_OP, data: Any = DATA) -> None:
    """Put jobs, a hundred in a call."""
    queue = client.queues[QUEUE]
    job: PutSpec = {"klass": klass, "data": data}
    for page in batched([job] * count):
        queue.put_many(page)


def _pipeline(client: Client, count: int) -> None:
    for page in batched(range(count)):
        with client.pipeline() as pipeline:
            for _ in page:
                pipeline.put(QUEUE, NO_OP, DATA)


async def _asyncio_rates(server: Server, scale: Scale) -> tuple[float, float]:
    """Return the jobs per second put one after the other, and a hundred at once."""
    async with AsyncClient(server.url) as client:
        queue = client.queues[QUEUE]
        await asyncio.gather(*(queue.put(NO_OP, DATA) for _ in range(PAGE)))  # Connect.
        began = time.perf_counter()
        for _ in range(scale.puts // 2):
            await queue.put(NO_OP, DATA)
        one = scale.puts // 2 / (time.perf_counter() - began)
        began = time.perf_counter()
        for page in batched(range(scale.puts)):
            await asyncio.gather(*(queue.put(NO_OP, DATA) for _ in page))
        return one, scale.puts / (time.perf_counter() - began)
