"""`simulate` produces a load that events show, and holds no job when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from qless_py import Client
from qless_py.cli.simulate import Load, Plan
from tests import servers
from tests.cli.conftest import Program


def test_it_puts_no_more_than_may_wait(live: Client) -> None:
    queue = live.queues["trial"]
    plan = Plan(
        rate=1000, workers=1, queues=["trial"], takes=10, failing=0, losing=0, most=20, seed=1
    )
    load = Load(live, plan)

    while len(queue) < 20:
        load.step()
    for _ in range(20):
        load.step()

    assert len(queue) <= 20 + 100  # what one step may put
    load.close()


def test_it_ends_after_its_time_and_reports_its_counts(program: Program, live: Client) -> None:
    answer = program.json("simulate", "--for", "50ms", "--queue", "trial", "--takes", "5ms")

    assert answer["put"] == len(live.queues["trial"]) + answer["completed"] + answer["failed"]
    assert {row["name"] for row in live.queues.counts} <= {"trial"}
    assert list(live.workers) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_simulation_runs_until_stopped_and_holds_no_job_afterwards(
    live: Client, server: servers.Server, number: int, code: int
) -> None:
    words = ("--rate", "200", "--workers", "20", "--takes", "50ms", "--seed", "3")
    shares = ("--failing", "0.2", "--losing", "0.05")
    seen: set[str] = set()
    with live.events.listen() as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "qless_py", "simulate", *words, *shares, "--json"],
            env={**os.environ, "QLESS_PY_URL": server.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not seen >= {"put", "completed", "retried", "failed"}:
            event = listener.get(50)
            assert event is not None, seen
            seen.add(event.name)
        process.send_signal(number)
        out, err = process.communicate(timeout=50)

    answer, counts = json.loads(out), {row["name"]: row for row in live.queues.counts}
    assert (process.returncode, err) == (code, "")
    assert min(answer[what] for what in ("put", "popped", "completed", "failed", "retried")) > 0
    assert set(counts) <= {"sim-mail", "sim-images", "sim-reports"}
    running = sum(row["running"] + row["stalled"] for row in counts.values())
    assert running == answer["lost"]  # the others were released
    assert sum(live.jobs.failed().values()) == answer["failed"]
    assert list(live.workers) == []
