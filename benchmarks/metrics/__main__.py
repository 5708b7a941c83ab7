"""Measure a scrape of many queues: time of the server and of this process, size, series."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis

from benchmarks import command
from benchmarks.namespace import NAMESPACE, Clock, pop_page, put_jobs
from benchmarks.server import version_of
from benchmarks.tables import table
from qless_py import Client
from qless_py.metrics import Limits, snapshot
from qless_py.metrics.collector import StoreCollector
from qless_py.metrics.exposition import OPEN_METRICS, render
from qless_py.protocol import jobs, throttles, workers
from qless_py.store.runner import Runner
from tests import servers

_SCRAPES: Final = 30


@dataclass(frozen=True, slots=True)
class Scale:
    """Number of objects."""

    queues: int
    throttles: int
    workers: int
    minutes: int
    jobs: int


FULL: Final = Scale(queues=200, throttles=50, workers=500, minutes=10, jobs=10)
QUICK: Final = Scale(queues=20, throttles=5, workers=20, minutes=3, jobs=5)


@dataclass(frozen=True, slots=True)
class Result:
    """The measurements of one server, each the best of several; times in milliseconds."""

    server: str
    scale: Scale
    server_ms: float
    slowest_ms: float
    read_ms: float
    text_ms: float
    open_ms: float
    bytes: int
    series: int
    totals_bytes: int

    def text(self) -> str:
        """Return the table."""
        scale = self.scale
        title = (
            f"{self.server}: {scale.queues} queues, {scale.throttles} throttles, "
            f"{scale.workers} workers"
        )
        rows = [
            ("one scrape", ""),
            ("commands on the server, ms", f"{self.server_ms:.1f}"),
            ("slowest script, ms", f"{self.slowest_ms:.2f}"),
            ("reading, CPU of the client, ms", f"{self.read_ms:.1f}"),
            ("rendering text 0.0.4, CPU ms", f"{self.text_ms:.1f}"),
            ("rendering OpenMetrics, CPU ms", f"{self.open_ms:.1f}"),
            ("size of the text, KiB", f"{self.bytes / 1024:.0f}"),
            ("series", f"{self.series:,}"),
            ("counters of a queue in the store, bytes", f"{self.totals_bytes}"),
        ]
        return f"{title}\n\n{table(rows)}"

    def as_json(self) -> dict[str, Any]:
        """Return the measurements as plain values."""
        return dataclasses.asdict(self)


def fill(runner: Runner, clock: Clock, scale: Scale) -> None:
    """Put and run jobs in every queue, with waits and run times of all lengths."""
    draw = random.Random(1)
    for number in range(scale.throttles):
        runner.run(throttles.set_limits(f"throttle-{number}", concurrency=5))
    for number in range(scale.workers):
        info = b'{"state":"running","slots":8,"busy":3,"queues":["queue-1"]}'
        runner.run(workers.beat(f"worker-{number}", info))
    for minute in range(scale.minutes):
        for number in range(scale.queues):
            queue = f"queue-{number}"
            put_jobs(runner, queue, _specs(queue, minute, scale))
            clock.now += draw.expovariate(10)
            held = pop_page(runner, [queue], count=scale.jobs - 1)
            for jid, lease in held:
                clock.now += draw.expovariate(100)
                runner.run(jobs.complete_encoded(jid, lease))
        clock.now = (clock.now // 60 + 1) * 60


def _specs(queue: str, minute: int, scale: Scale) -> list[dict[str, Any]]:
    return [{"jid": f"{queue}-{minute}-{number}"} for number in range(scale.jobs)]


def cpu_time(action: Callable[[], object], number: int) -> float:
    """Return the least CPU time of this process for an action, in milliseconds."""
    times = []
    for _ in range(number):
        begun = time.process_time()
        action()
        times.append(time.process_time() - begun)
    return min(times) * 1000


def server_time(connection: redis.Redis, action: Callable[[], object], number: int) -> float:
    """Return the least time of the commands of one action on the server, in milliseconds."""
    times = []
    for _ in range(number):
        connection.config_resetstat()
        action()
        stats: dict[str, Any] = connection.info("commandstats")
        own = ("cmdstat_fcall", "cmdstat_fcall_ro", "cmdstat_ping")
        times.append(sum(one["usec"] for name, one in stats.items() if name in own))
    return float(min(times)) / 1000


def slowest(connection: redis.Redis, action: Callable[[], object]) -> float:
    """Return the milliseconds of the slowest script of one action; the best of five."""
    connection.config_set("slowlog-log-slower-than", 0)
    found = []
    for _ in range(5):
        connection.slowlog_reset()
        action()
        entries: list[dict[str, Any]] = connection.slowlog_get(100)
        found.append(max(one["duration"] for one in entries if one["command"].startswith(b"FCALL")))
    connection.config_set("slowlog-log-slower-than", 10_000)
    return float(min(found)) / 1000


def run(server: str, scale: Scale, scrapes: int) -> Result:
    """Fill a private server and scrape it."""
    command.log(server)
    clock = Clock()
    with servers.running(server) as private, private.connect() as connection:
        fill(Runner(connection, NAMESPACE, clock), clock, scale)
        client = Client(redis=connection, namespace=NAMESPACE, clock=clock)

        def read() -> snapshot.Snapshot:
            return snapshot.read(client)

        found = read()
        collector = StoreCollector(found, Limits())
        body, _ = render(collector, "")
        return Result(
            server=version_of(connection),
            scale=scale,
            server_ms=server_time(connection, read, scrapes),
            slowest_ms=slowest(connection, read),
            read_ms=cpu_time(read, scrapes),
            text_ms=cpu_time(lambda: render(collector, ""), scrapes),
            open_ms=cpu_time(lambda: render(collector, OPEN_METRICS), scrapes),
            bytes=len(body),
            series=sum(not line.startswith(b"#") for line in body.splitlines()),
            totals_bytes=int(connection.memory_usage("{ql}:queue:queue-0:totals") or 0),
        )


def section(results: Sequence[Result]) -> str:
    """Return the section of the document that keeps the last full run."""
    about = (
        "Written by `bin/bench metrics --page docs/benchmarks.md`: one scrape of `/metrics`, not "
        "from its cache. Each time is the best of many, as other programs use the processor, too."
    )
    return command.section(
        "Benchmarks of the metrics", about, [("", result.text()) for result in results]
    )


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write the files asked for."""
    arguments = command.parser("metrics", __doc__).parse_args(given)
    scale, scrapes = (QUICK, 2) if arguments.quick else (FULL, _SCRAPES)
    results = [run(server, scale, scrapes) for server in command.selected_servers(arguments)]
    command.write_results(arguments, results, section)


if __name__ == "__main__":
    main()
