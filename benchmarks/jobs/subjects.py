"""What is measured in each round, in this order, and the names by which results are found."""

from __future__ import annotations

from functools import partial
from typing import Final

from benchmarks.jobs import backlogs, latencies, limits, peers, puts, stored
from benchmarks.jobs.rounds import Subject
from benchmarks.jobs.scale import Scale
from tests.servers import Server

PUTS: Final = "puts"
TWO_CHILDREN: Final = "two children"
WITHOUT_FILE: Final = "the same without an append-only file"
ONE_CHILD: Final = "one child"
THREADS: Final = "one child, 8 threads"
ASYNCIO: Final = "one child, 8 asyncio tasks"
FORKING: Final = "a process for each job"
IDLE: Final = "idle worker"
COSTS: Final = "server CPU without a worker"
MEMORY: Final = "memory"
LONG_QUEUE: Final = "a long queue"


def of_this_project(server: Server, plain: Server, large: Server, scale: Scale) -> list[Subject]:
    """Return the subjects of this project; `plain` has no append-only file, `large` holds much."""
    eight = ("--concurrency", "8")
    return [
        Subject("limits of the machine", partial(limits.measure, server, scale)),
        Subject(PUTS, partial(puts.measure, server, scale)),
        Subject(TWO_CHILDREN, partial(backlogs.no_op, server, scale)),
        Subject(WITHOUT_FILE, partial(backlogs.without_file, plain, scale)),
        Subject(ONE_CHILD, partial(backlogs.one_child, server, scale)),
        Subject(THREADS, partial(backlogs.pool, server, scale, "no_op", *eight)),
        Subject(ASYNCIO, partial(backlogs.pool, server, scale, "no_op_async", *eight)),
        Subject("jobs that take time", partial(backlogs.timed_jobs, server, scale)),
        Subject(FORKING, partial(backlogs.forking, server, scale)),
        Subject(IDLE, partial(latencies.pickup, server, scale)),
        Subject("the first job of a child", partial(latencies.first_jobs, server, scale)),
        Subject("child killed by SIGKILL", partial(latencies.killed_child, server, scale)),
        Subject("worker killed by SIGKILL", partial(latencies.killed_worker, server)),
        Subject(COSTS, partial(stored.costs, server, scale)),
        Subject(MEMORY, partial(stored.memory, server, scale)),
        Subject(LONG_QUEUE, stored.LongQueue(large, scale).measure),
    ]


def of_peers(server: Server, scale: Scale) -> list[Subject]:
    """Return every peer as a subject; one that cannot be installed fails when it is measured."""
    return [
        Subject(peer.name, partial(peers.measure, peer, server, scale))
        for peer in peers.all_peers()
    ]
