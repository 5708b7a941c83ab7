"""Measure the dashboard's overview before many queues and jobs: round trips, scripts, the page."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import redis

from benchmarks.scripts.report import machine, table
from qless_py import Client, protocol
from qless_py.dashboard import DashboardConfig, create_app
from qless_py.store.runner import Runner
from tests import servers

QUEUES: Final = 200
JOBS: Final = 1_000_000
_CALL: Final = 100
_PAGES: Final = 30
PATHS: Final = (
    "/", "/?range=14d", "/queues", "/queues/queue-0", "/queues/queue-0?tab=waiting",
    "/jobs?q=nothing-like-it", "/failures", "/workers", "/snapshot",
)  # fmt: skip
TRIPS, SCRIPT, PAGE = 12, 5.0, 150.0


def fill(client: Client, jobs: int) -> None:
    """Put jobs evenly into the queues, some of which fail."""
    data = b'{"user":12345,"address":"someone@example.org","subject":"Welcome","tries":3}'
    for number in range(0, jobs // _CALL, 10):
        calls = []
        for call in range(number, min(number + 10, jobs // _CALL)):
            specs = [{"jid": f"job-{call}-{one}", "klass": "app.mail.Send"} for one in range(_CALL)]
            queue = f"queue-{call % QUEUES}"
            calls.append(protocol.jobs.put_many(queue, specs, [data] * _CALL))
        client.run_many(calls)
    for number in range(20):
        for job in client.queues[f"queue-{number}"].pop(10):
            job.fail(f"app.mail.Send:Error{number}", "no answer")


class Counted:
    """Counts how often runners wait for the server."""

    def __init__(self) -> None:
        self.trips = 0
        send = Runner._send  # noqa: SLF001 - the one place where it waits

        def counted(runner: Runner, calls: Sequence[Any]) -> list[Any]:
            self.trips += 1
            return send(runner, calls)

        Runner._send = counted  # type: ignore[method-assign, assignment]  # noqa: SLF001


def slowest_script(connection: redis.Redis) -> float:
    """Give the milliseconds of the slowest command since the log was reset."""
    entries = connection.slowlog_get(1000)
    return max((entry["duration"] / 1000 for entry in entries), default=0.0)


def measure(server: str, jobs: int) -> list[dict[str, Any]]:
    """Visit each page several times, each time as if nobody had looked for long."""
    with servers.running(server) as private, private.connect() as connection:
        client = Client(private.url)
        print(f"{server}: putting {jobs:,} jobs into {QUEUES} queues", file=sys.stderr, flush=True)
        fill(client, jobs)
        connection.config_set("slowlog-log-slower-than", 0)
        connection.config_set("slowlog-max-len", 1000)
        app = create_app(client, DashboardConfig(secret="s" * 16, refresh=0.001))
        browser = app.test_client()
        counted = Counted()
        found = []
        for path in PATHS:
            browser.get(path, buffered=True)
            times = []
            connection.slowlog_reset()
            counted.trips = 0
            for _ in range(_PAGES):
                began = time.perf_counter()
                answer = browser.get(path, buffered=True)
                times.append(1000 * (time.perf_counter() - began))
                if answer.status_code != 200:
                    raise RuntimeError(f"{path}: {answer.status}")
            found.append({
                "path": path, "trips": counted.trips / _PAGES, "size": len(answer.data),
                "script": slowest_script(connection),
                "median": statistics.median(times), "worst": max(times),
            })  # fmt: skip
        return found


def text(server: str, rows: Sequence[dict[str, Any]]) -> str:
    """Give the table of one server."""
    shown = [("page", "round trips", "slowest script ms", "median ms", "worst ms", "bytes", "")]
    for row in rows:
        within = row["trips"] <= TRIPS and row["script"] <= SCRIPT and row["median"] <= PAGE
        verdict = ("ok" if within else "OVER") if row["path"] == "/" else ""
        shown.append((
            row["path"], f"{row['trips']:.0f}", f"{row['script']:.2f}", f"{row['median']:.1f}",
            f"{row['worst']:.1f}", f"{row['size']:,}", verdict,
        ))  # fmt: skip
    target = f"Target of the overview: {TRIPS} round trips, {SCRIPT:g} ms, {PAGE:g} ms"
    return f"{server}\n{target}\n\n{table(shown)}"


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="bin/bench dashboard", description=__doc__)
    parser.add_argument("--server", choices=("valkey", "redis"), help="only this one; else both")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many jobs are put")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    arguments = parser.parse_args(given)
    chosen = [arguments.server] if arguments.server else ["valkey", "redis"]
    results = {one: measure(one, arguments.jobs) for one in chosen}
    print(f"{arguments.jobs:,} jobs in {QUEUES} queues; {machine()}\n")
    print("\n\n".join(text(name, rows) for name, rows in results.items()))
    if arguments.json:
        arguments.json.write_text(f"{json.dumps(results, indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
