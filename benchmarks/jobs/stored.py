"""What jobs cost the server: CPU time without any worker, memory, and a very long queue."""

from __future__ import annotations

import time
import uuid
from typing import Final

import redis

from benchmarks.jobs.rounds import Reading, Readings
from benchmarks.jobs.scale import Scale
from benchmarks.namespace import pop_jobs, put_jobs
from benchmarks.scripts import job_costs
from qless_py.protocol import jobs
from qless_py.store.runner import Runner
from tests.servers import Server

PUT_OVER_PING: Final = "put above a PING"
LIFE: Final = "life in batches"
LONG: Final = "pop and complete from the long one"
SHORT: Final = "pop and complete from a short one"
_TURN: Final = 500  # Jobs that are popped and completed before the other queue has its turn.
_BATCH: Final = 50


def costs(server: Server, scale: Scale) -> Readings:
    """Measure the server's CPU time, sending calls without the client of this project."""
    with server.connect() as connection:
        found = job_costs.basic_costs(connection, scale.costs)
    for label, microseconds in found.items():
        yield Reading(label, microseconds, "us")
    yield Reading(PUT_OVER_PING, found[job_costs.PUT] - found[job_costs.PING], "us")
    yield Reading(LIFE, sum(found[label] for label in job_costs.LIFE), "us")


def memory(server: Server, scale: Scale) -> Readings:
    """Measure the bytes that jobs take."""
    with server.connect() as connection:
        for state, measured in (
            ("waiting", job_costs.bytes_per_job),
            ("completed", job_costs.bytes_per_completed_job),
        ):
            connection.flushall()
            yield Reading(f"bytes per {state} job", measured(connection, scale.stored), "B")
        connection.flushall()


class LongQueue:
    """Pops and completions from a queue of very many jobs and from a short one, in turns."""

    def __init__(self, server: Server, scale: Scale) -> None:
        self._scale = scale
        self._server = server
        self._is_filled = False

    def measure(self) -> Readings:
        """Measure both; the first time, fill the queues before."""
        with self._server.connect() as connection:
            long, short = (Runner(connection, name) for name in ("long", "short"))
            if not self._is_filled:
                self._fill(connection, long, short)
            taken: dict[str, list[float]] = {LONG: [], SHORT: []}
            for _ in range(max(self._scale.popped // _TURN, 1)):
                taken[LONG].append(_turn(long))
                taken[SHORT].append(_turn(short))
        for label, seconds in taken.items():
            yield Reading(label, _TURN * len(seconds) / sum(seconds), "jobs/s")

    def _fill(self, connection: redis.Redis, long: Runner, short: Runner) -> None:
        connection.flushall()
        _put(long, self._scale.many)
        _put(short, self._scale.few)
        for runner in (long, short):
            _turn(runner)  # Load the scripts.
        self._is_filled = True


def _put(runner: Runner, count: int) -> None:
    put_jobs(runner, "mail", ({"jid": uuid.uuid4().hex} for _ in range(count)))


def _turn(runner: Runner) -> float:
    """Return the seconds to pop and complete jobs; then put as many."""
    began = time.perf_counter()
    for _ in range(0, _TURN, _BATCH):
        held = pop_jobs(runner, "mail", _BATCH)
        runner.run(jobs.complete_many(held, [b""] * len(held)))
    seconds = time.perf_counter() - began
    _put(runner, _TURN)
    return seconds
