"""Measure complete jobs: rates, pickup latency and recovery, next to the limits of the machine.

Measures in one run what the machine can do at most (a no-op script, a plain fork), this project
with its default and its best settings, and, with `--peers`, other queues on the same server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from benchmarks import command
from benchmarks.jobs import limits, peers, qless
from benchmarks.jobs.report import FULL, QUICK, Figure, Scale, section, text
from benchmarks.scripts import job_costs
from tests import servers


def measure(server: str, scale: Scale, *, with_peers: bool) -> Iterator[Figure]:
    """Measure everything on one private server, figure by figure."""
    # Persistence as in the embedded store, and as usual on a server that keeps its data.
    fsync = "no" if server == "valkey" else "everysec"
    settings = ("--appendonly", "yes", "--appendfsync", fsync)
    with servers.running(server, *settings) as private, private.connect() as connection:
        yield from limits.measure(private, connection, scale)
        yield from qless.put_rates(private, scale)
        yield from qless.job_rates(private, scale)
        yield from qless.pickup(private, scale)
        yield from qless.forking(private, scale)
        yield from qless.recovery(private, scale)
        connection.flushall()
        size = job_costs.bytes_per_job(connection, scale.jobs)
        yield Figure("memory", "bytes per waiting job", size, "B", job_costs.BYTES_BUDGET, "max")
        if with_peers:
            yield from peers.measure(private, scale)


def _measure_all(server: str, scale: Scale, *, with_peers: bool) -> list[Figure]:
    found = []
    command.log(server)
    for figure in measure(server, scale, with_peers=with_peers):
        command.log(f"  {figure.part}: {figure.label.strip()}: {figure.shown} {figure.unit}")
        found.append(figure)
    return found


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write the files asked for."""
    parser = command.parser("jobs", __doc__, "5%%")
    parser.add_argument(
        "--peers", action="store_true", help="also measure other queues (installed into .bench)"
    )
    arguments = parser.parse_args(given)
    scale = QUICK if arguments.quick else FULL
    results = {
        server: _measure_all(server, scale, with_peers=arguments.peers)
        for server in command.selected_servers(arguments)
    }
    for name, figures in results.items():
        print(f"\n{name}\n{text(figures)}")
    plain = {name: [asdict(one) for one in figures] for name, figures in results.items()}
    command.write_json(arguments.json, plain)
    if arguments.page:
        command.write_section(arguments.page, section(results))


if __name__ == "__main__":
    main()
