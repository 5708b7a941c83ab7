"""Spans of runs: whose child they are, what they say about the end, what hostile contexts do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import SpanKind, StatusCode

import qless_py
from qless_py import Client, Retry, Snooze, get_current_job, logs, testing, tracing
from qless_py.client.job import Job
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.result import Transition
from qless_py.protocol import instrumentation, jobs
from tests.conftest import Clock
from tests.script_runner import Scripts
from tests.tracing.conftest import Traced, links, parent_id, span_id, trace_id

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HERE = "tests.tracing.test_runs"
ANY = HandlerOptions(allow_any=True)


def puts_a_follow_up(job: Any) -> None:
    trace.get_current_span().set_attribute("seen", "by the handler")
    job.put("next", f"{HERE}.notes_baggage")


def notes_baggage(job: Any) -> object:
    return job and baggage.get_baggage("tenant")


async def runs_in_a_loop(_job: Any) -> str:
    return trace.format_span_id(trace.get_current_span().get_span_context().span_id)


def raises(_job: Any) -> None:
    raise LookupError("no such\nletter")


def retries(job: Any) -> None:
    if job.retries_left > 3:
        raise Retry(delay=0)
    raise Snooze(5)


def completes_itself(job: Any) -> None:
    job.complete()


def run(client: Client, name: str, **options: Any) -> Job:
    """Put and run one job; return it as it was popped."""
    client.queues["q"].put(f"{HERE}.{name}", **options)
    return again(client)


def again(client: Client) -> Job:
    job = client.queues["q"].pop()
    assert job is not None
    with contextlib.suppress(Exception):
        testing.perform(job, ANY)
    return job


def test_a_run_is_a_child_of_its_put_and_the_parent_of_its_follow_up(
    client: Client, traced: Traced
) -> None:
    job = run(client, "puts_a_follow_up")
    follow_up = client.queues["next"].pop()
    assert follow_up is not None
    testing.perform(follow_up, ANY)

    sent, created, first, second = traced.all()
    assert traced.names() == ["send q", "create next", "process q", "process next"]
    assert {trace_id(span) for span in (sent, created, first, second)} == {trace_id(sent)}
    assert (parent_id(first), links(first)) == (span_id(sent), [span_id(sent)])
    assert parent_id(created) == span_id(first)
    assert (parent_id(second), links(second)) == (span_id(created), [span_id(created)])
    shown = dict(first.attributes or {})
    assert shown.pop("messaging.client.id") == client.worker_name
    assert (shown.pop("messaging.message.body.size"), first.kind) == (4, SpanKind.CONSUMER)
    assert shown == {
        "messaging.system": "qless_py",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": "q",
        "messaging.message.id": job.jid,
        "messaging.qless_py.klass": f"{HERE}.puts_a_follow_up",
        "messaging.qless_py.namespace": "ql",
        "messaging.qless_py.attempt": 1,
        "messaging.qless_py.wait": 0.0,
        "messaging.qless_py.outcome": "completed",
        "seen": "by the handler",
    }


def test_a_run_may_begin_a_trace_that_links_to_the_put(client: Client, traced: Traced) -> None:
    traced.instrument(runs="link")
    run(client, "notes_baggage", context={"traceparent": PARENT, "baggage": "tenant=a"})

    span = traced.one("process q")
    assert (parent_id(span), links(span)) == (None, [0xB7AD6B7169203331])
    assert trace_id(span) != 0x0AF7651916CD43DD8448EB211C80319C


@pytest.mark.parametrize("mode", ["child", "link"])
def test_a_handler_sees_the_baggage_and_the_span(client: Client, traced: Traced, mode: str) -> None:
    traced.instrument(runs=mode)
    context = {"traceparent": PARENT, "baggage": "tenant=a"}
    client.queues["q"].put(f"{HERE}.notes_baggage", context=context)
    client.queues["q"].put(f"{HERE}.runs_in_a_loop", context=context)

    noted, looped = testing.drain(client.queues["q"], options=ANY)

    assert noted.result == "a"
    assert int(looped.result, 16) == span_id(traced.all()[-1])
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_failed_run_records_the_exception(client: Client, traced: Traced) -> None:
    run(client, "raises")

    span = traced.one("process q")
    exception, end = span.events
    details = dict(exception.attributes or {})
    assert "raise LookupError" in str(details.pop("exception.stacktrace"))
    assert (exception.name, details) == (
        "exception",
        {"exception.type": "LookupError", "exception.message": "no such\nletter"},
    )
    assert (end.name, end.attributes) == ("job failed", {"group": f"{HERE}.raises:LookupError"})
    assert (span.attributes or {})["error.type"] == "LookupError"
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["messaging.qless_py.outcome"] == "failed"


def test_each_retry_is_a_run_of_its_own_in_the_same_trace(
    client: Client, clock: Clock, traced: Traced
) -> None:
    run(client, "raises", attempts=2)
    clock.advance(3600)
    again(client)
    run(client, "retries")
    again(client)
    again(client)

    first, second, *asked = [span for span in traced.all() if span.name == "process q"]
    assert trace_id(first) == trace_id(second)
    assert parent_id(first) == parent_id(second)
    told = [
        ((one.attributes or {})["messaging.qless_py.outcome"], one.status.is_ok)
        for one in (first, second, *asked)
    ]
    assert told == [
        *(("retried", False), ("failed", False)),
        *(("retried", True), ("retried", True), ("snoozed", True)),
    ]
    assert [(one.attributes or {})["messaging.qless_py.attempt"] for one in (first, second)] == [
        *(1, 2)
    ]
    assert [one.name for one in first.events] == ["exception", "job retried"]
    assert (asked[2].events[0].attributes or {}) == {"delay": 5.0}


def test_a_transition_of_a_handler_is_a_settle_span(client: Client, traced: Traced) -> None:
    run(client, "completes_itself")

    settled, processed = traced.one("complete q"), traced.one("process q")
    assert (parent_id(settled), settled.kind) == (span_id(processed), SpanKind.CLIENT)
    assert (settled.attributes or {})["messaging.operation.type"] == "settle"
    assert (processed.attributes or {})["messaging.qless_py.outcome"] == "completed"


def fail(job: Job) -> None:
    with tracing.process(job):
        assert get_current_job() is job
        job.fail("group", "message")
        raise LookupError


def test_a_program_that_pops_jobs_itself_traces_them(client: Client, traced: Traced) -> None:
    client.queues["q"].put("k")
    job = client.queues["q"].pop()
    assert job is not None
    with pytest.raises(LookupError):
        fail(job)

    assert (traced.one("process q").attributes or {})["messaging.qless_py.outcome"] == "failed"
    assert (traced.one("process q").attributes or {})["error.type"] == "LookupError"
    assert parent_id(traced.one("fail q")) == span_id(traced.one("process q"))

    instrumentation.current = None
    client.queues["q"].put("k")
    job = client.queues["q"].pop()
    assert job is not None
    with tracing.process(job):
        job.complete()
    assert len(traced.all()) == 3


def test_a_child_of_a_schedule_begins_a_trace(client: Client, clock: Clock, traced: Traced) -> None:
    client.queues["q"].recur(
        f"{HERE}.notes_baggage", {}, 60, context={"traceparent": PARENT, "baggage": "tenant=a"}
    )
    again(client)
    clock.advance(60)
    again(client)

    first, second = [span for span in traced.all() if span.name == "process q"]
    assert trace_id(first) != trace_id(second)
    assert (parent_id(first), parent_id(second)) == (None, None)
    assert links(first) == links(second) == [0xB7AD6B7169203331]


def test_a_callback_links_to_the_puts_of_the_members(client: Client, traced: Traced) -> None:
    done: Any = {"klass": f"{HERE}.notes_baggage", "queue": "q"}
    with client.batch(on_success=done) as batch:
        for _ in range(20):
            batch.put("members", f"{HERE}.notes_baggage")
    members = [span_id(span) for span in traced.all() if span.name == "send members"]
    testing.drain(client.queues["members"], options=ANY)
    again(client)

    span = traced.one("process q")
    assert links(span) == [span_id(traced.one("create q")), *members[:15]]
    assert parent_id(span) == span_id(traced.one("create q"))


@pytest.mark.parametrize(
    "context",
    [
        {"traceparent": "nonsense", "tracestate": "a=1", "baggage": "tenant"},
        {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"},
        {"traceparent": PARENT + "-more", "baggage": ";;;=,=%zz"},
        {"traceparent": "ff" + PARENT[2:], "tracestate": "x" * 900},
        {"Traceparent": PARENT, "x": ""},
    ],
    ids=str,
)
def test_a_hostile_context_begins_a_trace_and_fails_no_job(
    client: Client, traced: Traced, context: dict[str, str]
) -> None:
    job = run(client, "notes_baggage", context=context)

    span = traced.one("process q")
    assert (parent_id(span), links(span)) == (None, [])
    assert (span.attributes or {})["messaging.qless_py.outcome"] == "completed"
    assert client.jobs[job.jid].state == "complete"  # type: ignore[union-attr]


@pytest.mark.corrupts
@pytest.mark.parametrize("stored", [5, "x", [1], {"traceparent": 5}, {5: "x"}], ids=str)
def test_a_context_of_a_foreign_form_is_no_context(
    client: Client, call: Scripts, traced: Traced, stored: Any
) -> None:
    call("put", "q", "j", f"{HERE}.notes_baggage", "null", {})
    job = client.queues["q"].pop()
    assert job is not None
    job.fields["context"] = job.fields["origins"] = stored

    testing.perform(job, ANY)

    assert (job.context, links(traced.one("process q"))) == ({}, [])


class _HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


def raises_what_resists(_job: Any) -> None:
    raise _HostileError


def test_an_exception_that_resists_is_recorded_as_far_as_possible(
    client: Client, traced: Traced
) -> None:
    client.queues["q"].put(f"{HERE}.raises_what_resists")
    job = client.queues["q"].pop()
    assert job is not None
    assert instrumentation.current is not None
    instrumentation.current.begin(job)
    try:
        Executor(ANY).run(job)
    except BaseException as error:  # noqa: BLE001 - it resists
        instrumentation.current.end(job, Transition.raised(job, error).call)

    span = traced.one("process q")
    assert (span.attributes or {})["messaging.qless_py.outcome"] == "failed"
    assert (span.attributes or {})["error.type"] == f"{HERE}._HostileError"


class _BrokenSampler(Sampler):
    def should_sample(self, *_args: Any, **_kwargs: Any) -> Any:
        raise LookupError("no sample")

    def get_description(self) -> str:
        return "broken"


class _BrokenProcessor(SpanProcessor):
    def on_end(self, span: Any) -> None:
        raise LookupError(f"no end of {span}")


@pytest.mark.parametrize("is_sampled", [False, True])
def test_what_a_sampler_or_a_processor_raises_fails_no_job(
    client: Client, traced: Traced, *, is_sampled: bool
) -> None:
    del traced
    sampler = None if is_sampled else _BrokenSampler()
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(_BrokenProcessor())
    tracing.instrument(tracer_provider=provider)

    job = run(client, "puts_a_follow_up")
    client.queues["q"].put_many([{"klass": "k"}])
    again(client)
    own = run(client, "completes_itself")

    assert [client.jobs[one.jid].state for one in (job, own)] == ["complete"] * 2  # type: ignore[union-attr]
    assert len(client.queues["next"]) == 1


def test_lines_that_a_handler_logs_have_the_ids(client: Client, traced: Traced) -> None:
    client.queues["q"].put("k")
    job = client.queues["q"].pop()
    assert job is not None
    record = logging.makeLogRecord({"msg": "hello"})
    with tracing.process(job):
        logs.JobFilter().filter(record)
    line = json.loads(logs.JsonFormatter().format(record))

    span = traced.one("process q")
    assert line["trace_id"] == trace.format_trace_id(trace_id(span))
    assert line["span_id"] == trace.format_span_id(span_id(span))
    assert instrumentation.current is not None
    assert instrumentation.current.ids() == {}


def test_headers_of_a_request_continue_the_span_of_the_run(client: Client, traced: Traced) -> None:
    client.queues["q"].put("k", context={"traceparent": PARENT})
    job = client.queues["q"].pop()
    assert job is not None
    with tracing.process(job):
        headers = tracing.headers_for(job)

    span = traced.one("process q")
    assert headers["traceparent"].split("-")[1:3] == [
        trace.format_trace_id(trace_id(span)),
        trace.format_span_id(span_id(span)),
    ]
    assert tracing.headers_for(job) == {"traceparent": PARENT}


def test_runs_are_counted_and_timed(client: Client, traced: Traced) -> None:
    run(client, "raises", attempts=2)
    run(client, "notes_baggage")

    run(client, "raises")

    assert {name: points[0] for name, points in traced.metrics().items()} == {
        "qless_jobs_put": ({"queue": "q"}, 3),
        "qless_jobs_started": ({"queue": "q"}, 3),
        "qless_job_wait_seconds": ({"queue": "q"}, 3),
        "qless_job_retries": ({"queue": "q"}, 1),
        "qless_jobs_completed": ({"queue": "q"}, 1),
        "qless_job_run_seconds": ({"queue": "q"}, 1),
        "qless_jobs_failed": ({"queue": "q"}, 1),
    }


def test_a_manager_traces_its_jobs(live: Client, traced: Traced) -> None:
    manager = qless_py.Manager(live, concurrency=2)
    manager.register("plain", notes_baggage)
    manager.register("loop", runs_in_a_loop)
    with manager:
        jids = [manager.put("plain"), manager.put("loop")]
        results = [live.job(jid).wait(20) for jid in jids]

    first, second = (traced.one(f"process {topic}") for topic in ("plain", "loop"))
    assert parent_id(first) == span_id(traced.one("send plain"))
    assert results == [None, trace.format_span_id(span_id(second))]


TOGETHER = threading.Barrier(4)


def meets_others(_job: Any) -> str:
    TOGETHER.wait(20)
    return current_span()


async def meets_others_in_a_loop(_job: Any) -> str:
    await asyncio.to_thread(TOGETHER.wait, 20)
    return current_span()


def current_span() -> str:
    return trace.format_span_id(trace.get_current_span().get_span_context().span_id)


def test_runs_at_once_have_their_own_spans(live: Client, traced: Traced) -> None:
    manager = qless_py.Manager(live, concurrency=4)
    manager.register("threads", meets_others)
    manager.register("tasks", meets_others_in_a_loop)
    with manager:
        jids = [manager.put(topic) for topic in ("threads", "tasks", "threads", "tasks")]
        results = {jid: live.job(jid).wait(20) for jid in jids}

    spans = {
        str((span.attributes or {})["messaging.message.id"]): trace.format_span_id(span_id(span))
        for span in traced.all()
        if span.name.startswith("process")
    }
    assert results == spans
    assert len(set(spans.values())) == 4


@contextlib.contextmanager
def _around(job: Any) -> Iterator[None]:
    job.data["around"] = current_span()
    yield
    if job.data.get("fails"):
        raise LookupError("of the middleware")


def shows_data(job: Any) -> object:
    return {**job.data, "inside": current_span()}


def test_middleware_runs_within_the_span(client: Client, traced: Traced) -> None:
    options = HandlerOptions(allow_any=True, middleware=[_around])
    for data in ({"fails": False}, {"fails": True}):
        client.queues["q"].put(f"{HERE}.shows_data", data)
    done = testing.drain(client.queues["q"], options=options, raises=False)

    first, second = [span for span in traced.all() if span.name == "process q"]
    own = trace.format_span_id(span_id(first))
    assert done[0].result == {"fails": False, "around": own, "inside": own}
    assert (second.attributes or {})["error.type"] == "LookupError"


def test_a_span_that_was_ended_is_not_ended_again(client: Client, traced: Traced) -> None:
    job = run(client, "notes_baggage")
    assert instrumentation.current is not None

    instrumentation.current.end(job, jobs.release_lease(job.jid, job.lease))

    assert traced.names().count("process q") == 1
