"""Measure every page of the dashboard before many queues and jobs: round trips, scripts, time."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import redis

from benchmarks.dashboard import visits
from benchmarks.dashboard.report import Result, part
from benchmarks.dashboard.town import FULL, QUICK, Scale, Town
from benchmarks.pages import write_part
from benchmarks.scripts.__main__ import version_of
from benchmarks.scripts.report import machine
from benchmarks.scripts.space import NAMESPACE, Clock
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


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench dashboard", description=__doc__)
    parser.add_argument("--server", choices=("valkey", "redis"), help="only this one; else both")
    parser.add_argument("--quick", action="store_true", help="a hundredth of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put this part there, too")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    arguments = _arguments(given)
    chosen = [arguments.server] if arguments.server else ["valkey", "redis"]
    scale, looks = (QUICK, _QUICK_LOOKS) if arguments.quick else (FULL, _LOOKS)
    results = []
    for server in chosen:
        _say(server)
        results.append(run(server, scale, looks))
    print(f"{machine()}\n\n" + "\n\n".join(result.text() for result in results))
    if arguments.json:
        text = json.dumps([result.as_json() for result in results], indent=2)
        arguments.json.write_text(f"{text}\n", encoding="utf-8")
    if arguments.page:
        write_part(arguments.page, part(results, dt.datetime.now(dt.UTC).date().isoformat()))


if __name__ == "__main__":
    main()
