"""What spans say: attributes by the conventions, links, errors, and the context they carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from opentelemetry import context as otel
from opentelemetry import propagate, trace
from opentelemetry.trace import Link, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from qless_py.handlers import logs
from qless_py.tracing.headers import fitted

SYSTEM: Final = "qless_py"
_MAX_LINE: Final = 300
_TRACE_CONTEXT: Final = TraceContextTextMapPropagator()


def carried(context: otel.Context) -> dict[str, str]:
    """Return what a job carries so that its runs continue this context."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    return fitted(carrier)


def extracted(carrier: dict[str, str]) -> otel.Context:
    """Return the context that a job carries; what cannot be read is left out."""
    empty = otel.Context()
    if not carrier:
        return empty
    try:
        return propagate.extract(carrier, context=empty)
    except Exception:  # noqa: BLE001 - of any propagator; a trace begins anew
        return empty


def links_to(carriers: Sequence[dict[str, str]]) -> list[Link]:
    """Return links to the distinct spans in these carriers."""
    found: dict[int, Link] = {}
    for carrier in carriers:
        if carrier:
            context = _TRACE_CONTEXT.extract(carrier, context=otel.Context())
            origin = trace.get_current_span(context).get_span_context()
            if origin.is_valid:
                found.setdefault(origin.span_id, Link(origin))
    return list(found.values())


def of_operation(kind: str, name: str, queue: str) -> dict[str, Any]:
    """Return the attributes of an operation."""
    known = {
        "messaging.system": SYSTEM,
        "messaging.operation.type": kind,
        "messaging.operation.name": name,
    }
    return {**known, "messaging.destination.name": queue} if queue else known


def of_message(jid: str, klass: str, size: int) -> dict[str, Any]:
    """Return the attributes of a job."""
    return {
        "messaging.message.id": jid,
        "messaging.message.body.size": size,
        "messaging.qless_py.klass": klass,
    }


def of_run(job: Any) -> dict[str, Any]:
    """Return the attributes of a run."""
    more = {
        "messaging.message.conversation_id": job.batch_name,
        "messaging.qless_py.spawned_from": job.spawned_from,
    }
    return {
        "messaging.client.id": job.worker_name,
        "messaging.qless_py.namespace": job.settings.namespace,
        "messaging.qless_py.attempt": logs.attempt(job),
        "messaging.qless_py.wait": job.waited,
        **{name: value for name, value in more.items() if value is not None},
    }


def set_error(span: trace.Span, kind: str, text: str) -> None:
    """Say that what a span is about has failed."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR, text[:_MAX_LINE])


def type_of(error: BaseException) -> str:
    """Return the name of an error's class, with its module unless that says nothing."""
    kind = type(error)
    module = getattr(kind, "__module__", "")
    is_known = isinstance(module, str) and module not in ("", "builtins", "__main__")
    return f"{module}.{kind.__qualname__}" if is_known else kind.__qualname__


def last_line(text: str) -> str:
    """Return the last line of a message: that of a traceback names the error."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
