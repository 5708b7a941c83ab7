"""Other queues on the same server: rates of put and completion, and pickup latency.

They are installed into `.bench/` of the checkout as in their documentation, and run with two
processes. The first and the last job record the time at which they ran.
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

from benchmarks.jobs.limits import PAUSE
from benchmarks.jobs.qless import percentiles
from benchmarks.jobs.report import Figure, Scale
from benchmarks.jobs.worker_process import wait
from tests.servers import Server

_PROGRAMS: Final = Path(__file__).parent / "peer_programs"
_HOME: Final = Path(__file__).parents[2] / ".bench"
_BIN: Final = _HOME / "venv" / "bin"
_PACKAGES: Final = ("rq", "huey", "dramatiq[redis]")
_POLL: Final = 0.005


@dataclass(frozen=True, slots=True)
class Peer:
    """Another queue: the command that puts jobs, and the command of its worker."""

    name: str
    put: Sequence[str]
    work: Sequence[str]
    share: float = 1.0  # Of the number of jobs: slow queues get fewer.


def _peers() -> list[Peer]:
    rq, huey, dramatiq = (str(_BIN / one) for one in ("rq", "huey_consumer", "dramatiq"))
    python = str(_BIN / "python")
    node = ["node", str(_HOME / "bullmq.js")]
    pool = [rq, "worker-pool", "bench", "-n", "2", "-q", "-u"]
    simple = ["-w", "rq.worker.SimpleWorker"]
    return [
        Peer("BullMQ", [*node, "put"], [*node, "work"]),
        Peer(
            "Dramatiq",
            [python, str(_PROGRAMS / "dramatiq_app.py")],
            [dramatiq, "dramatiq_app", "--processes", "2", "--threads", "8", "--skip-logging"],
        ),
        Peer(
            "Huey",
            [python, str(_PROGRAMS / "huey_app.py")],
            [huey, "huey_app.huey", "-k", "process", "-w", "2", "-q", "-n"],
        ),
        Peer(
            "RQ without forks",
            [python, str(_PROGRAMS / "rq_app.py")],
            [*pool, "URL", *simple],
            share=0.2,
        ),
        Peer("RQ", [python, str(_PROGRAMS / "rq_app.py")], [*pool, "URL"], share=0.05),
    ]


def measure(server: Server, scale: Scale) -> Iterator[Figure]:
    """Measure every peer."""
    _install()
    for peer in _peers():
        with server.connect() as connection:
            jobs = max(50, int(scale.peer_jobs * peer.share))
            yield from _measure(peer, server, connection, jobs, scale.pickups)


def _install() -> None:
    """Install the packages unless they are there; takes a minute."""
    if not (_BIN / "rq").exists():
        subprocess.run([sys.executable, "-m", "venv", str(_HOME / "venv")], check=True)
        subprocess.run([str(_BIN / "pip"), "install", "-qq", *_PACKAGES], check=True)
    if not (_HOME / "node_modules" / "ioredis").exists():
        command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(_HOME)]
        subprocess.run([*command, "bullmq", "ioredis"], check=True)
    shutil.copy(_PROGRAMS / "bullmq.js", _HOME / "bullmq.js")


def _measure(
    peer: Peer, server: Server, connection: redis.Redis, jobs: int, pickups: int
) -> Iterator[Figure]:
    connection.flushall()
    environment = {
        **os.environ,
        "BENCH_SOCKET": server.socket,
        "PYTHONPATH": str(_PROGRAMS),
        "PYTHONWARNINGS": "ignore",
    }
    put = subprocess.run(
        [*peer.put, "batch", str(jobs)], env=environment, check=True, capture_output=True, text=True
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
            wait(lambda: connection.get("bench:last") is not None, worker, log, _POLL)
            # Count from the first job: the start of the processes is not the queue's time.
            first = float(connection.get("bench:first") or began)
            rate = jobs / (float(connection.get("bench:last") or 0) - first)
            yield Figure(part, "no-op jobs", rate, "jobs/s")
            pauses = [str(random.uniform(*PAUSE)) for _ in range(pickups)]
            subprocess.run(
                [*peer.put, "paced", *pauses], env=environment, check=True, capture_output=True
            )
            wait(lambda: connection.llen("bench:waits") >= pickups, worker, log)
            yield from _pickups(peer, connection)
        finally:
            os.killpg(worker.pid, 9)
            worker.wait()


def _pickups(peer: Peer, connection: redis.Redis) -> Iterator[Figure]:
    waits = [1000 * float(one) for one in connection.lrange("bench:waits", 0, -1)]
    for label, value in zip(("p50", "p95", "p99"), percentiles(waits), strict=True):
        yield Figure(f"peer: {peer.name}", f"pickup {label}", value, "ms")
