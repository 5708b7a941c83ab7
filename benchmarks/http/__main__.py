"""Measure the HTTP API under gunicorn: puts beside the Python client's, and a crowd that waits.

The crowd: hundreds of workers that wait for jobs and readers of events share one process of
gunicorn (gthread) while jobs are put at a steady rate. Every job must be completed once, every
event must arrive, and the memory of the process must stay what it was, which 30,000 jobs show.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from statistics import median
from typing import Final

import psutil

from benchmarks import command
from benchmarks.http.crowd import Crowd, connection, send
from benchmarks.http.memory import EVERY, MemoryCourse
from qless_py import Client
from qless_py.protocol import jobs
from tests import servers

DATA: Final = {"to": "ann@example.org", "subject": "Welcome", "n": 17}
ROUNDS: Final = 3
BULK: Final = 100
# As docs/http.md recommends; a value of your own replaces it.
ALLOCATOR: Final = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


@contextlib.contextmanager
def gunicorn(url: str, threads: int) -> Iterator[tuple[int, psutil.Process]]:
    """Serve the API by one process; yield its port and that process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--workers", "1", "--threads", str(threads), "--worker-connections", "2000"]
    program = [sys.executable, "-m", "gunicorn", *arguments, "--bind", f"127.0.0.1:{port}"]
    environment = {**ALLOCATOR, **os.environ, "QLESS_PY_URL": url, "QLESS_PY_WEB_STREAMS": "64"}
    with tempfile.TemporaryFile() as log:
        parent = subprocess.Popen(
            [*program, "--log-level", "warning", "benchmarks.http.served:app"],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            until = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                if time.monotonic() > until or parent.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(log.read().decode())
                time.sleep(0.05)
            while not (children := psutil.Process(parent.pid).children()):
                time.sleep(0.05)
            yield port, children[0]
        finally:
            parent.send_signal(signal.SIGTERM)
            parent.wait()


def puts_of(client: Client, port: int, number: int) -> dict[str, list[float]]:
    """Return puts per second of each way, round by round."""
    queue = client.queues["q"]
    job, many = {"klass": "K", "data": DATA}, [{"klass": "K", "data": DATA}] * BULK
    ways: dict[str, tuple[int, Callable[[HTTPConnection], object]]] = {
        "Python, one by one": (1, lambda _: queue.put("K", DATA)),
        "HTTP, one by one": (1, lambda to: send(to, "POST", "/queues/q/jobs", job)),
        "Python, by 100": (BULK, lambda _: queue.put_many(many)),  # type: ignore[arg-type]
        "HTTP, by 100": (BULK, lambda to: send(to, "POST", "/queues/q/jobs/batch", {"jobs": many})),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (jobs_each, put) in ways.items():
            times = number if jobs_each == 1 else number // 10
            to = connection(port)  # The server closes one that was idle for two seconds.
            begun = time.perf_counter()
            for _ in range(times):
                put(to)
            found[name].append(times * jobs_each / (time.perf_counter() - begun))
    client.redis.flushdb()
    return found


def crowd(
    client: Client, port: int, child: psutil.Process, given: argparse.Namespace, seconds: float
) -> None:
    client.config["event-stream"] = 200_000
    number = int(seconds * given.rate)
    people = Crowd(port, given.workers, given.readers)
    time.sleep(3)
    memory, cpu = MemoryCourse(), child.cpu_times()
    memory.add(0, child.memory_info().rss)
    begun = time.monotonic()
    for n in range(number):
        client.queues["q"].put("K", time.time(), jid=f"j{n}")
        pause = begun + (n + 1) / given.rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        if (n + 1) % EVERY == 0:
            memory.add(n + 1, child.memory_info().rss)
    spent = time.monotonic() - begun
    until = time.monotonic() + 30
    while _completed(client) < number:
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    used = child.cpu_times()
    found = people.stop(number)
    share = 100 * (used.user + used.system - cpu.user - cpu.system) / spent
    delays, events = sorted(found["delays"]) or [0.0], found["events"] or [0]
    middle, late = (1e3 * delays[len(delays) * part // 100] for part in (50, 99))
    done = f"{_completed(client)} completed, {found['completed']} reported, {found['twice']} twice"
    print(f"  {given.workers} workers and {given.readers} readers wait")
    print(f"  jobs: {number} in {spent:.0f} s ({number / spent:.0f}/s); {done}")
    print(f"  from the put to the worker: p50 {middle:.1f} ms, p99 {late:.1f} ms")
    print(f"  events of each reader: {min(events)} to {max(events)}; gaps {found['gaps']}")
    print(f"  {memory.text()}")
    print(f"  CPU of the process: {share:.0f} %")
    for one in found["errors"][:5]:
        print(f"  error: {one}")


def _completed(client: Client) -> int:
    return int(client.run(jobs.in_state("complete", count=0)).total)


def main() -> None:
    parser = command.parser("http", __doc__, quick="10%%")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--rate", type=int, default=500, help="jobs per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    scale = 0.1 if given.quick else 1.0
    for name in command.selected_servers(given):
        with servers.running(name) as server:
            client = Client(server.url)
            with gunicorn(server.url, given.workers + given.readers + 16) as (port, child):
                command.log(f"{name}: puts")
                print(f"{name}: puts per second, median of {ROUNDS} (least to most)")
                for way, rates in puts_of(client, port, int(2000 * scale)).items():
                    print(
                        f"  {way:20} {median(rates):8.0f}  ({min(rates):.0f} to {max(rates):.0f})"
                    )
                command.log(f"{name}: a crowd")
                crowd(client, port, child, given, given.seconds * scale)
            client.close()


main()
