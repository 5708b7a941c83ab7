"""Measure jobs from put to completion: rates, waiting times, recovery, beside what is bare.

Prints what one machine does in one run: the limits that no queue can pass (a bare EVALSHA, a bare
fork), this project with its defaults and at its best, and, with `--peers`, other queues on the same
server.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from benchmarks import command
from benchmarks.jobs import floors, ours, peers
from benchmarks.jobs.report import FULL, QUICK, Figure, Scale, page, text
from benchmarks.scripts import costs
from tests import servers


def measure(server: str, scale: Scale, *, with_peers: bool) -> Iterator[Figure]:
    """Measure everything on one private server, figure by figure."""
    # As the embedded store keeps its data, and as a server does that is told to keep any.
    fsync = "no" if server == "valkey" else "everysec"
    settings = ("--appendonly", "yes", "--appendfsync", fsync)
    with servers.running(server, *settings) as private, private.connect() as connection:
        yield from floors.measure(private, connection, scale)
        yield from ours.puts(private, scale)
        yield from ours.rates(private, scale)
        yield from ours.pickup(private, scale)
        yield from ours.forking(private, scale)
        yield from ours.recovery(private, scale)
        connection.flushall()
        size = costs.bytes_per_job(connection, scale.jobs)
        yield Figure("cost", "bytes of a waiting job", size, "B", costs.BYTES_BUDGET, "most")
        if with_peers:
            yield from peers.measure(private, scale)


def _all(server: str, scale: Scale, *, with_peers: bool) -> list[Figure]:
    found = []
    print(f"{server}:", file=sys.stderr, flush=True)
    for figure in measure(server, scale, with_peers=with_peers):
        print(f"  {figure.label}: {figure.shown} {figure.unit}", file=sys.stderr, flush=True)
        found.append(figure)
    return found


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    parser = command.parser("jobs", __doc__, "a twentieth")
    parser.add_argument("--peers", action="store_true", help="other queues, too (installs them)")
    arguments = parser.parse_args(given)
    scale = QUICK if arguments.quick else FULL
    results = {
        one: _all(one, scale, with_peers=arguments.peers) for one in command.chosen(arguments)
    }
    for name, figures in results.items():
        print(f"\n{name}\n{text(figures)}")
    plain = {name: [asdict(one) for one in figures] for name, figures in results.items()}
    command.write_json(arguments.json, plain)
    if arguments.page:
        arguments.page.write_text(page(results, command.today()), encoding="utf-8")


if __name__ == "__main__":
    main()
