"""The App of the measured workers; `TRACED` says whether its spans go to an exporter."""

from __future__ import annotations

import os
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import qless_py


class Discard(SpanExporter):
    """Exports to nowhere, so that the cost of spans is measured without that of a collector."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        return SpanExportResult.SUCCESS


def set_up() -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Discard()))
    return provider


app = qless_py.App(tracing=set_up if os.environ.get("TRACED") else False)


@app.job(queue="bench")
def nothing() -> None:
    pass
