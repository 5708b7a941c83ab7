"""An App whose spans go to a file, for workers that tests start."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import qless_py


class FileExporter(SpanExporter):
    """Appends each span as one line of JSON."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        lines = "".join(f"{json.dumps(_shown(span))}\n" for span in spans)
        descriptor = os.open(os.environ["SPANS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, lines.encode())
        os.close(descriptor)
        return SpanExportResult.SUCCESS


def _shown(span: ReadableSpan) -> dict[str, object]:
    assert span.context is not None
    return {
        "name": span.name,
        "trace": trace.format_trace_id(span.context.trace_id),
        "span": trace.format_span_id(span.context.span_id),
        "parent": span.parent and trace.format_span_id(span.parent.span_id),
        "links": [trace.format_span_id(link.context.span_id) for link in span.links],
        "ok": span.status.is_ok,
        "pid": os.getpid(),
        **dict(span.attributes or {}),
    }


def set_up() -> TracerProvider:
    print(f"setting up {os.getpid()}", flush=True)  # noqa: T201 - the log of the worker
    provider = TracerProvider()
    # So late that nothing is exported before the process flushes it.
    provider.add_span_processor(BatchSpanProcessor(FileExporter(), schedule_delay_millis=600_000))
    return provider


if os.environ.get("TRACED") == "before the fork":
    trace.set_tracer_provider(set_up())
    app = qless_py.App(tracing=True)
else:
    app = qless_py.App(tracing=set_up)


@app.job(queue="work")
def first() -> None:
    job = qless_py.get_current_job()
    assert job is not None
    with trace.get_tracer("handler").start_as_current_span("inside"):
        job.put("work", "tests.worker.traced_app.flaky", {"kwargs": {}})


@app.job(queue="work", retry=qless_py.RetryPolicy(0.01, retries=1))
def flaky() -> None:
    raise LookupError("always")


@app.job(queue="work")
async def looped() -> str:
    return trace.format_span_id(trace.get_current_span().get_span_context().span_id)


@app.job(queue="work")
def plain() -> str:
    return trace.format_span_id(trace.get_current_span().get_span_context().span_id)
