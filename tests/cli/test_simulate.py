"""A load that goes on: what it does can be seen, and it leaves nothing held behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from qless_py import Client
from tests import servers
from tests.cli.conftest import Program


def test_a_simulation_puts_and_runs_jobs(program: Program, live: Client) -> None:
    told = program.json(
        *("simulate", "--for", "1.2s", "--rate", "200", "--workers", "20", "--takes", "50ms"),
        *("--failing", "0.2", "--losing", "0.05", "--seed", "3"),
    )

    counts = {row["name"]: row for row in live.queues.counts}
    assert told["put"] > 50
    assert told["completed"] > 0
    assert told["failed"] + told["retried"] > 0
    assert set(counts) <= {"sim-mail", "sim-images", "sim-reports"}
    running = sum(row["running"] + row["stalled"] for row in counts.values())
    assert running == told["lost"]  # the others were handed back
    assert sum(live.jobs.failed().values()) == told["failed"]
    assert list(live.workers) == []


def test_it_puts_no_more_than_may_wait(program: Program, live: Client) -> None:
    program(
        *("simulate", "--for", "0.5s", "--rate", "1000", "--workers", "1", "--takes", "10s"),
        *("--most", "20", "--queue", "trial"),
    )

    assert 0 < len(live.queues["trial"]) <= 20 + 100


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_simulation_ends_well_when_it_is_stopped(
    live: Client, server: servers.Server, number: int, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "qless_py", "simulate", "--rate", "100", "--json"],
        env={**os.environ, "QLESS_PY_URL": server.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with live.events.listen() as listener:
        event = listener.get(20)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    assert event is not None
    assert process.returncode == code
    assert err == ""
    assert json.loads(out)["put"] > 0
    assert sum(row["running"] for row in live.queues.counts) == json.loads(out)["lost"]
    assert list(live.workers) == []
