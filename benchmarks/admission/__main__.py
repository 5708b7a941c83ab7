"""Measure fairness between users, and what users and throttles cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks import command
from benchmarks.admission import feature_costs, load, shares
from benchmarks.admission.report import Result, Scale, section
from benchmarks.server import version_of
from tests import servers

FULL: Final = Scale(users=100, popped=20_000, jobs=600, parked=100_000, calls=400)
QUICK: Final = Scale(users=20, popped=600, jobs=40, parked=1_000, calls=10)


def run(server: str, scale: Scale) -> Result:
    """Measure everything on one private server."""
    with servers.running(server) as private, private.connect() as connection:
        command.log(f"{server}: shares of users")
        shared = shares.measure(connection, scale.users, scale.popped)
        command.log(f"{server}: costs of features")
        costs = feature_costs.measure(connection, scale.jobs, scale.parked)
        command.log(f"{server}: calls under load")
        timings = load.measure_all(connection, scale.parked, scale.calls)
        cpu = load.measure_cpu(connection, scale.parked, scale.calls)
        return Result(version_of(connection), scale, shared, costs, timings, cpu)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write the files asked for."""
    arguments = command.parser("admission", __doc__).parse_args(given)
    scale = QUICK if arguments.quick else FULL
    results = [run(server, scale) for server in command.selected_servers(arguments)]
    command.write_results(arguments, results, section)


if __name__ == "__main__":
    main()
