"""Measure fairness between users, and what users and throttles cost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from benchmarks import command
from benchmarks.admission import crowds, prices, shares
from benchmarks.admission.report import Result, Scale, part
from benchmarks.tables import version_of
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


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    arguments = command.parser("admission", __doc__).parse_args(given)
    scale = QUICK if arguments.quick else FULL
    command.tell(arguments, [run(server, scale) for server in command.chosen(arguments)], part)


if __name__ == "__main__":
    main()
