"""Run jobs for minutes and check the memory of supervisor, children and server for growth.

Puts jobs of several kinds as fast as they complete, and prints the number of finished jobs and the
memory in use every few seconds. At the end it compares the last third of the time with the second;
the first third is warm-up. The exit code is 1 if memory grew.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.command import SERVERS
from benchmarks.jobs.worker_process import QUEUE, worker
from benchmarks.namespace import PAGE
from qless_py import Client
from qless_py.protocol.options import PutSpec
from qless_py.worker.recycling import memory_usage
from tests import servers

_HANDLERS: Final = "benchmarks.soak.handlers"
_WAITING: Final = 2000  # Minimum number of jobs in the queue.
_KEPT: Final = 2000  # Completed jobs that the server keeps.
_POLL: Final = 0.05
_MEGABYTE: Final = 1 << 20
# Growth allowed within a third of the time: the use of memory pages fluctuates.
_ALLOWANCE: Final = 0.03
_MIN_ALLOWANCE: Final = 1.5 * _MEGABYTE
# The kinds of jobs, and how many of a hundred are of each.
_MIX: Final[Sequence[tuple[int, PutSpec]]] = (
    (80, {"klass": f"{_HANDLERS}.no_op", "data": {"text": "x" * 200}}),
    (8, {"klass": f"{_HANDLERS}.use_memory", "data": {"bytes": 50_000}}),
    (6, {"klass": f"{_HANDLERS}.sleep", "data": {"seconds": 0.002}}),
    (4, {"klass": f"{_HANDLERS}.fail", "data": {}}),
    (2, {"klass": f"{_HANDLERS}.retry_once", "data": {}, "retries": 3}),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Jobs finished so far, and bytes of memory in use."""

    seconds: float
    jobs: int
    supervisor: int
    children: int
    server: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Median bytes in use in the second and in the last third of the time."""

    name: str
    before: float
    after: float

    @property
    def is_flat(self) -> bool:
        """Whether the growth is within the allowance."""
        return self.after - self.before <= max(_MIN_ALLOWANCE, _ALLOWANCE * self.before)


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Compare the second third of the samples with the last, by their medians."""
    third = len(samples) // 3
    if not third:
        raise ValueError(f"{len(samples)} samples are too few; at least 3 are needed")
    parts = samples[third : 2 * third], samples[2 * third :]

    def median(of: Sequence[Sample], name: str) -> float:
        return float(statistics.median(getattr(one, name) for one in of))

    names = ("supervisor", "children", "server")
    return [Growth(name, median(parts[0], name), median(parts[1], name)) for name in names]


def soak(url: str, wait: Callable[..., None], seconds: float, every: float) -> Iterator[Sample]:
    """Keep the queue filled for `seconds`, and take a sample `every` few seconds."""
    with Client(url) as client:
        client.config["jobs-history-count"] = _KEPT
        queue = client.queues[QUEUE]
        began = time.monotonic()
        sampled = began
        while (now := time.monotonic()) - began < seconds:
            waiting = queue.counts["waiting"]
            while waiting < _WAITING:
                queue.put_many(_jobs())
                waiting += PAGE
            if now - sampled >= every:
                sampled = now
                _cancel_failed(client)
                yield _sample(client, now - began)
            until = now + _POLL
            wait(lambda until=until: time.monotonic() >= until)


def _jobs() -> list[PutSpec]:
    return [job for share, job in _MIX for _ in range(share * PAGE // 100)]


def _cancel_failed(client: Client) -> None:
    """Cancel the failed jobs: the server keeps them otherwise."""
    for group in client.jobs.failed():
        while found := client.jobs.failed(group, 0, PAGE)["jobs"]:
            client.cancel(*(job.jid for job in found))


def _sample(client: Client, seconds: float) -> Sample:
    infos = [row["info"] for row in client.workers.counts]
    pids = {int(info["pid"]) for info in infos}
    supervisors = {int(info["parent"]) for info in infos}
    return Sample(
        seconds,
        int(client.queues[QUEUE].stats()["run"]["count"]),
        sum(map(memory_usage, supervisors)),
        sum(map(memory_usage, pids)),
        int(client.redis.info("memory")["used_memory"]),
    )


def _line(sample: Sample) -> str:
    sizes = (sample.supervisor, sample.children, sample.server)
    first, *others = (f"{size / _MEGABYTE:12.1f}" for size in sizes)
    return f"{sample.seconds:8.0f}{sample.jobs:12,}   {first}{''.join(others)}"


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="duration (default: 10)")
    parser.add_argument(
        "--every", type=float, default=10.0, help="seconds between samples (default: 10)"
    )
    parser.add_argument("--server", choices=SERVERS, default="valkey")
    parser.add_argument("--children", type=int, default=2, help="child processes (default: 2)")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run the jobs, print the samples, and return the exit code."""
    arguments = _arguments(given)
    samples = []
    print(
        f"{'seconds':>8}{'jobs':>12}{'supervisor MB':>15}{'children':>12}{'server':>12}", flush=True
    )
    with (
        servers.running(arguments.server) as server,
        worker(server, "--import", _HANDLERS, children=arguments.children) as wait,
    ):
        for sample in soak(server.url, wait, 60 * arguments.minutes, arguments.every):
            samples.append(sample)
            print(_line(sample), flush=True)
    found = growths(samples)
    for one in found:
        before, after = one.before / _MEGABYTE, one.after / _MEGABYTE
        status = "flat" if one.is_flat else "GREW"
        print(f"{one.name:>10}: {before:.1f} MB, then {after:.1f} MB: {status}")
    return 0 if all(one.is_flat for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
