"""Work for minutes and watch the memory: of the parent, of its children, and of the server.

Puts jobs of several kinds as fast as they are worked off and prints every few seconds how many are
done and how much memory everybody has. Ends with a verdict: what each had in the last third of the
time beside what it had in the second; the first is left to warm up. Exit code 1 if it grew.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.jobs import fleet
from qless_py import Client
from qless_py.protocol.arguments import PutSpec
from qless_py.worker.recycling import memory_usage
from tests import servers

_HANDLERS: Final = "benchmarks.soak.handlers"
_WAITING: Final = 2000  # Jobs that are put in advance.
_KEPT: Final = 2000  # Complete jobs that the server keeps.
_CALL: Final = 100
_LOOK: Final = 0.05
_MEGABYTE: Final = 1 << 20
# What may come on top in a third of the time and is no growth: pages come and go.
_SLACK: Final = 0.03
_LEAST_SLACK: Final = 1.5 * _MEGABYTE
# Of a hundred jobs: how many are of each kind.
_MIXTURE: Final[Sequence[tuple[int, PutSpec]]] = (
    (80, {"klass": f"{_HANDLERS}.nothing", "data": {"text": "x" * 200}}),
    (8, {"klass": f"{_HANDLERS}.much", "data": {"bytes": 50_000}}),
    (6, {"klass": f"{_HANDLERS}.waits", "data": {"seconds": 0.002}}),
    (4, {"klass": f"{_HANDLERS}.fails", "data": {}}),
    (2, {"klass": f"{_HANDLERS}.again", "data": {}, "retries": 3}),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: jobs ended so far, and bytes of memory in use."""

    seconds: float
    jobs: int
    parent: int
    children: int
    server: int


@dataclass(frozen=True, slots=True)
class Growth:
    """What one of them had in the second and in the last third of the time, in bytes."""

    name: str
    before: float
    after: float

    @property
    def is_flat(self) -> bool:
        """Tell whether it did not grow, but for what comes and goes."""
        return self.after - self.before <= max(_LEAST_SLACK, _SLACK * self.before)


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Compare the second third of the samples with the last, by their medians."""
    third = len(samples) // 3
    if not third:
        raise ValueError(f"{len(samples)} samples are too few to be compared")
    parts = samples[third : 2 * third], samples[2 * third :]

    def median(of: Sequence[Sample], name: str) -> float:
        return float(statistics.median(getattr(one, name) for one in of))

    names = ("parent", "children", "server")
    return [Growth(name, median(parts[0], name), median(parts[1], name)) for name in names]


def soak(url: str, wait: Callable[..., None], seconds: float, every: float) -> Iterator[Sample]:
    """Keep the queue filled for so long, and look every few seconds."""
    with Client(url) as client:
        client.config["jobs-history-count"] = _KEPT
        queue = client.queues[fleet.QUEUE]
        began = time.monotonic()
        looked = began
        while (now := time.monotonic()) - began < seconds:
            waiting = queue.counts["waiting"]
            while waiting < _WAITING:
                queue.put_many(_jobs())
                waiting += _CALL
            if now - looked >= every:
                looked = now
                _tidy(client)
                yield _look(client, now - began)
            until = now + _LOOK
            wait(lambda until=until: time.monotonic() >= until)


def _jobs() -> list[PutSpec]:
    return [job for share, job in _MIXTURE for _ in range(share * _CALL // 100)]


def _tidy(client: Client) -> None:
    """Cancel what has failed: failed jobs are kept until somebody decides."""
    for group in client.jobs.failed():
        while found := client.jobs.failed(group, 0, _CALL)["jobs"]:
            client.cancel(*(job.jid for job in found))


def _look(client: Client, seconds: float) -> Sample:
    infos = [row["info"] for row in client.workers.counts]
    pids = {int(info["pid"]) for info in infos}
    parents = {int(info["parent"]) for info in infos}
    return Sample(
        seconds,
        int(client.queues[fleet.QUEUE].stats()["run"]["count"]),
        sum(map(memory_usage, parents)),
        sum(map(memory_usage, pids)),
        int(client.redis.info("memory")["used_memory"]),
    )


def _line(sample: Sample) -> str:
    sizes = (sample.parent, sample.children, sample.server)
    shown = "".join(f"{size / _MEGABYTE:12.1f}" for size in sizes)
    return f"{sample.seconds:8.0f}{sample.jobs:12,}{shown}"


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (10)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks (10)")
    parser.add_argument("--server", choices=("valkey", "redis"), default="valkey")
    parser.add_argument("--children", type=int, default=2)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Work, print, and tell whether the memory was flat."""
    arguments = _arguments(given)
    samples = []
    print(f"{'seconds':>8}{'jobs':>12}{'parent MB':>12}{'children':>12}{'server':>12}", flush=True)
    with (
        servers.running(arguments.server) as server,
        fleet.worker(server, "--import", _HANDLERS, children=arguments.children) as wait,
    ):
        for sample in soak(server.url, wait, 60 * arguments.minutes, arguments.every):
            samples.append(sample)
            print(_line(sample), flush=True)
    found = growths(samples)
    for one in found:
        before, after = one.before / _MEGABYTE, one.after / _MEGABYTE
        verdict = "flat" if one.is_flat else "GREW"
        print(f"{one.name:>8}: {before:.1f} MB, then {after:.1f} MB: {verdict}")
    return 0 if all(one.is_flat for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
