"""Measure complete jobs: rates, latency, recovery and cost, next to the limits of the machine.

Everything is measured in several rounds: what the machine can do at most (a no-op script, a plain
fork), this project, and, with `--peers`, other queues on the same server.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Collection, Sequence

from benchmarks import command
from benchmarks.jobs import rounds, subjects, usage
from benchmarks.jobs.report import Result, write_page
from benchmarks.jobs.scale import FULL, QUICK, Scale
from benchmarks.server import version_of
from tests import servers


def run(server: str, scale: Scale, only: Collection[str] = (), *, with_peers: bool) -> Result:
    """Measure everything, or only the subjects of these names, on private servers."""
    command.log(server)
    # Persistence as in the embedded store, and as usual on a server that keeps its data.
    fsync = "no" if server == "valkey" else "everysec"
    settings = ("--appendonly", "yes", "--appendfsync", fsync)
    with (
        servers.running(server, *settings) as private,
        servers.running(server) as plain,
        servers.running(server) as large,
        private.connect() as connection,
    ):
        every = subjects.of_this_project(private, plain, large, scale)
        if with_peers:
            every += subjects.of_peers(private, scale)
        if only:
            every = [one for one in every if one.name in only]
        measured = rounds.measure(every, scale.rounds, scale.patience)
        return Result(server, version_of(connection), scale, measured)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write the files asked for; exit with 1 if a subject failed."""
    parser = command.parser("jobs", __doc__, "5%%")
    parser.add_argument(
        "--peers", action="store_true", help="also measure other queues (installed into .bench)"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="SUBJECT", help="measure only this subject"
    )
    arguments = parser.parse_args(given)
    scale = QUICK if arguments.quick else FULL
    # Each client would warn that two of the servers keep no file.
    logging.getLogger("qless_py.store").setLevel(logging.ERROR)
    # Otherwise SIGTERM would leave servers and workers behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    usage.adopt_orphans()
    results = [
        run(server, scale, arguments.only, with_peers=arguments.peers)
        for server in command.selected_servers(arguments)
    ]
    print("\n\n".join(result.text() for result in results))
    command.write_json(arguments.json, [result.as_json() for result in results])
    if arguments.page:
        write_page(arguments.page, results)
    if any(result.measured.failures for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
