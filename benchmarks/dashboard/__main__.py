"""Measure every page of the dashboard before many queues and jobs: round trips, scripts, time."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import redis

from benchmarks import command
from benchmarks.dashboard import visits
from benchmarks.dashboard.report import Result, part
from benchmarks.dashboard.town import FULL, QUICK, Scale, Town
from benchmarks.scripts.space import NAMESPACE, Clock
from benchmarks.tables import machine, version_of
from qless_py import Client
from qless_py.store.runner import Runner
from tests import servers

_LOOKS = 20
_QUICK_LOOKS = 1
_BEGAN = time.monotonic()


def run(server: str, scale: Scale, looks: int) -> Result:
    """Fill a private server and look at it."""
    with servers.running(server) as private, private.connect() as connection:
        return measure(connection, scale, looks)


def measure(connection: redis.Redis, scale: Scale, looks: int) -> Result:
    """Fill an empty server and look at it."""
    clock = Clock()
    town = Town(Runner(connection, NAMESPACE, clock), clock, scale, _say)
    town.fill()
    client = Client(redis=connection, namespace=NAMESPACE, clock=clock)
    found = visits.all_pages(client, connection, town, looks, _say)
    memory = int(connection.info("memory")["used_memory"])
    return Result(version_of(connection), scale, memory, found)


def _say(what: str) -> None:
    print(f"{time.monotonic() - _BEGAN:6.0f} s  {what}", file=sys.stderr, flush=True)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    arguments = command.parser("dashboard", __doc__).parse_args(given)
    scale, looks = (QUICK, _QUICK_LOOKS) if arguments.quick else (FULL, _LOOKS)
    results = []
    for server in command.chosen(arguments):
        _say(server)
        results.append(run(server, scale, looks))
    print(f"{machine()}\n")
    command.tell(arguments, results, part)


if __name__ == "__main__":
    main()
