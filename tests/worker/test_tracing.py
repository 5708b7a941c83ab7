"""Spans of a real worker: they join the traces of their puts, and none is lost when it stops."""

from __future__ import annotations

import http.server
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from qless_py import Client
from tests import servers
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import Running, Start
from tests.worker.job_helpers import put as put_job

pytestmark = [pytest.mark.fork, pytest.mark.any_server]

APP = "tests.worker.traced_app"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """Return the spans that workers have exported."""
    path = tmp_path / "spans"
    monkeypatch.setenv("SPANS", str(path))
    return lambda: [json.loads(one) for one in path.read_text().splitlines()]


@pytest.fixture
def start_app(launch: Start, server: servers.Server) -> Start:
    """Start a worker of the traced App."""

    def begin(*words: str) -> Running:
        command = (sys.executable, "-m", "qless_py", "work", "--app", APP, "--url", server.url)
        return launch(*command, "-n", "1", "--log-format", "json", *words)

    return begin


def put(client: Client, name: str) -> str:
    data: dict[str, Any] = {"kwargs": {}}
    return client.queues["work"].put(f"{APP}.{name}", data, context={"traceparent": PARENT})


def lines(worker: Running) -> list[dict[str, Any]]:
    shown = [one for one in worker.log.read_text().splitlines() if one.startswith("{")]
    return [json.loads(one) for one in shown]


@pytest.mark.parametrize(
    "words", [[], ["-c", "8"], ["--isolation", "job"], ["--isolation", "none"]], ids=" ".join
)
def test_a_trace_leads_from_the_put_through_follow_ups_and_retries_to_the_failure(
    live: Client, start_app: Start, spans: Callable[[], list[dict[str, Any]]], words: list[str]
) -> None:
    worker = start_app(*words)
    for jid in (put(live, "first"), looped := put(live, "looped"), plain := put(live, "plain")):
        live.job(jid).wait(40)
    eventually(live.jobs.failed, worker.log.read_text)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0

    found = spans()
    assert {one["trace"] for one in found} == {TRACE}
    assert sorted(one["name"] for one in found) == [
        *("create work", "inside", *["process work"] * 5)
    ]
    by_id = {one["span"]: one for one in found}
    (inside,) = (one for one in found if one["name"] == "inside")
    (created,) = (one for one in found if one["name"] == "create work")
    assert created["parent"] == inside["span"]
    assert by_id[inside["parent"]]["messaging.qless_py.klass"] == f"{APP}.first"
    retried, failed = (one for one in found if one["parent"] == created["span"])
    assert [
        (one["messaging.qless_py.outcome"], one["ok"], one["error.type"])
        for one in (retried, failed)
    ] == [("retried", False, "LookupError"), ("failed", False, "LookupError")]
    handed = {live.job(jid).result for jid in (looped, plain)}
    assert handed <= set(by_id)

    ids = {
        (line["trace_id"], line.get("span_id"))
        for line in lines(worker)
        if line["message"] in ("job started", "job completed", "job retried", "job failed")
    }
    if "job" in words:  # The process of a job makes its span.
        assert ids == {(TRACE, None)}
    else:
        runs = {one["span"] for one in found if one["name"] == "process work"}
        assert ids == {(TRACE, one) for one in runs}


def test_each_child_sets_up_its_own_exporter(
    live: Client, start_app: Start, spans: Callable[[], list[dict[str, Any]]]
) -> None:
    worker = start_app("--max-jobs", "1")
    for _ in range(2):
        live.job(put(live, "plain")).wait(40)
    worker.signal(signal.SIGTERM)
    worker.wait()

    pids = {one["pid"] for one in spans()}
    assert len(pids) == 2
    assert worker.process.pid not in pids
    assert f"setting up {worker.process.pid}" not in worker.log.read_text()


def test_a_provider_that_was_set_before_the_fork_exports_from_each_child(
    live: Client,
    start_app: Start,
    spans: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRACED", "before the fork")
    worker = start_app()
    jid = put(live, "first")
    live.job(jid).wait(40)
    worker.signal(signal.SIGTERM)
    worker.wait()

    found = spans()
    assert {"process work", "inside", "create work"} <= {one["name"] for one in found}
    assert {one["trace"] for one in found} == {TRACE}
    assert worker.process.pid not in {one["pid"] for one in found}


class Collector(http.server.ThreadingHTTPServer):
    """Receives what OTLP exporters send over HTTP."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.received: list[tuple[str, bytes]] = []

    def spans(self) -> list[Any]:
        requests = [
            ExportTraceServiceRequest.FromString(body)
            for path, body in self.received
            if path == "/v1/traces"
        ]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> set[str]:
        requests = [
            ExportMetricsServiceRequest.FromString(body)
            for path, body in self.received
            if path == "/v1/metrics"
        ]
        return {
            metric.name
            for request in requests
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


class _Receive(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize("words", [[], ["--isolation", "job"]], ids=" ".join)
def test_otel_exports_to_the_collector_that_the_environment_names(
    live: Client,
    start: Start,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    worker = start("--otel", *words)
    jid = put_job(live, handlers.double, {"number": 3})
    live.job(jid).wait(40)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.log.read_text()

    (span,) = collector.spans()
    shown = {one.key: one.value.string_value for one in span.attributes}
    assert (span.name, shown["messaging.message.id"]) == ("process work", jid)
    assert "qless_jobs_completed" in collector.metrics()
