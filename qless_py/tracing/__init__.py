"""OpenTelemetry: spans of puts and runs, with their context carried in the jobs.

`instrument()` turns it on for this process and those that are forked from it. It needs the extra
`otel`; nothing of OpenTelemetry is imported before that. The functions about headers work without.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from qless_py.errors import BadArgumentError, ConfigError
from qless_py.handlers.context import running
from qless_py.protocol import instrumentation
from qless_py.tracing.headers import context_from_headers, headers_for

__all__ = [
    "Tracing",
    "check_environment",
    "context_from_headers",
    "from_environment",
    "headers_for",
    "instrument",
    "process",
    "start_process",
    "uninstrument",
]

Setup = Callable[[], Any]
RUNS: Final = ("child", "link")


@dataclass(frozen=True, slots=True)
class Tracing:
    """How jobs are traced.

    `setup` is called once in each process that makes spans, also after a fork, before the first
    of them. It sets the providers of OpenTelemetry, or returns a tracer provider. Without one the
    global provider is used; if none is set, it is made from the OTEL_ variables, if those name an
    exporter or an endpoint. `tracer_provider` and `meter_provider` are used instead of the global
    ones.

    `runs` says how the span of a run refers to the put of its job: `child` makes it a part of that
    trace, `link` begins a trace that links to it. Both have the link. Children of recurring jobs
    always begin a trace.
    """

    setup: Setup | None = None
    tracer_provider: Any = None
    meter_provider: Any = None
    runs: Literal["child", "link"] = "child"

    def __post_init__(self) -> None:
        if self.runs not in RUNS:
            raise BadArgumentError(f"runs {self.runs!r} is none of {', '.join(RUNS)}")
        if self.setup is not None and not callable(self.setup):
            raise BadArgumentError(f"setup {self.setup!r} is not callable")

    @classmethod
    def of(cls, given: object) -> Tracing | None:
        """Return what an App says with `tracing`: true, a setup function, or this; None if off."""
        if given is None or given is False:
            return None
        if given is True:
            return cls()
        if isinstance(given, cls):
            return given
        if callable(given):
            return cls(setup=given)
        raise BadArgumentError(
            f"tracing is a {type(given).__name__}, not true, false, a setup function or Tracing"
        )


def instrument(
    setup: Setup | None = None,
    *,
    tracer_provider: Any = None,
    meter_provider: Any = None,
    runs: Literal["child", "link"] = "child",
) -> None:
    """Trace jobs from now on, in this process and those forked from it; see `Tracing`.

    A second call replaces the first one. Raises `ConfigError` without the extra `otel`.
    """
    turn_on(Tracing(setup, tracer_provider, meter_provider, runs))


def turn_on(tracing: Tracing) -> None:
    """Trace jobs as this says."""
    try:
        spans = importlib.import_module("qless_py.tracing.spans")
    except ImportError as error:
        raise ConfigError(
            "tracing needs the packages opentelemetry-api and opentelemetry-sdk; "
            "install qless_py with the extra `otel`"
        ) from error
    instrumentation.current = spans.Spans(tracing)


def uninstrument() -> None:
    """Trace jobs no longer."""
    instrumentation.current = None


def from_environment() -> None:
    """Set the global providers, as far as none are set, with the exporters of OTEL_ variables.

    By default spans and metrics go to an OTLP collector on this machine. A setup function for
    `instrument` and `App(tracing=…)`. Raises `ConfigError` if an exporter is not installed.
    """
    importlib.import_module("qless_py.tracing.setup").from_environment()


def check_environment() -> None:
    """Raise `ConfigError` if an exporter that the OTEL_ variables name is not installed."""
    importlib.import_module("qless_py.tracing.setup").check()


def start_process() -> None:
    """Set up the exporters of this process now instead of at its first span."""
    current: Any = instrumentation.current
    if current is not None:
        current.start()


@contextlib.contextmanager
def process(job: Any) -> Iterator[None]:
    """Trace what is done with a popped job, for programs that pop jobs themselves.

    Within the block the job is the current one. Its span ends with the block, and says what became
    of the job by then.
    """
    current = instrumentation.current
    if current is not None:
        current.begin(job)
    try:
        with running(job):
            yield
    finally:
        if current is not None:
            current.end(job, None)
