"""Measure every page of the dashboard with many queues and jobs: round trips, scripts, time."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import command
from benchmarks.dashboard import page_timings
from benchmarks.dashboard.dataset import FULL, QUICK, Dataset, Scale
from benchmarks.dashboard.report import Result, section
from benchmarks.namespace import NAMESPACE, Clock
from benchmarks.server import version_of
from qless_py import Client
from qless_py.store.runner import Runner
from tests import memoized, servers

_REQUESTS = 20


def run(server: str, scale: Scale, requests: int) -> Result:
    """Fill a private server and request every page."""
    command.log(server)
    memoized.install()  # Each page is measured in an application of its own.
    clock = Clock()
    with servers.running(server) as private, private.connect() as connection:
        dataset = Dataset(Runner(connection, NAMESPACE, clock), clock, scale)
        dataset.fill()
        client = Client(redis=connection, namespace=NAMESPACE, clock=clock)
        pages = page_timings.measure_all(client, connection, dataset, requests)
        memory = int(connection.info("memory")["used_memory"])
        return Result(version_of(connection), scale, memory, pages)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write the files asked for."""
    arguments = command.parser("dashboard", __doc__).parse_args(given)
    scale, requests = (QUICK, 1) if arguments.quick else (FULL, _REQUESTS)
    results = [run(server, scale, requests) for server in command.selected_servers(arguments)]
    command.write_results(arguments, results, section)


if __name__ == "__main__":
    main()
