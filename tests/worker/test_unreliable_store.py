"""A store that fails again and again: every job runs, and runs once."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from qless_py import Client
from qless_py.protocol.options import PutSpec
from tests import servers
from tests.eventually import eventually
from tests.store import proxy
from tests.worker import handlers, hostile_handlers
from tests.worker.conftest import LinePipe, Running, Start
from tests.worker.job_helpers import put, read, result

pytestmark = pytest.mark.fork

JOBS = 120
STRIKES = (
    "FUNCTION FLUSH",
    "CLIENT KILL TYPE normal",
    "CLIENT KILL TYPE pubsub",
    "CONFIG SET maxmemory 1",
    "FUNCTION FLUSH",
    "CLIENT KILL TYPE normal",
    "CONFIG SET maxmemory 0",
)
POOLS = pytest.mark.parametrize("options", [{}, {"isolation": "job"}, {"concurrency": 3}])


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book"
    path.touch()
    return path


def put_all(client: Client, book: Path, number: int = JOBS) -> list[str]:
    data = {"book": str(book), "seconds": 0.003}
    specs: list[PutSpec] = [{"klass": hostile_handlers.counted, "data": data}] * (number // 2)
    return [jid for _ in range(2) for jid in client.queues["work"].put_many(specs)]


def wait_for(book: Path, wanted: int) -> None:
    eventually(
        lambda: book.read_bytes().count(b"\n") >= wanted,
        f"{wanted} jobs were never done",
        every=0.004,
    )


def strike_again_and_again(book: Path, strike: Callable[[], object]) -> None:
    """Strike each time some more jobs have run."""
    for wanted in range(5, JOBS - 5, 5):
        wait_for(book, wanted)
        strike()


def children(worker: Running) -> set[int]:
    return {one.pid for one in psutil.Process(worker.process.pid).children()}


def assert_done_once(client: Client, book: Path, jids: list[str]) -> None:
    for jid in jids:
        assert result(client, jid) == jid
    assert sorted(book.read_text().split()) == sorted(jids)
    for jid in jids:
        job = read(client, jid)
        took = [one["what"] for one in job.history if one["what"] not in {"popped", "released"}]
        assert took == ["put", "done"], job.history
        assert job.retries_left == 5


def assert_reported_once(log: str) -> None:
    """Each process logs that the store is away, once, until it is back."""
    reports: dict[str, list[bool]] = {}
    for line in log.splitlines():
        if "trying" in line or "store available again" in line:
            reports.setdefault(line.split()[2], []).append("trying" in line)
    for ups_and_downs in reports.values():
        assert ups_and_downs == [True, False] * (len(ups_and_downs) // 2) + [True] * (
            len(ups_and_downs) % 2
        )


@POOLS
def test_repeated_flushes_disconnects_and_full_memory_lose_no_job(
    live: Client, server: servers.Server, work: Start, book: Path, options: dict[str, Any]
) -> None:
    jids = put_all(live, book)
    worker = work(children=2, imports=["tests.worker.hostile_handlers"], **options)
    wait_for(book, 1)
    processes = children(worker)
    strikes = itertools.cycle(STRIKES)

    with server.connect() as hand:
        strike_again_and_again(book, lambda: hand.execute_command(*next(strikes).split()))
        hand.config_set("maxmemory", 0)

    assert_done_once(live, book, jids)
    assert children(worker) == processes
    assert_reported_once(worker.log.read_text())


def test_a_stalled_network_is_logged_once_and_loses_no_job(
    live: Client, server: servers.Server, work: Start, book: Path
) -> None:
    jids = put_all(live, book, 100)
    with proxy.running(server.socket) as network:
        worker = work(children=2, url=network.url, imports=["tests.worker.hostile_handlers"])
        wait_for(book, 10)
        processes = children(worker)

        network.hold()
        worker.signal(signal.SIGCONT)  # It has something to send now.
        worker.wait_for_log("store unavailable, retrying until it is back")
        network.release()

        assert_done_once(live, book, jids)
        log = worker.wait_for_log("store available again")
        assert children(worker) == processes
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
    assert_reported_once(log)


def test_a_cancel_whose_message_was_lost_stops_the_handler_soon(
    live: Client, server: servers.Server, work: Start, reports: LinePipe
) -> None:
    work()
    with server.connect() as hand:
        for _ in range(2):
            jid = put(live, handlers.stoppable, {"pipe": str(reports.path)})
            reports.line()

            hand.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            live.cancel(jid)

            assert reports.line() == "lost"
