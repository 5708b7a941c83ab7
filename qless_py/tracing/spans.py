"""The spans of jobs, by the semantic conventions of OpenTelemetry for messaging.

| span | kind | is about |
|---|---|---|
| `send <queue>` | producer | a put, of one job or many |
| `create <queue>` | producer | a job that is put later: a follow-up, a callback |
| `process <queue>` | consumer | one run of a job |
| `complete <queue>` … | client | a transition that a handler or a program makes itself |
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

from opentelemetry import context as otel
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from qless_py import package
from qless_py.errors import LostLeaseError, ProcessStop, SoftLimitError
from qless_py.handlers import ending, exceptions
from qless_py.handlers.context import current_job
from qless_py.handlers.outcomes import Outcome, deciding
from qless_py.protocol import Call, instrumentation
from qless_py.protocol.arguments import MAX_PER_CALL
from qless_py.protocol.call import CallSpan
from qless_py.protocol.records import EncodedJob
from qless_py.tracing import Tracing, setup
from qless_py.tracing.attributes import (
    carried,
    extracted,
    last_line,
    links_to,
    of_message,
    of_operation,
    of_run,
    set_error,
    type_of,
)
from qless_py.tracing.headers import trace_id_of
from qless_py.tracing.instruments import Instruments

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

SCOPE: Final = "qless_py"
_SETTLES: Final = frozenset(
    ("complete", "fail", "retry", "release", "snooze", "back_off", "discard")
)
_MAX_LINKS: Final = 16
_MAX_TEXT: Final = 16_000  # Characters of a traceback.
_FLUSH_TIMEOUT: Final = 1.5  # Seconds; a child of a worker waits no longer for its exit functions.


@dataclass(frozen=True, slots=True)
class _Live:
    """What a process makes spans with."""

    tracer: trace.Tracer
    provider: Any
    meter_provider: Any
    instruments: Instruments


_NOTHING: Final = _Live(trace.NoOpTracer(), None, None, Instruments(metrics.NoOpMeter("qless_py")))


class Run:
    """The span of a run that has begun, and the context that its handler runs in."""

    __slots__ = ("context", "error", "queue", "span", "started")

    def __init__(self, span: trace.Span, context: otel.Context, queue: str) -> None:
        self.span = span
        self.context = context
        self.queue = queue
        self.started = time.monotonic()
        self.error = ""


def _harmless(method: Callable[P, T]) -> Callable[P, T | None]:
    """Log what a sampler, processor or propagator raises: no job fails because it is traced."""
    name = method.__name__
    is_logged = False

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
        nonlocal is_logged
        try:
            return method(*args, **kwargs)
        except (LostLeaseError, SoftLimitError):
            raise  # An interrupt of the job.
        except Exception:
            level = logging.DEBUG if is_logged else logging.ERROR
            is_logged = True
            logger.log(level, "cannot trace: %s failed", name, exc_info=True)
            return None

    return guarded


class _Sent:
    """The span of calls that are sent; it ends with the last reply, or the first refusal."""

    __slots__ = ("_count", "_left", "_span")

    def __init__(
        self, span: trace.Span, calls: int = 1, count: Callable[[], None] | None = None
    ) -> None:
        self._span = span
        self._left = calls
        self._count = count

    @_harmless
    def answered(self, error: BaseException | None) -> None:
        """Record a reply, or a refusal."""
        if self._left <= 0:
            return
        self._left -= 1
        if error is not None:
            self._left = 0
            set_error(self._span, type_of(error), exceptions.text(error))
        elif not self._left and self._count is not None:
            self._count()
        if not self._left:
            self._span.end()


class Spans:
    """Makes the spans; the hooks of `instrumentation` call it. Threads may share it."""

    def __init__(self, options: Tracing) -> None:
        self._options = options
        self._live: _Live | None = None
        self._lock = threading.RLock()
        self._is_starting = False

    def start(self) -> _Live:
        """Return what this process makes spans with; set it up at the first call."""
        live = self._live
        if live is None:
            with self._lock:
                if self._is_starting:
                    return _NOTHING  # For jobs that the setup function puts.
                self._is_starting = True
                try:
                    live = self._live = self._live or self._set_up()
                finally:
                    self._is_starting = False
        return live

    def after_fork(self) -> None:
        """Forget, in a forked process, what the one before has set up."""
        self._lock = threading.RLock()
        self._is_starting = False
        self._live = None

    def _set_up(self) -> _Live:
        options = self._options
        provider = self._make_provider() or trace.get_tracer_provider()
        meters = options.meter_provider or metrics.get_meter_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            logger.warning("tracing is on, but no tracer provider is set: no spans are exported")
        tracer = provider.get_tracer(SCOPE, package.__version__)
        meter = meters.get_meter(SCOPE, package.__version__)
        # A child of a worker exits without the functions that it inherited, so it has its own.
        atexit.register(self.flush)
        return _Live(tracer, provider, meters, Instruments(meter))

    def _make_provider(self) -> Any:
        """Return the provider that was given or made, None for the global one."""
        options = self._options
        try:
            if options.setup is not None:
                made = options.setup()
                _set_global(made)
                return made or options.tracer_provider
            if options.tracer_provider is None and setup.is_described():
                setup.from_environment()
        except Exception:
            # A fault of tracing must not fail the job.
            logger.exception("cannot set up tracing")
        return options.tracer_provider

    def flush(self, timeout: float = _FLUSH_TIMEOUT) -> None:
        """Export what has ended."""
        live = self._live
        for one in () if live is None else (live.provider, live.meter_provider):
            force = getattr(one, "force_flush", None)
            if force is not None:
                with contextlib.suppress(Exception):
                    force(round(timeout * 1000))

    # Puts

    @_harmless
    def send(self, queue: str, jobs: Sequence[EncodedJob], *, bulk: bool) -> _Sent:
        """Begin the span of a put."""
        live = self.start()
        more: dict[str, Any] = {}
        if not bulk:
            more = of_message(jobs[0].jid, jobs[0].klass, len(jobs[0].data))
        span = self._produce("send", queue, jobs, bulk=bulk, more=more)
        count = functools.partial(live.instruments.put, queue, len(jobs))
        return _Sent(span, -(-len(jobs) // MAX_PER_CALL) if bulk else 1, count)

    @_harmless
    def create(self, queue: str, jobs: Sequence[EncodedJob]) -> None:
        """Record that jobs were made that are put later."""
        bulk = len(jobs) > 1
        more = {} if bulk else of_message(jobs[0].jid, jobs[0].klass, len(jobs[0].data))
        # By the conventions, a create span is about a single message.
        self._produce("send" if bulk else "create", queue, jobs, bulk=bulk, more=more).end()

    def _produce(
        self,
        name: str,
        queue: str,
        jobs: Sequence[EncodedJob],
        *,
        bulk: bool,
        more: dict[str, Any],
    ) -> trace.Span:
        given = [one.options["context"] for one in jobs if one.options.get("context")]
        links = links_to(given[:_MAX_LINKS])
        attributes = {**of_operation(name, name, queue), **more}
        if bulk:
            attributes["messaging.batch.message_count"] = len(jobs)
        own = [one for one in jobs if "context" not in one.options]
        kind = SpanKind.PRODUCER if own else SpanKind.CLIENT
        span = self.start().tracer.start_span(
            f"{name} {queue}" if queue else name, kind=kind, attributes=attributes, links=links
        )
        context = carried(trace.set_span_in_context(span))
        if context:
            for one in own:
                one.options["context"] = context
        return span

    @contextlib.contextmanager
    def sending(self, calls: Sequence[Call[Any]]) -> Iterator[list[Any]]:
        """End the spans of calls with their replies."""
        spans: list[CallSpan | None] = [self._span_of(call) for call in calls]
        results: list[Any] = []
        try:
            yield results
        except BaseException as error:
            for one in spans:
                if one is not None:
                    one.answered(error)
            raise
        for one, result in zip(spans, results, strict=False):
            if one is not None:
                one.answered(result if isinstance(result, Exception) else None)

    @_harmless
    def _span_of(self, call: Call[Any]) -> CallSpan | None:
        if call.span is not None:
            return call.span
        # Without a span around it, it would be a trace of its own that leads nowhere.
        if call.script not in _SETTLES or not trace.get_current_span().is_recording():
            return None
        jid, job = str(call.args[0]), current_job()
        queue = job.run_span.queue if job and job.jid == jid and job.run_span else ""
        span = self.start().tracer.start_span(
            f"{call.script} {queue}" if queue else call.script,
            kind=SpanKind.CLIENT,
            attributes={**of_operation("settle", call.script, queue), "messaging.message.id": jid},
        )
        return _Sent(span)

    # Runs

    @_harmless
    def begin(self, job: Any) -> None:
        """Begin the span of a run."""
        live, queue = self.start(), job.queue_name
        origin = extracted(job.context)
        links = links_to([job.context, *({"traceparent": one} for one in job.origins)])
        parent = origin
        if self._options.runs == "link" or job.spawned_from is not None:
            parent = trace.set_span_in_context(trace.INVALID_SPAN, origin)
        span = live.tracer.start_span(
            f"process {queue}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes={
                **of_operation("process", "process", queue),
                **of_message(job.jid, job.klass_name, len(job.raw)),
                **of_run(job),
            },
            links=links[:_MAX_LINKS],
        )
        job.run_span = Run(span, trace.set_span_in_context(span, origin), queue)
        live.instruments.started(queue, job.waited)

    @_harmless
    def enter(self, job: Any) -> object:
        """Make the span of a run the current one."""
        run: Run | None = job.run_span
        return None if run is None else otel.attach(run.context)

    @_harmless
    def leave(self, token: object, job: Any, error: BaseException | None) -> None:
        """Undo `enter`, and record what the handler raised."""
        if token is None:
            return
        otel.detach(token)  # type: ignore[arg-type]  # a Token, which `enter` has made
        run: Run | None = job.run_span
        if error is None or run is None:
            return
        decided = deciding(error)
        if exceptions.is_a(decided, (Outcome, ProcessStop)):
            return
        run.error = type_of(decided)
        details = {
            "exception.type": run.error,
            "exception.message": exceptions.text(decided)[:_MAX_TEXT],
            "exception.stacktrace": exceptions.describe(error, error.__traceback__)[-_MAX_TEXT:],
        }
        run.span.add_event("exception", details)

    @_harmless
    def end(self, job: Any, call: Call[Any] | None) -> None:
        """End the span of a run with what became of its job."""
        run: Run | None = job.run_span
        if run is None:
            return
        job.run_span = None
        end = ending.of(job, call)
        span = run.span
        span.set_attribute("messaging.qless_py.outcome", end.outcome)
        details = {"group": end.group} if end.group else {}
        more = {"delay": end.delay} if end.delay else {}
        span.add_event(f"job {end.outcome}", {**details, **more})
        is_error = end.outcome == "failed" or (end.outcome == "retried" and bool(end.group))
        if is_error or run.error:
            kind = run.error or end.group.rpartition(":")[2] or "_OTHER"
            set_error(span, kind, last_line(end.message))
        span.end()
        seconds = time.monotonic() - run.started
        self.start().instruments.ended(run.queue, end.outcome, seconds)

    # Context and ids

    def context(self) -> dict[str, str]:
        """Return the context of the current span, for what is called from here."""
        return carried(otel.get_current())

    def ids(self, job: Any = None) -> dict[str, str]:
        """Return `trace_id` and `span_id`, as far as known, of a run or of the current span."""
        run: Run | None = None if job is None else job.run_span
        if run is None and job is not None:
            is_child = self._options.runs == "child" and job.spawned_from is None
            known = trace_id_of(job.context) if is_child else None
            return {"trace_id": known} if known else {}
        span = trace.get_current_span() if run is None else run.span
        found = span.get_span_context()
        if not found.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(found.trace_id),
            "span_id": trace.format_span_id(found.span_id),
        }


def _after_fork() -> None:
    current = instrumentation.current
    if isinstance(current, Spans):
        current.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _set_global(provider: Any) -> None:
    """Make the provider of a setup function that of the spans which handlers make as well."""
    known = trace.get_tracer_provider()
    if provider is not None and isinstance(known, trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
