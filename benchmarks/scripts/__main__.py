"""Measure every script: its time on the server in a large keyspace, and what a job costs."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import redis
from rich.progress import Progress

from benchmarks import command
from benchmarks.scripts import admission, costs, reading, timing, transitions
from benchmarks.scripts.report import Result, page
from benchmarks.scripts.space import FULL, QUICK, Scale, Space, Step, build
from benchmarks.tables import version_of
from tests import servers


def run(server: str, scale: Scale, step: Step) -> Result:
    """Measure all there is on one private server."""
    with servers.running(server) as private, private.connect() as connection:
        version = version_of(connection)
        per_job = costs.bytes_per_job(connection, scale.stored)
        spent = costs.measure(
            connection, scale.jobs, lambda done, of: step("cost of a job", done, of)
        )
        connection.flushall()
        noise, timings = _time_all(connection, scale, step)
        return Result(version, scale, noise, timings, per_job, spent)


def _time_all(
    connection: redis.Redis, scale: Scale, step: Step
) -> tuple[timing.Timing, list[timing.Timing]]:
    space = Space(connection, scale)
    build(space, step)
    noise = timing.measure_empty(space)
    # Queries first: transitions soon clear up what is due.
    plain = (*reading.CASES, *transitions.PLAIN)
    cases = (*plain, *admission.CASES, *transitions.FAMILY)
    found = []
    for done, case in enumerate(cases):
        step("commands", done, len(cases))
        found.append(timing.measure(space, case))
    step("commands", len(cases), len(cases))
    return noise, found


def _lines() -> Step:
    """Say in plain lines what begins, and how long the last thing took."""
    begun: dict[str, float] = {}

    def step(what: str, done: int, of: int) -> None:
        if what not in begun:
            begun[what] = time.monotonic()
            print(f"  {what}: {of:,}", file=sys.stderr, flush=True)
        if done >= of:
            taken = time.monotonic() - begun[what]
            print(f"  {what}: done in {taken:.0f} s", file=sys.stderr, flush=True)

    return step


def _bars(progress: Progress, server: str) -> Step:
    tasks = {}

    def step(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(f"{server}: {what}")
        progress.update(tasks[what], completed=done, total=of)

    return step


def _measured(server: str, scale: Scale) -> Result:
    if not sys.stderr.isatty():
        print(f"{server}:", file=sys.stderr, flush=True)
        return run(server, scale, _lines())
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    with Progress(console=Console(stderr=True), transient=True) as progress:
        return run(server, scale, _bars(progress, server))


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    arguments = command.parser("scripts", __doc__).parse_args(given)
    scale = QUICK if arguments.quick else FULL
    command.tell(arguments, [_measured(one, scale) for one in command.chosen(arguments)], page)


if __name__ == "__main__":
    main()
