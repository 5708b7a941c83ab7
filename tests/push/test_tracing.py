"""A request that a job makes continues the span of its run."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from qless_py import Client, testing, tracing
from qless_py.handlers.executor import HandlerOptions
from qless_py.push.performer import HttpRequests
from tests.push.conftest import ALLOWED
from tests.push.servers import Recorder

pytestmark = pytest.mark.any_server


def test_the_target_gets_the_span_of_the_run(client: Client, target: Recorder) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.instrument(tracer_provider=provider)
    try:
        client.queues["hooks"].put_http(target.url)
        options = HandlerOptions(performer=HttpRequests(allow_targets=ALLOWED))
        testing.drain(client.queues["hooks"], options=options)
    finally:
        tracing.uninstrument()

    sent, run = exporter.get_finished_spans()
    assert (sent.name, run.name) == ("send hooks", "process hooks")
    assert run.context is not None
    assert sent.context is not None
    assert run.context.trace_id == sent.context.trace_id
    (request,) = target.requests
    _, trace_id, span_id, _ = request.headers["traceparent"].split("-")
    assert (int(trace_id, 16), int(span_id, 16)) == (run.context.trace_id, run.context.span_id)
