"""Workers keep running jobs while the store is away and record the outcome afterwards."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from qless_py import Client, Job
from tests import servers
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start, assert_ended

pytestmark = pytest.mark.fork


@pytest.fixture
def url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ql") as folder:
        yield f"embedded://{folder}/store"


@pytest.fixture
def embedded(url: str) -> Iterator[Client]:
    with Client(url) as client:
        client.config["heartbeat"] = 2
        client.config["grace-period"] = 0.5
        yield client
        server = psutil.Process(server_pid(client))
    # Its last user has left; it writes its file out before it ends.
    assert_ended([server])


def server_pid(client: Client) -> int:
    return int(client.redis.info("server")["process_id"])


def kill_server(client: Client) -> None:
    os.kill(server_pid(client), signal.SIGKILL)


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def test_a_job_that_ran_while_the_server_was_killed_completes_once(
    embedded: Client, url: str, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    worker = start(url=url)
    jid = embedded.queues["work"].put(
        handlers.waits, {"pipe": str(reports.path), "go": str(go.path)}
    )
    reports.line()

    kill_server(embedded)
    go.send("on")

    assert read(embedded, jid).wait(40) == "on"
    assert [entry["what"] for entry in read(embedded, jid).history] == ["put", "popped", "done"]
    assert worker.process.poll() is None


def test_an_idle_worker_takes_jobs_again_after_the_server_was_killed(
    embedded: Client, url: str, start: Start
) -> None:
    worker = start(url=url, children=2)
    read(embedded, embedded.queues["work"].put(handlers.nothing)).wait(40)

    for _ in range(3):
        kill_server(embedded)
        read(embedded, embedded.queues["work"].put(handlers.nothing)).wait(40)

    assert worker.process.poll() is None


def test_a_child_that_dies_while_the_server_is_dead_is_reported_afterwards(
    embedded: Client, url: str, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    start(url=url)
    jid = embedded.queues["work"].put(
        handlers.waits, {"pipe": str(reports.path), "go": str(go.path)}
    )
    child = int(reports.line())

    kill_server(embedded)
    os.kill(child, signal.SIGKILL)
    reports.line()
    go.send("on")

    assert read(embedded, jid).wait(40) == "on"
    steps = [entry["what"] for entry in read(embedded, jid).history]
    assert steps == ["put", "popped", "crashed", "popped", "done"]


def test_another_worker_takes_over_the_jobs_of_a_killed_one(
    embedded: Client, url: str, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    first = start(url=url)
    jid = embedded.queues["work"].put(
        handlers.waits, {"pipe": str(reports.path), "go": str(go.path)}
    )
    reports.line()
    start(url=url)

    first.signal(signal.SIGKILL)
    reports.line()
    go.send("on")

    assert read(embedded, jid).wait(40) == "on"
    steps = [entry["what"] for entry in read(embedded, jid).history]
    assert steps == ["put", "popped", "crashed", "popped", "done"]


def test_an_outage_is_logged_once_and_jobs_continue(
    work: Start, reports: LinePipe, go: LinePipe, server_name: str
) -> None:
    keeps = ("--appendonly", "yes")
    with tempfile.TemporaryDirectory(prefix="ql") as made:
        folder = Path(made)
        server = servers.start(server_name, folder, *keeps)
        with Client(server.url) as client:
            worker = work(url=server.url, children=2)
            jid = client.queues["work"].put(
                handlers.waits, {"pipe": str(reports.path), "go": str(go.path)}
            )
            reports.line()
            servers.stop(server)
            worker.wait_for_log("store unavailable")
            go.send("on")

            server = servers.start(server_name, folder, *keeps)

            assert read(client, jid).wait(40) == "on"
            assert read(client, client.queues["work"].put(handlers.nothing)).wait(40) is None
            steps = [entry["what"] for entry in read(client, jid).history]
        log = worker.log.read_text()
        processes = {line.split()[2] for line in log.splitlines() if "store unavailable" in line}
        lines = [
            line.split()[2] for line in log.splitlines() if "store unavailable, retrying" in line
        ]
        servers.stop(server)

    assert worker.process.poll() is None
    assert steps == ["put", "popped", "done"]
    assert sorted(lines) == sorted(processes)
