"""Measure fairness between users, and what users and throttles cost."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.admission import crowds, prices, shares
from benchmarks.admission.report import Result, Scale, part
from benchmarks.pages import write_part
from benchmarks.scripts.__main__ import version_of
from tests import servers

FULL: Final = Scale(users=100, handed_out=20_000, jobs=600, parked=100_000, calls=400)
QUICK: Final = Scale(users=20, handed_out=600, jobs=100, parked=1_000, calls=10)


def run(server: str, scale: Scale) -> Result:
    """Measure all there is on one private server."""
    with servers.running(server) as private, private.connect() as connection:
        _say(f"{server}: shares")
        shared = shares.measure(connection, scale.users, scale.handed_out)
        _say(f"{server}: prices")
        paid = prices.measure(
            connection, scale.jobs, scale.parked, lambda done, of: _say(f"  {done} of {of}")
        )
        _say(f"{server}: crowds")
        timed = crowds.measure_all(connection, scale.parked, scale.calls)
        spent = crowds.measure_cpu(connection, scale.parked, scale.calls)
        return Result(version_of(connection), scale, shared, paid, timed, spent)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench admission", description=__doc__)
    parser.add_argument("--server", choices=("valkey", "redis"), help="only this one; else both")
    parser.add_argument("--quick", action="store_true", help="a hundredth of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put this part there, too")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    arguments = _arguments(given)
    chosen = [arguments.server] if arguments.server else ["valkey", "redis"]
    results = [run(server, QUICK if arguments.quick else FULL) for server in chosen]
    print("\n\n".join(result.text() for result in results))
    if arguments.json:
        text = json.dumps([result.as_json() for result in results], indent=2)
        arguments.json.write_text(f"{text}\n", encoding="utf-8")
    if arguments.page:
        write_part(arguments.page, part(results, dt.datetime.now(dt.UTC).date().isoformat()))


if __name__ == "__main__":
    main()
