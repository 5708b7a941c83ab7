"""Spans of puts, and the context that they leave in the jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.trace import SpanKind, StatusCode

from qless_py import AlreadyExistsError, Client
from qless_py.aio import Client as AsyncClient
from qless_py.client.job import Job
from qless_py.client.workflow import Workflow
from tests import servers
from tests.tracing.conftest import Traced, links, parent_id, span_id, trace_id

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def found(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def origin(job: Job) -> tuple[int, int]:
    """Return the ids of the trace and the span in the context of a job."""
    _, trace_part, span_part, _ = job.context["traceparent"].split("-")
    return int(trace_part, 16), int(span_part, 16)


def in_asyncio(server: servers.Server, run: Callable[[AsyncClient], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncClient(server.url) as client:
            return await run(client)

    return asyncio.run(main())


def test_a_put_is_a_producer_span_whose_context_the_job_carries(
    live: Client, traced: Traced
) -> None:
    tracer = traced.tracer_provider.get_tracer("test")
    with tracer.start_as_current_span("request"):
        jid = live.queues["mail"].put("app.Send", {"to": "ann"})

    span, request = traced.one("send mail"), traced.one("request")
    assert (span.kind, parent_id(span)) == (SpanKind.PRODUCER, span_id(request))
    assert dict(span.attributes or {}) == {
        "messaging.system": "qless_py",
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": "mail",
        "messaging.message.id": jid,
        "messaging.message.body.size": 12,
        "messaging.qless_py.klass": "app.Send",
    }
    assert origin(found(live, jid)) == (trace_id(span), span_id(span))
    assert traced.metrics()["qless_jobs_put"] == [({"queue": "mail"}, 1)]


def test_a_put_by_the_asyncio_client_is_traced_as_well(
    live: Client, server: servers.Server, traced: Traced
) -> None:
    async def run(client: AsyncClient) -> list[str]:
        return [await client.queues["mail"].put("app.Send"), *(await many(client))]

    async def many(client: AsyncClient) -> list[str]:
        return await client.queues["mail"].put_many([{"klass": "k"}, {"klass": "k"}])

    first, *rest = in_asyncio(server, run)

    one, several = traced.all()
    assert (one.name, several.name) == ("send mail", "send mail")
    assert origin(found(live, first)) == (trace_id(one), span_id(one))
    assert {origin(found(live, jid)) for jid in rest} == {(trace_id(several), span_id(several))}


def test_many_jobs_have_one_span(live: Client, traced: Traced) -> None:
    jids = live.queues["q"].put_many({"klass": "k", "data": n} for n in range(150))

    span = traced.one("send q")
    assert (span.attributes or {})["messaging.batch.message_count"] == 150
    assert {origin(found(live, jid)) for jid in (jids[0], jids[149])} == {
        (trace_id(span), span_id(span))
    }


def test_jobs_of_several_queues_name_no_destination(live: Client, traced: Traced) -> None:
    live.put_many([{"klass": "k", "queue": "a"}, {"klass": "k", "queue": "b"}])
    live.put_many([])

    assert "messaging.destination.name" not in (traced.one("send").attributes or {})


def test_a_refused_put_is_an_error(live: Client, server: servers.Server, traced: Traced) -> None:
    live.queues["q"].put("k", jid="j")
    with pytest.raises(AlreadyExistsError):
        live.queues["q"].put("k", jid="j", on_conflict="raise")

    async def run(client: AsyncClient) -> None:
        with pytest.raises(AlreadyExistsError):
            await client.queues["q"].put_many([{"klass": "k", "jid": "j", "on_conflict": "raise"}])

    in_asyncio(server, run)

    assert [span.status.status_code for span in traced.all()] == [
        *(StatusCode.UNSET, StatusCode.ERROR, StatusCode.ERROR)
    ]
    assert (traced.all()[1].attributes or {})["error.type"] == "qless_py.errors.AlreadyExistsError"
    assert traced.metrics()["qless_jobs_put"] == [({"queue": "q"}, 1)]


def test_a_call_that_gets_no_answer_is_an_error(traced: Traced) -> None:
    client = Client("redis://127.0.0.1:1", patience=0)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever redis-py raises
        client.queues["q"].put("k")

    assert traced.one("send q").status.status_code is StatusCode.ERROR


def test_the_context_of_the_caller_is_kept_and_linked(live: Client, traced: Traced) -> None:
    jid = live.queues["q"].put("k", context={"traceparent": PARENT})
    empty = live.queues["q"].put("k", context={})

    first, second = traced.all()
    assert found(live, jid).context == {"traceparent": PARENT}
    assert (links(first), first.kind) == ([0xB7AD6B7169203331], SpanKind.CLIENT)
    assert (found(live, empty).context, links(second)) == ({}, [])


def test_baggage_travels_as_far_as_it_fits(live: Client, traced: Traced) -> None:
    del traced
    token = context.attach(baggage.set_baggage("tenant", "a"))
    try:
        jid = live.queues["q"].put("k")
        context.attach(baggage.set_baggage("more", "x" * 1500))
        other = live.queues["q"].put("k")
    finally:
        context.detach(token)

    assert found(live, jid).context["baggage"] == "tenant=a"
    assert found(live, other).context["baggage"] == "tenant=a"


def test_a_put_without_a_recording_span_passes_the_context_on(live: Client, traced: Traced) -> None:
    del traced
    from qless_py import tracing  # noqa: PLC0415

    tracing.instrument(tracer_provider=trace.NoOpTracerProvider())
    jid = live.queues["q"].put("k")

    assert found(live, jid).context == {}


def test_batches_pipelines_and_workflows_are_traced(live: Client, traced: Traced) -> None:
    with live.batch("b", on_success={"klass": "k", "queue": "back", "jid": "done"}) as batch:
        batch.put("q", "k", jid="one")
        batch.put_many("q", [{"klass": "k", "jid": "two"}])
    with live.pipeline() as pipeline:
        pipeline.put("p", "k", jid="three")

    assert traced.names() == ["create back", "send q", "send q", "send p"]
    created, *sent = traced.all()
    jobs = [found(live, jid) for jid in ("one", "two", "three")]
    assert [origin(job) for job in jobs] == [(trace_id(one), span_id(one)) for one in sent]

    for job in live.queues["q"].pop(2):
        job.complete()
    callback = live.queues["back"].pop()
    assert callback is not None
    assert origin(callback) == (trace_id(created), span_id(created))
    assert callback.origins == [job.context["traceparent"] for job in jobs[:2]]

    workflow = Workflow("w")
    workflow.step("first", "q", "k")
    workflow.step("second", "q", "k", after=["first"])
    live.workflows.submit(workflow)
    step = live.queues["q"].pop()
    assert step is not None
    assert origin(step)[1] == span_id(traced.all()[-1])
    assert traced.all()[-1].name == "send"
