"""Measure requests per second of a worker with --http, how many are under way, and its memory.

The target runs in a process of its own on the same machine: once it answers at once, once it takes
half a second, which shows how many requests are under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

import psutil

import qless_py
from benchmarks import command
from tests import servers

SLOW: Final = 0.5  # Seconds that the slow target takes.
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def serve(delay: float, pipe: Connection) -> None:
    """Answer every request after a delay; send the port first, and at the end the totals."""
    counts = {"requests": 0, "now": 0, "most": 0}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                await reader.readexactly(int(length or 0))
                counts["requests"] += 1
                counts["now"] += 1
                counts["most"] = max(counts["most"], counts["now"])
                if delay:
                    await asyncio.sleep(delay)
                counts["now"] -= 1
                writer.write(ANSWER)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=1000)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)
        pipe.send(counts)

    asyncio.run(main())


@contextlib.contextmanager
def target(delay: float) -> Iterator[tuple[int, Connection]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(delay, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        process.kill()
        process.join()


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the MiB that a worker and its children hold alone, and their shares of the rest."""
    found = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return sum(one.memory_full_info().pss for one in found) / 2**20


def run(server: servers.Server, jobs: int, delay: float, at_once: int) -> dict[str, Any]:
    with server.connect() as connection:
        connection.flushall()
    client = qless_py.Client(server.url)
    queue = client.queues["bench"]
    with target(delay) as (port, pipe):
        for _ in range(jobs):
            queue.put_http(f"http://127.0.0.1:{port}/", json={"n": 1}, timeout=60)
        words = ["--http", "-c", str(at_once), "--allow-target", "127.0.0.0/8", "--quiet"]
        words += ["--url", server.url, "-q", "bench"]
        worker = subprocess.Popen([sys.executable, "-m", "qless_py", "work", *words])
        try:
            samples: list[tuple[float, float]] = []
            begun = None
            while (left := _left(queue)) > 0:
                if begun is None and left < jobs:
                    begun = time.perf_counter(), left
                if left < jobs:
                    samples.append((1 - left / jobs, memory(worker)))
                time.sleep(0.2)
            seconds = time.perf_counter() - (begun[0] if begun else 0)
        finally:
            worker.terminate()
            worker.wait()
        pipe.send("end")
        counts = pipe.recv()
    complete = len(client.jobs.complete(0, 1000))
    early = next((used for share, used in samples if share > 0.3), 0.0)
    return {
        "jobs": jobs,
        "requests": counts["requests"],
        "complete_seen": complete,
        "most_at_once": counts["most"],
        "per_second": round((begun[1] if begun else jobs) / seconds),
        "memory_at_30_percent": round(early, 1),
        "memory_at_the_end": round(samples[-1][1], 1) if samples else 0.0,
    }


def _left(queue: Any) -> int:
    counts = queue.counts
    return int(counts["waiting"] + counts["running"] + counts["throttled"] + counts["stalled"])


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = command.parser("push", __doc__, "5%%")
    parser.add_argument("--at-once", type=int, default=200, help="requests under way at once")
    arguments = parser.parse_args(given)
    fast, slow = (1000, 400) if arguments.quick else (20_000, 8000)
    results: dict[str, Any] = {}
    for name in command.selected_servers(arguments):
        with servers.running(name) as private:
            for label, jobs, delay in (("at once", fast, 0.0), ("after 0.5 s", slow, SLOW)):
                command.log(f"{name}: {jobs} requests, answered {label}")
                found = run(private, jobs, delay, arguments.at_once)
                results[f"{name}, answered {label}"] = found
                print(
                    f"{name}, answered {label}: {found['per_second']:,} requests/s, "
                    f"{found['most_at_once']} at once, {found['requests']:,} requests for "
                    f"{found['jobs']:,} jobs, memory {found['memory_at_30_percent']} MiB at 30 %, "
                    f"{found['memory_at_the_end']} MiB at the end"
                )
    command.write_json(arguments.json, results)


if __name__ == "__main__":
    main()
