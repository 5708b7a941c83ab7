"""The trace context of a request becomes that of the jobs that it puts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from qless_py import Client, tracing
from qless_py.client.job import Job
from tests.http.conftest import Api

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
HEADERS = {"Traceparent": PARENT, "tracestate": "a=1", "Baggage": "tenant=a"}
CARRIED = {"traceparent": PARENT, "tracestate": "a=1", "baggage": "tenant=a"}


def context(client: Client, jid: str) -> dict[str, str]:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job.context


def test_jobs_carry_the_context_of_the_request_that_puts_them(api: Api, client: Client) -> None:
    one = api.ok("POST", "/queues/q/jobs", {"klass": "k"}, headers=HEADERS)
    many = [{"klass": "k"}, {"klass": "k", "context": {"own": "1"}}, {"klass": "k", "context": {}}]
    rest = api.ok("POST", "/queues/q/jobs/batch", {"jobs": many}, headers=HEADERS)["jobs"]
    plain = api.ok("POST", "/queues/q/jobs", {"klass": "k"})

    found = [context(client, answer["jid"]) for answer in (one, *rest, plain)]
    assert found == [CARRIED, CARRIED, {"own": "1"}, {}, {}]
    assert api.ok("GET", f"/jobs/{one['jid']}")["context"] == CARRIED


def test_tasks_carry_the_context_as_well(api: Api, client: Client) -> None:
    task = api.flask.post("/queue", json={"url": "http://a.example"}, headers=HEADERS)

    assert context(client, json.loads(task.text)["id"]) == CARRIED


def test_a_header_that_is_not_valid_is_dropped(api: Api, client: Client) -> None:
    headers = {"traceparent": PARENT.upper(), "tracestate": "a=1", "baggage": "x" * 2000}

    answer = api.ok("POST", "/queues/q/jobs", {"klass": "k"}, headers=headers)

    assert context(client, answer["jid"]) == {}


@pytest.mark.parametrize(
    "wrong", ["x", 5, ["a"], {"a": 5}, {"a b": "c"}, {"a": "b\n"}, {"a": "x" * 1024},
              {"a": "x" * 600, "b": "x" * 600}], ids=lambda one: str(one)[:20],
)  # fmt: skip
def test_a_context_of_the_body_that_is_not_valid_is_a_problem(
    api: Api, client: Client, wrong: Any
) -> None:
    problem = api.problem("POST", "/queues/q/jobs", {"klass": "k", "context": wrong})

    assert (problem["status"], problem["code"]) == (422, "invalid")
    assert client.redis.dbsize() == 0


def test_a_server_that_traces_makes_the_span_of_the_put(api: Api, client: Client) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.instrument(tracer_provider=provider)
    try:
        linked = api.ok("POST", "/queues/q/jobs", {"klass": "k"}, headers=HEADERS)
        with provider.get_tracer("server").start_as_current_span("POST"):
            child = api.ok("POST", "/queues/q/jobs", {"klass": "k"}, headers=HEADERS)
            api.ok("POST", "/queues/q/jobs/batch", {"jobs": [{"klass": "k"}]}, headers=HEADERS)
    finally:
        tracing.uninstrument()

    link, one, many, server = exporter.get_finished_spans()
    assert [f"{found.context.span_id:016x}" for found in link.links] == [SPAN]
    assert context(client, linked["jid"]) == CARRIED
    assert [one.name, many.name] == ["send q", "send q"]
    assert one.parent == many.parent == server.context
    assert one.context is not None
    assert f"{one.context.span_id:016x}" in context(client, child["jid"])["traceparent"]
