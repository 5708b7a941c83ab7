"""Other queues on the same server, at their best settings.

They are installed into `.bench/` of the checkout, with hiredis where they use redis-py, and run
with two processes. A worker is suspended while its jobs are put; the first and the last job record
when they ran.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import redis

from benchmarks import command
from benchmarks.jobs.limits import PAUSE
from benchmarks.jobs.rounds import PICKUP, Reading, Readings
from benchmarks.jobs.scale import Scale
from benchmarks.jobs.worker_process import Worker, running
from benchmarks.server import cpu_seconds
from tests.servers import Server

_PROGRAMS: Final = Path(__file__).parent / "peer_programs"
_HOME: Final = Path(__file__).parents[2] / ".bench"
_PYTHON: Final = str(_HOME / "venv" / "bin" / "python")
_WARM_UP: Final = 10
_INSTALL_TIMEOUT: Final = 300.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another queue: its packages, the program that puts jobs, and the command of its worker."""

    name: str
    packages: Sequence[str]
    put: Sequence[str]
    work: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    has_bulk: bool = False
    share: float = 1.0  # Of the number of jobs: slow queues get fewer.

    @property
    def is_javascript(self) -> bool:
        return self.put[0] == "node"


def bullmq(at_once: int, *, keeps: bool) -> str:
    """Return the name of the subject that is BullMQ with these settings."""
    return f"BullMQ, {at_once} at once, results {'kept' if keeps else 'dropped'}"


HUEY: Final = "Huey, 2 processes"
RQ_FORKING: Final = "RQ, 2 processes, a fork for each job"


def _bullmq(at_once: int, *, keeps: bool) -> Peer:
    node = ["node", str(_HOME / "bullmq.js")]
    environment = {"BENCH_CONCURRENCY": str(at_once), "BENCH_KEEP": str(int(keeps))}
    packages = ("bullmq", "ioredis")
    name = bullmq(at_once, keeps=keeps)
    return Peer(name, packages, [*node, "put"], [*node, "work"], environment, has_bulk=True)


def _python(name: str, module: str, packages: Sequence[str], work: str) -> Peer:
    put = [_PYTHON, str(_PROGRAMS / f"{module}.py")]
    return Peer(name, (*packages, "hiredis"), put, [_PYTHON, "-m", *work.split()])


def all_peers() -> Sequence[Peer]:
    """Return every peer."""
    return (
        _bullmq(1, keeps=True),
        _bullmq(50, keeps=True),
        _bullmq(50, keeps=False),
        _python(
            HUEY, "huey_app", ["huey"], "huey.bin.huey_consumer huey_app.huey -k process -w 2 -q -n"
        ),
        _python(
            "Dramatiq, 2 processes of 32 threads",
            "dramatiq_app",
            ["dramatiq"],
            "dramatiq dramatiq_app --processes 2 --threads 32 --skip-logging",
        ),
        _python(
            "taskiq, 2 processes",
            "taskiq_app",
            ["taskiq", "taskiq-redis"],
            "taskiq worker taskiq_app:broker --workers 2 --log-level ERROR",
        ),
        _celery(),
        _rq("RQ, 2 processes without forks", "-w rq.worker.SimpleWorker", share=0.2),
        _rq(RQ_FORKING, "", share=0.04),
    )


def _celery() -> Peer:
    """Return Celery with two workers of 8 threads, which cost less CPU time than its processes."""
    quiet = "-l ERROR --without-gossip --without-mingle --without-heartbeat"
    peer = _python(
        "Celery, 2 processes of 8 threads",
        "celery_app",
        ["celery", "packaging"],  # Kombu 5.7 uses it without requiring it.
        f"celery -A celery_app worker --pool threads -c 8 {quiet}",
    )
    first, second = (shlex.join([*peer.work, "-n", f"{name}@bench"]) for name in ("a", "b"))
    return replace(peer, work=["sh", "-c", f"{first} & {second} & wait"], share=0.4)


def _rq(name: str, options: str, share: float) -> Peer:
    work = f"rq.cli worker-pool bench -n 2 -q -u URL {options}"
    return replace(_python(name, "rq_app", ["rq"], work), has_bulk=True, share=share)


def versions() -> str:
    """Return the versions of the installed packages, in one line."""
    found = []
    for name in sorted({one.partition("[")[0] for peer in all_peers() for one in peer.packages}):
        version = _version(name)
        if version:
            found.append(f"{name} {version}")
    return ", ".join(found)


def _version(package: str) -> str | None:
    """Return the installed version of a package of either language, if there is one."""
    description = _HOME / "node_modules" / package / "package.json"
    if description.exists():
        return str(json.loads(description.read_text())["version"])
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    if not Path(_PYTHON).exists():
        return None
    asked = subprocess.run(
        [_PYTHON, "-c", code, package], check=False, capture_output=True, text=True
    )
    return asked.stdout.strip() or None


