"""Providers of OpenTelemetry that are made from its environment variables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from qless_py.errors import ConfigError

_PROTOCOLS: Final = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_NAMED_BY: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)


def is_described() -> bool:
    """Return whether the environment names an exporter of spans, or where to send them."""
    return any(os.environ.get(name) for name in _NAMED_BY)


def from_environment() -> None:
    """See `qless_py.tracing.from_environment`."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        traces = [_exporter("traces", name)() for name in _names("traces")]
        provider = TracerProvider()
        for exporter in traces:
            provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
    names = _names("metrics")
    if names and type(metrics.get_meter_provider()).__name__ == "_ProxyMeterProvider":
        readers = [PeriodicExportingMetricReader(_exporter("metrics", one)()) for one in names]
        metrics.set_meter_provider(MeterProvider(metric_readers=readers))


def check() -> None:
    """See `qless_py.tracing.check_environment`."""
    for signal in ("traces", "metrics"):
        for name in _names(signal):
            _exporter(signal, name)


def _names(signal: str) -> Sequence[str]:
    given = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").split(",")
    return [one.strip() for one in given if one.strip() not in ("", "none")]


def _exporter(signal: str, name: str) -> Any:
    if name == "otlp":
        variable = f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL"
        either = os.environ.get(variable) or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        protocol = either or "http/protobuf"
        if protocol not in _PROTOCOLS:
            raise ConfigError(f"{variable} {protocol!r} is none of {', '.join(_PROTOCOLS)}")
        name = _PROTOCOLS[protocol]
    for found in entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        return found.load()
    package = f"opentelemetry-exporter-{name.replace('_', '-')}"
    raise ConfigError(f"no exporter {name!r} of {signal} is installed: install {package}")
