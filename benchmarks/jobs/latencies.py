"""Times of this project: pickup, the first job of a child, and recovery from deaths."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.jobs import limits, usage
from benchmarks.jobs.backlogs import HANDLERS, unfinished
from benchmarks.jobs.rounds import PICKUP, Reading, Readings
from benchmarks.jobs.scale import Scale
from benchmarks.jobs.worker_process import QUEUE, worker
from qless_py import Client
from qless_py.client.job import Job
from tests.servers import Server

_FORK_PAUSE: Final = (0.2, 0.4)  # Seconds before each put to a child that has just been forked.
_WARM_UP: Final = 10
_HELD: Final = 3


def pickup(server: Server, scale: Scale) -> Readings:
    """Measure the time from before a put to the first line of the handler, with an idle worker."""
    with Client(server.url) as client:
        client.redis.flushall()
        with worker(server) as one:
            jids = _put_paced(client, limits.PAUSE, scale.pickups + _WARM_UP)
            one.wait(lambda: not unfinished(client))
        waits = [1000 * value for value in _results(client, jids)]
    yield Reading(PICKUP, tuple(waits[_WARM_UP:]), "ms")


def first_jobs(server: Server, scale: Scale) -> Readings:
    """Measure the same where each job is the first one that its child runs."""
    with Client(server.url) as client:
        client.redis.flushall()
        with worker(server, "--max-jobs", "1") as one:
            jids = _put_paced(client, _FORK_PAUSE, scale.first_jobs)
            one.wait(lambda: not unfinished(client))
        waits = tuple(1000 * value for value in _results(client, jids))
    yield Reading("wait", waits, "ms")


def _put_paced(client: Client, pause: tuple[float, float], count: int) -> list[str]:
    jids = []
    for _ in range(count):
        time.sleep(random.uniform(*pause))
        sent = {"sent": time.time()}
        jids.append(client.queues[QUEUE].put(f"{HANDLERS}.time_since_put", sent))
    return jids


def _results(client: Client, jids: Sequence[str]) -> list[float]:
    found = []
    for jid in jids:
        job = client.jobs[jid]
        if not isinstance(job, Job) or job.result is None:
            raise RuntimeError(f"{jid} has no result")
        found.append(float(job.result))
    return found


def killed_child(server: Server, scale: Scale) -> Readings:
    """Measure the time from the SIGKILL of a child to the next run of its job."""
    with Client(server.url) as client:
        client.redis.flushall()
        jids = []
        with worker(server) as one:
            for _ in range(scale.kills):
                data = {"folder": str(server.folder)}
                jids.append(client.queues[QUEUE].put(f"{HANDLERS}.kill_once", data))
                one.wait(lambda: not unfinished(client))
        yield Reading("job runs again", tuple(_results(client, jids)), "s")


def killed_worker(server: Server) -> Readings:
    """Measure the time from the SIGKILL of supervisor and children to the next run of their jobs.

    Another worker of the same host has waited for jobs meanwhile.
    """
    with Client(server.url) as client:
        client.redis.flushall()
        queue = client.queues[QUEUE]
        data = {"folder": str(server.folder)}
        with worker(server, children=_HELD) as doomed:
            jids = [queue.put(f"{HANDLERS}.hang_once", data) for _ in range(_HELD)]
            doomed.wait(lambda: all((server.folder / jid).exists() for jid in jids))
            with worker(server) as other:
                killed_at = time.time()
                usage.end(doomed.process, gently=False)
                other.wait(lambda: not unfinished(client))
        waits = tuple(ran_at - killed_at for ran_at in _results(client, jids))
    yield Reading("job runs elsewhere", waits, "s")