def _install(peer: Peer) -> None:
    """Install the packages of a peer unless they are there."""
    missing = [one for one in peer.packages if _version(one.partition("[")[0]) is None]
    if missing:
        command.log(f"  installing {', '.join(missing)}")
    if peer.is_javascript:
        if missing:
            npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(_HOME)]
            _run([*npm, *peer.packages])
        shutil.copy(_PROGRAMS / "bullmq.js", _HOME / "bullmq.js")
    elif missing:
        if not Path(_PYTHON).exists():
            _run([sys.executable, "-m", "venv", str(_HOME / "venv")])
        _run([_PYTHON, "-m", "pip", "install", "-qq", *peer.packages])


def _run(words: Sequence[str]) -> None:
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} failed: {done.stderr or done.stdout}")


class Putter:
    """The program that puts the jobs of a peer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *words: object) -> float:
        """Run one command; return the seconds that it took."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the program has no pipes")
        print(*words, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the program that puts jobs ended at {words[0]!r}")
        return float(answer)


@contextlib.contextmanager
def _putting(peer: Peer, environment: Mapping[str, str], log: Path) -> Iterator[Putter]:
    with log.open("w") as errors:
        process = subprocess.Popen(
            peer.put,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            yield Putter(process)
        except (RuntimeError, BrokenPipeError) as error:
            raise RuntimeError(f"{error}: {log.read_text()}") from error
        finally:
            process.kill()


def measure(peer: Peer, server: Server, scale: Scale) -> Readings:
    """Install a peer unless it is there, and measure it; raises an error if either fails."""
    _install(peer)
    environment = {
        **os.environ,
        **peer.environment,
        "BENCH_SOCKET": server.socket,
        "PYTHONPATH": str(_PROGRAMS),
        "PYTHONWARNINGS": "ignore",
    }
    work = [f"unix://{server.socket}" if one == "URL" else one for one in peer.work]
    log = server.folder / "peer.log"
    with server.connect() as connection:
        connection.flushall()
        with (
            _putting(peer, environment, server.folder / "put.log") as putter,
            running(work, log, environment) as worker,
        ):
            run = _Run(peer, scale, connection, putter, worker)
            run.warm_up()
            yield from run.backlog()
            yield Reading(PICKUP, run.pickups(scale.pickups), "ms")


@dataclass(frozen=True, slots=True)
class _Run:
    peer: Peer
    scale: Scale
    connection: redis.Redis
    putter: Putter
    worker: Worker

    def warm_up(self) -> None:
        """Run a few jobs, so that the worker has started and connected."""
        self.pickups(_WARM_UP)

    def backlog(self) -> Readings:
        """Put jobs while the worker is suspended, then let it run them."""
        one = max(20, int(self.scale.peer_puts * self.peer.share))
        more = max(100, int(self.scale.peer_bulk * self.peer.share)) if self.peer.has_bulk else 0
        self.worker.suspend()
        self.putter.run("mark", "first")
        before = cpu_seconds(self.connection)
        seconds = self.putter.run("one", one)
        spent = cpu_seconds(self.connection) - before
        yield Reading("put one by one", one / seconds, "jobs/s")
        yield Reading("server CPU of a put", 1e6 * spent / one, "us")
        if more:
            yield Reading("put in bulk", more / self.putter.run("bulk", more), "jobs/s")
        self.putter.run("mark", "last")
        yield from self._process(one + more + 2)

    def _process(self, jobs: int) -> Readings:
        server, own = cpu_seconds(self.connection), self.worker.cpu_seconds()
        self.worker.resume()
        self.worker.wait(lambda: self.connection.get("bench:last") is not None)
        server, own = cpu_seconds(self.connection) - server, self.worker.cpu_seconds() - own
        # From the first job: how long an idle worker takes to notice is measured as its pickup.
        first, last = (float(self.connection.get(f"bench:{one}") or 0) for one in ("first", "last"))
        yield Reading("no-op jobs", jobs / (last - first), "jobs/s")
        yield Reading("server CPU of the rest of a job", 1e6 * server / jobs, "us")
        yield Reading("worker CPU per job", 1e6 * own / jobs, "us")

    def pickups(self, count: int) -> tuple[float, ...]:
        """Return the milliseconds from before a put to the first line of the job."""
        self.connection.delete("bench:waits")
        self.putter.run("paced", *(random.uniform(*PAUSE) for _ in range(count)))
        self.worker.wait(lambda: self.connection.llen("bench:waits") >= count)
        return tuple(1000 * float(one) for one in self.connection.lrange("bench:waits", 0, -1))
