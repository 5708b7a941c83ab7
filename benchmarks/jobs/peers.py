"""Other queues doing the same on the same server: no-op jobs worked off, pickup when idle.

They are installed into `.bench/` of the checkout, each as its users would, and run with two
processes. A job that is put last notes the instant at which it ran.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis

from benchmarks.jobs.fleet import wait
from benchmarks.jobs.floors import PAUSE
from benchmarks.jobs.ours import quantiles
from benchmarks.jobs.report import Figure, Scale
from tests.servers import Server

HERE: Final = Path(__file__).parent
HOME: Final = HERE.parents[1] / ".bench"
PYTHON: Final = HOME / "venv" / "bin"
_PACKAGES: Final = ("rq", "huey", "dramatiq[redis]")
_TICK: Final = 0.005


@dataclass(frozen=True, slots=True)
class Peer:
    """A queue: the command that puts (`mode count`), and the one that works."""

    name: str
    put: Sequence[str]
    work: Sequence[str]
    share: float = 1.0  # Of the number of jobs: a slow one gets fewer.


def _peers() -> list[Peer]:
    rq, huey, dramatiq = (str(PYTHON / one) for one in ("rq", "huey_consumer", "dramatiq"))
    python = str(PYTHON / "python")
    node = ["node", str(HOME / "bullmq.js")]
    pool = [rq, "worker-pool", "bench", "-n", "2", "-q", "-u"]
    simple = ["-w", "rq.worker.SimpleWorker"]
    return [
        Peer("BullMQ", [*node, "put"], [*node, "work"]),
        Peer(
            "Dramatiq",
            [python, str(HERE / "rivals" / "in_dramatiq.py")],
            [dramatiq, "in_dramatiq", "--processes", "2", "--threads", "8", "--skip-logging"],
        ),
        Peer(
            "Huey",
            [python, str(HERE / "rivals" / "in_huey.py")],
            [huey, "in_huey.huey", "-k", "process", "-w", "2", "-q", "-n"],
        ),
        Peer(
            "RQ without forks",
            [python, str(HERE / "rivals" / "in_rq.py")],
            [*pool, "URL", *simple],
            share=0.2,
        ),
        Peer("RQ", [python, str(HERE / "rivals" / "in_rq.py")], [*pool, "URL"], share=0.05),
    ]


def measure(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure each of them."""
    _install()
    for peer in _peers():
        with server.connect() as connection:
            jobs = max(50, int(scale.peer_jobs * peer.share))
            yield from _measure(peer, server, connection, jobs, scale.pickups)


def _install() -> None:
    """Install the packages once; takes a minute."""
    if not (PYTHON / "rq").exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
        subprocess.run([str(PYTHON / "pip"), "install", "-qq", *_PACKAGES], check=True)
    if not (HOME / "node_modules" / "ioredis").exists():
        command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(HOME)]
        subprocess.run([*command, "bullmq", "ioredis"], check=True)
    shutil.copy(HERE / "rivals" / "bullmq.js", HOME / "bullmq.js")


def _measure(
    peer: Peer, server: Server, connection: redis.Redis, jobs: int, pickups: int
) -> Iterator[Figure]:
    connection.flushall()
    environment = {
        **os.environ,
        "BENCH_SOCKET": server.socket,
        "PYTHONPATH": str(HERE / "rivals"),
        "PYTHONWARNINGS": "ignore",
    }
    put = subprocess.run(
        [*peer.put, "fill", str(jobs)], env=environment, check=True, capture_output=True, text=True
    )
    part = f"peer: {peer.name}"
    yield Figure(part, "put one by one", float(put.stdout.split()[-1]), "jobs/s")
    log = server.folder / "peer.log"
    work = [f"unix://{server.socket}" if one == "URL" else one for one in peer.work]
    with log.open("ab") as output:
        began = time.time()
        worker = subprocess.Popen(
            work, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            wait(lambda: connection.get("bench:last") is not None, worker, log, _TICK)
            # Its first job ran when the processes had started; that time is not the queue's.
            first = float(connection.get("bench:first") or began)
            rate = jobs / (float(connection.get("bench:last") or 0) - first)
            yield Figure(part, "jobs that do nothing", rate, "jobs/s")
            pauses = [str(random.uniform(*PAUSE)) for _ in range(pickups)]
            subprocess.run(
                [*peer.put, "stamps", *pauses], env=environment, check=True, capture_output=True
            )
            wait(lambda: connection.llen("bench:waits") >= pickups, worker, log)
            yield from _waits(peer, connection)
        finally:
            os.killpg(worker.pid, 9)
            worker.wait()


def _waits(peer: Peer, connection: redis.Redis) -> Iterator[Figure]:
    waits = [1000 * float(one) for one in connection.lrange("bench:waits", 0, -1)]
    for label, value in zip(("p50", "p95", "p99"), quantiles(waits), strict=True):
        yield Figure(f"peer: {peer.name}", f"pickup {label}", value, "ms")
