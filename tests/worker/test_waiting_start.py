"""A worker that starts before its store waits for it, and can be stopped meanwhile."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qless_py import Client
from tests import servers
from tests.worker import handlers
from tests.worker.conftest import Start
from tests.worker.job_helpers import put, result

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ql") as made:
        yield Path(made)


@pytest.mark.parametrize("isolation", ["child", "none"])
def test_a_worker_waits_for_a_store_that_is_away(
    work: Start, server_name: str, folder: Path, isolation: str
) -> None:
    server = servers.start(server_name, folder)
    url = server.url
    servers.stop(server)
    worker = work(url=url, isolation=isolation)
    worker.wait_for_log("store unavailable, retrying until it is back")

    server = servers.start(server_name, folder)
    try:
        with Client(url) as client:
            assert result(client, put(client, handlers.double, {"number": 4})) == 8
            worker.wait_for_log("store available again")
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0
    finally:
        servers.stop(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_worker_that_waits_for_its_store_can_be_stopped(
    work: Start, tmp_path: Path, number: signal.Signals
) -> None:
    worker = work(url=f"unix://{tmp_path}/nowhere")
    worker.wait_for_log("store unavailable")

    worker.signal(number)

    assert worker.wait() == 0
    assert "Traceback" not in worker.log.read_text()


def test_a_burst_does_not_wait_for_its_store(start: Start, tmp_path: Path) -> None:
    worker = start("--burst", url=f"unix://{tmp_path}/nowhere")

    assert worker.wait() == 1
    assert worker.log.read_text().splitlines()[-1].startswith("Error: no store: ")


def test_a_wrong_password_is_not_waited_for(start: Start, server: Any) -> None:
    worker = start(url=server.url + "?username=nobody&password=wrong")

    assert worker.wait() == 1
    assert "Traceback" not in worker.log.read_text()


@pytest.mark.parametrize(("words", "code"), [(["--burst"], 1), (["--probe", "/nowhere/probe"], 2)])
def test_a_worker_that_cannot_start_says_so_in_its_format(
    start: Start, tmp_path: Path, words: list[str], code: int
) -> None:
    worker = start("--log-format", "json", *words, url=f"unix://{tmp_path}/nowhere")

    assert worker.wait() == code
    rows = [json.loads(line) for line in worker.log.read_text().splitlines()]
    assert rows[-1]["message"].startswith("cannot start: ")
