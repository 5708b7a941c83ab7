"""A worker of an App over its life: restarts, broken code, and the hooks in between."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from qless_py import Client
from tests import servers
from tests.eventually import eventually
from tests.worker.conftest import Start

pytestmark = [pytest.mark.fork, pytest.mark.any_server]

APP = """\
import qless_py

app = qless_py.App(namespace={namespace!r})

@app.job(queue="work")
def answer() -> str:
    return {answer!r}

@app.on_worker_start
def worker_start() -> None:
    print({answer!r}, "worker starts", flush=True)

@app.on_worker_stop
def worker_stop() -> None:
    print({answer!r}, "worker stops", flush=True)
"""


def test_a_restart_takes_new_code_of_the_app_and_refuses_broken_code(
    launch: Start, server: servers.Server, client: Client, tmp_path: Path
) -> None:
    module = tmp_path / "site_of_restarts.py"
    klass = "site_of_restarts.answer"

    def write(answer: str) -> None:
        module.write_text(APP.format(namespace=client.namespace, answer=answer))

    client.redis.flushall()  # The namespace is to have the server's clock.
    write("old")
    worker = launch(
        *(sys.executable, "-B", "-m", "qless_py", "work", "--app", "site_of_restarts"),
        *("-I", str(tmp_path), "--url", server.url, "-n", "1"),
    )
    worker.wait_for_log("old worker starts")
    live = Client(server.url, namespace=client.namespace)

    def answer() -> object:
        return live.job(live.queues["work"].put(klass, {"kwargs": {}})).wait(40)

    assert answer() == "old"

    module.write_text("1 / 0")
    worker.signal(signal.SIGHUP)
    log = worker.wait_for_log("new code does not start, continuing with the old")
    assert "ZeroDivisionError" in log
    assert answer() == "old"

    write("new")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("new worker starts")
    # A child of the old program may still take a job that it waited for.
    eventually(lambda: answer() == "new", "no job was run by the new code")

    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert "new worker stops" in worker.log.read_text()
    assert "old worker stops" not in worker.log.read_text()
    live.close()


def test_an_app_that_cannot_be_imported_is_one_json_line(
    launch: Start, server: servers.Server, tmp_path: Path
) -> None:
    (tmp_path / "site_that_is_broken.py").write_text("1 / 0")

    worker = launch(
        *(sys.executable, "-B", "-m", "qless_py", "work", "--app", "site_that_is_broken"),
        *("-I", str(tmp_path), "--url", server.url, "--log-format", "json"),
    )

    assert worker.wait() == 2
    (line,) = map(json.loads, worker.log.read_text().splitlines())
    assert line["level"] == "error"
    assert line["message"].startswith("cannot start: ")
    assert line["error"].endswith("ZeroDivisionError: division by zero")
