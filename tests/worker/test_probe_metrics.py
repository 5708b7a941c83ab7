"""What the probe of a worker shows of its own process, and what it leaves to others."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qless_py import Client, RetryPolicy
from qless_py.metrics import families
from qless_py.worker import ask_probe
from qless_py.worker.probe import Probe
from tests.eventually import eventually
from tests.metrics.conftest import Samples
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start
from tests.worker.job_helpers import pipes, put, read, result

pytestmark = pytest.mark.fork


def scrape(address: str) -> Samples:
    status, body = ask_probe(address, "/metrics")
    assert status == 200
    return Samples(body.encode(), "text/plain")


def assert_open_metrics(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        client.sendall(b"GET /metrics HTTP/1.1\r\nACCEPT: application/openmetrics-text\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Type: application/openmetrics-text; version=1.0.0" in head
    assert b"Content-Length: %d" % len(body) in head
    Samples(body, "application/openmetrics-text")


def ended(address: str, outcome: str) -> float | None:
    return scrape(address)("qless_process_jobs_total", outcome=outcome)


def test_a_worker_counts_its_jobs_by_outcome(live: Client, work: Start, tmp_path: Path) -> None:
    address = str(tmp_path / "probe")
    work(probe=address)
    done = put(live, handlers.nothing)
    failed = put(live, handlers.raises)
    retried = put(live, handlers.raises, retry=RetryPolicy(600, retries=1))
    died = put(live, handlers.dies_once, retries=3)
    result(live, done)
    result(live, died)
    eventually(lambda: read(live, failed).state == "failed")
    eventually(lambda: ended(address, "retried") or 0)

    eventually(lambda: ended(address, "completed") == 2)
    found = scrape(address)
    assert found("qless_process_jobs_total", outcome="failed") == 1
    assert found("qless_process_jobs_total", outcome="died") == 1
    assert (
        sum(
            found("qless_process_child_exits_total", cause=cause) or 0
            for cause in ("error", "signal")
        )
        == 1
    )
    shown = {name.removesuffix("_info") for name in found.families if name.startswith("qless_")}
    assert shown == {one.name for one in (families.OF_BUILD, *families.OF_PROCESS)}
    live.cancel(retried)


def test_a_worker_shows_its_slots_children_and_memory(
    live: Client, work: Start, tmp_path: Path
) -> None:
    address = str(tmp_path / "probe")
    worker = work(probe=address, children=2)
    result(live, put(live, handlers.nothing))
    eventually(lambda: ask_probe(address)[0] == 200)

    found = scrape(address)

    single = ("ready", "store_up", "quiet", "children", "children_wanted", "slots", "busy_slots")
    values = [found(f"qless_process_{name}") for name in single]
    assert values == [1, 1, 0, 2, 2, 2, 0]
    for child in ("0", "1"):
        assert (found("qless_process_child_resident_bytes", child=child) or 0) > 1_000_000
    assert found.labels("qless_build_info", "version")
    assert (ask_probe(address, "/healthz")[0], ask_probe(address, "/readyz")[0]) == (200, 200)
    status, body = ask_probe(address, "/metrics?store=1")
    assert (status, '"/metrics"' in body) == (404, True)
    assert_open_metrics(address)
    assert (found("process_resident_memory_bytes") or 0) > 1_000_000
    worker.signal(signal.SIGUSR2)
    eventually(lambda: scrape(address)("qless_process_quiet") == 1)


def test_a_lost_lease_is_counted(
    live: Client, work: Start, tmp_path: Path, reports: LinePipe, go: LinePipe
) -> None:
    address = str(tmp_path / "probe")
    live.config["heartbeat"] = 1
    work(probe=address)
    jid = put(live, handlers.stoppable, pipes(reports, go))
    reports.line()
    eventually(lambda: (scrape(address)("qless_process_lease_renewals_total") or 0) > 0)
    live.cancel(jid)

    assert reports.line() == "lost"
    eventually(lambda: scrape(address)("qless_process_leases_lost_total") == 1)


def test_a_long_answer_to_a_slow_reader_is_sent_in_parts(tmp_path: Path) -> None:
    body = b"x" * 3_000_000
    address = str(tmp_path / "probe")
    answers = (lambda: {"ready": True}, lambda _state, _accept: (body, "text/plain"))
    with (
        selectors.DefaultSelector() as selector,
        contextlib.closing(Probe(address, selector, answers)) as probe,
        socket.socket(socket.AF_UNIX) as slow,
    ):
        slow.connect(address)
        slow.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        probe.serve()
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(ask_probe, address, "/live")
            while not asked.done():  # The slow one holds up nobody.
                selector.select(0.1)
                probe.serve()
        slow.settimeout(0.01)
        received = b""
        while len(received) < len(body):
            selector.select(0.1)
            probe.serve()
            with contextlib.suppress(TimeoutError):
                received += slow.recv(1_000_000)

    assert asked.result()[0] == 200
    assert received.partition(b"\r\n\r\n")[2].startswith(b"xxx")
