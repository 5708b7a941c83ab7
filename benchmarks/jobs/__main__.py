"""Measure jobs from put to completion: rates, waiting times, recovery, beside what is bare.

Prints what one machine does in one run: the limits that no queue can pass (a bare EVALSHA, a bare
fork), this project with its defaults and at its best, and, with `--peers`, other queues on the same
server.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

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


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench jobs", description=__doc__)
    parser.add_argument("--server", choices=("valkey", "redis"), help="only this one; else both")
    parser.add_argument("--quick", action="store_true", help="a twentieth of everything")
    parser.add_argument("--peers", action="store_true", help="other queues, too (installs them)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the document here, too")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    arguments = _arguments(given)
    chosen = [arguments.server] if arguments.server else ["valkey", "redis"]
    scale = QUICK if arguments.quick else FULL
    results = {one: _all(one, scale, with_peers=arguments.peers) for one in chosen}
    for name, figures in results.items():
        print(f"\n{name}\n{text(figures)}")
    if arguments.json:
        plain = {name: [asdict(one) for one in figures] for name, figures in results.items()}
        arguments.json.write_text(f"{json.dumps(plain, indent=2)}\n", encoding="utf-8")
    if arguments.page:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        arguments.page.write_text(page(results, today), encoding="utf-8")


if __name__ == "__main__":
    main()
