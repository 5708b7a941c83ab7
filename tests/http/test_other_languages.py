"""Workers in bash and in JavaScript run the whole life of jobs over HTTP, and die while they do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qless_py import Client
from qless_py.client.job import Job
from qless_py.dashboard.server import listen
from qless_py.http import HttpConfig, create_api
from tests.eventually import eventually

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "http"
COMMAND = """#!/usr/bin/env bash
job=$(cat) jid=$1
case $jid in
  bad-*) echo "cannot \\"$jid\\"" >&2; exit 3 ;;
  long-*) touch started; sleep 60 & wait ;;
esac
echo "{\\"doubled\\": \\"$jid$jid\\"}"
"""
MODULE = """
import { writeFileSync } from "node:fs";
export async function app_double(data, job, signal) {
  if (job.jid.startsWith("bad-")) throw new TypeError(`cannot "${job.jid}"`);
  if (job.jid.startsWith("long-")) {
    writeFileSync("started", "");
    await new Promise((done) => { signal.onabort = done; setTimeout(done, 60000); });
  }
  return { doubled: job.jid + job.jid };
}
"""

Start = Callable[[], subprocess.Popen[str]]

pytestmark = [pytest.mark.leaves_children]


@pytest.fixture
def url(live: Client) -> Iterator[str]:
    before = threading.active_count()
    server = listen(create_api(live, HttpConfig(longest_wait=1)), "127.0.0.1", 0, is_silent=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/api/v1"
    server.shutdown()
    thread.join()
    # A request whose client is gone stops waiting for a job.
    eventually(lambda: threading.active_count() <= before)
    server.server_close()


@pytest.fixture(params=["bash", "node"])
def start(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a worker of the queue q."""
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == "bash":
        (tmp_path / "double").write_text(COMMAND)
        command = [program, str(EXAMPLES / "worker.sh"), url, "q", "bash", "./double"]
    else:
        (tmp_path / "double.mjs").write_text(MODULE)
        command = [program, str(EXAMPLES / "worker.mjs"), url, "q", "double.mjs"]
    started: list[subprocess.Popen[str]] = []

    def run() -> subprocess.Popen[str]:
        environment = {**os.environ, "RENEW_EVERY": "0.5"}
        started.append(
            subprocess.Popen(
                command,
                cwd=tmp_path,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )
        return started[-1]

    yield run
    for one in started:
        one.kill()
        one.communicate()
    subprocess.run(["pkill", "-f", f"sleep 60.*{tmp_path}"], check=False)


def put(client: Client, *jids: str, **options: Any) -> None:
    for jid in jids:
        client.queues["q"].put(
            "app.double", {"lease": 'a "quoted" one', "jid": "no"}, jid=jid, **options
        )


def job(client: Client, jid: str) -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def states(client: Client, *jids: str) -> set[str]:
    return {job(client, jid).state for jid in jids}


def test_results_errors_and_retries(live: Client, start: Start) -> None:
    jids = [f"j{n}" for n in range(5)]
    put(live, *jids, "bad-1")
    put(live, "bad-2", attempts=3)
    worker = start()

    eventually(lambda: states(live, *jids) == {"complete"}, lambda: states(live, *jids))
    eventually(lambda: states(live, "bad-1") == {"failed"})
    eventually(lambda: states(live, "bad-2") == {"scheduled"})

    assert [job(live, jid).result for jid in jids] == [{"doubled": jid * 2} for jid in jids]
    assert 'cannot "bad-1"' in job(live, "bad-1").failure["message"]
    live.workers.stop()
    assert worker.wait(30) == 0
    assert list(live.workers) == []


def test_a_killed_worker_loses_nothing(live: Client, start: Start, tmp_path: Path) -> None:
    live.config["heartbeat"] = 1
    live.config["grace-period"] = 0
    put(live, "long-1")
    first = start()
    eventually((tmp_path / "started").exists)
    # It lives on under renewed leases.
    begun = job(live, "long-1").expires_at
    eventually(lambda: job(live, "long-1").expires_at > begun + 1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    (tmp_path / "started").unlink()
    put(live, "j1")

    second = start()
    eventually((tmp_path / "started").exists)

    assert job(live, "long-1").state == "running"
    assert job(live, "long-1").retries_left == 4
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    eventually(lambda: states(live, "long-1") == {"waiting"})
    assert job(live, "long-1").retries_left == 4  # The lost lease cost one, the release none.


def test_a_worker_that_is_killed_alone_renews_no_lease(
    live: Client, start: Start, tmp_path: Path
) -> None:
    live.config["heartbeat"] = 1
    live.config["grace-period"] = 0
    put(live, "long-1")
    worker = start()
    eventually((tmp_path / "started").exists)

    worker.kill()  # It is not waited for, so a bash worker stays as a zombie.

    again = eventually(live.queues["q"].pop)
    assert again is not None
    assert again.jid == "long-1"


def test_a_lost_lease_stops_the_work(live: Client, start: Start, tmp_path: Path) -> None:
    put(live, "long-1")
    worker = start()
    eventually((tmp_path / "started").exists)

    job(live, "long-1").cancel()
    put(live, "j1")

    eventually(lambda: states(live, "j1") == {"complete"})
    assert live.jobs["long-1"] is None
    worker.send_signal(signal.SIGQUIT)
    assert worker.wait(30) == 0
