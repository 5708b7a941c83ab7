"""Measure every script: its time on the server in a large keyspace, and the cost of a job."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from benchmarks import command
from benchmarks.scripts import admission, changes, doors, job_costs, queries, timing, transitions
from benchmarks.scripts.keyspace import FULL, QUICK, Keyspace, Scale, build
from benchmarks.scripts.report import Result, section
from benchmarks.server import version_of
from tests import servers


def run(server: str, scale: Scale) -> Result:
    """Measure everything on one private server."""
    command.log(server)
    with servers.running(server) as private, private.connect() as connection:
        version = version_of(connection)
        per_job = job_costs.bytes_per_job(connection, scale.stored)
        command.log("  cost of a job")
        costs = job_costs.measure(connection, scale.jobs)
        connection.flushall()
        noise, timings = _time_all(connection, scale)
        return Result(version, scale, noise, timings, per_job, costs)


def _time_all(connection: redis.Redis, scale: Scale) -> tuple[timing.Timing, list[timing.Timing]]:
    keyspace = Keyspace(connection, scale)
    build(keyspace)
    noise = timing.measure_no_op(keyspace)
    # Queries first: transitions soon promote or requeue the jobs that are due.
    plain = (*queries.CASES, *transitions.CASES)
    cases = (*plain, *admission.CASES, *transitions.DEPENDENT_CASES, *doors.CASES, *changes.CASES)
    command.log(f"  {len(cases)} commands")
    return noise, [timing.measure(keyspace, case) for case in cases]


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write the files asked for."""
    arguments = command.parser("scripts", __doc__).parse_args(given)
    scale = QUICK if arguments.quick else FULL
    results = [run(server, scale) for server in command.selected_servers(arguments)]
    command.write_results(arguments, results, section)


if __name__ == "__main__":
    main()
