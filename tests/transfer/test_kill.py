"""An export or import that is killed and run again loses nothing and does nothing twice."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qless_py import Client, protocol
from qless_py.transfer import export_jobs
from tests.eventually import eventually

NUMBER = 1500

pytestmark = pytest.mark.slow


@pytest.fixture
def live_other(server: Any, live: Client) -> Iterator[Client]:
    """Return a client of another empty namespace that uses the server's clock."""
    del live
    with contextlib.closing(Client(server.url, namespace="other")) as made:
        yield made


def _start(client: Client, url: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "qless_py", *words, "--url", url, "--namespace", client.namespace],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _fill(client: Client) -> None:
    client.queues["q"].put_many({"klass": "K", "jid": f"j{n:05}", "data": n} for n in range(NUMBER))


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_an_import_killed_half_way_is_run_again_beside_a_worker(
    server: Any, live: Client, live_other: Client, tmp_path: Path
) -> None:
    _fill(live)
    path = tmp_path / "jobs"
    export_jobs(live, path)
    target, ran = live_other.queues["q"], []
    live_other.config.set("jobs-history", 0)  # What has run is forgotten at once.

    first = _start(live_other, server.url, "import", str(path))
    eventually(lambda: len(target) >= 300)
    _kill(first)
    for job in target.pop(100):
        ran.append(job.data)
        job.complete()
    second = _start(live_other, server.url, "import", str(path), "--json")
    answer, errors = second.communicate()

    assert second.returncode == 0, errors
    report = json.loads(answer)
    assert report["restored"] + report["existing"] == NUMBER
    while jobs := target.pop(100):
        ran += [job.data for job in jobs]
        leases = [(job.jid, job.lease) for job in jobs]
        live_other.run(protocol.jobs.complete_many(leases, [b""] * len(jobs)))
    assert sorted(ran) == list(range(NUMBER))


def test_an_export_killed_half_way_is_resumed(server: Any, live: Client, tmp_path: Path) -> None:
    _fill(live)
    path = tmp_path / "jobs"

    first = _start(live, server.url, "export", "--output", str(path))
    eventually(lambda: path.exists() and path.stat().st_size > 20_000)
    _kill(first)
    second = _start(live, server.url, "export", "--output", str(path), "--resume")
    _, errors = second.communicate()

    if b"nothing to resume" not in errors:  # It had ended before the signal came.
        assert second.returncode == 0, errors
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    jids = [line["jid"] for line in lines if line["kind"] == "job"]
    assert jids == [f"j{n:05}" for n in range(NUMBER)]
    assert lines[-1]["counts"] == {"job": NUMBER}
