"""Whatever a handler raises fails its own job, with what can be read of the exception."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

from qless_py import Backoff, Client, Job, RetryPolicy
from qless_py.handlers import logs
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.middleware import MemoryWatch, RetryOn
from qless_py.handlers.result import Transition
from tests.handlers import hostile_exceptions
from tests.handlers.hostile_exceptions import KINDS

RETRYING = Executor(
    HandlerOptions(
        allow_any=True,
        middleware=[RetryOn(RetryPolicy(on={"app.Never": 5})), MemoryWatch()],
        soft_limit=60,
        retry=RetryPolicy(on={"app.Never": 5}),
    )
)


def ended(client: Client, klass: Any, kind: str) -> Job:
    jid = client.queues["q"].put(klass, {"kind": kind})
    job = client.queues["q"].pop()
    assert job is not None
    try:
        RETRYING.run(job)
    except BaseException as error:  # noqa: BLE001 - as a worker does
        call = Transition.raised(job, error).call
    assert call is not None
    client.run(call)
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("klass", [hostile_exceptions.raises, hostile_exceptions.raises_later])
def test_a_job_fails_whatever_its_exception_does(client: Client, klass: Any, kind: str) -> None:
    job = ended(client, klass, kind)
    if kind == "NoAttributeAtAllError" and sys.version_info >= (3, 13):
        kind = "RuntimeError"  # contextlib reads an attribute of it and raises what that raises.

    assert job.state == "failed"
    assert job.failure["group"] == f"{job.klass_name}:{kind}"
    assert kind in job.failure["message"]
    assert len(job.failure["message"]) <= 60_000


@pytest.mark.parametrize("kind", ["NoTextError", "ExceptionGroup", "NoNotesError"])
def test_the_frames_of_the_handler_are_kept(client: Client, kind: str) -> None:
    job = ended(client, hostile_exceptions.raises, kind)

    assert "hostile_exceptions.py" in job.failure["message"]
    assert job.failure["message"].startswith("Traceback (most recent call last):\n")


def test_the_beginning_of_an_endless_message_is_kept(client: Client) -> None:
    job = ended(client, hostile_exceptions.raises, "KeyError")

    assert "KeyError: 'xxx" in job.failure["message"]
    assert "more bytes" in job.failure["message"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("then", ["retry", "discard", "snooze"])
def test_policies_apply_to_exceptions_that_resist(client: Client, kind: str, then: str) -> None:
    rule: Any = Backoff.fixed(5) if then == "retry" else then
    policy = RetryPolicy(on={"BaseException": rule})
    client.queues["q"].put(hostile_exceptions.raises, {"kind": kind})
    job = client.queues["q"].pop()
    assert job is not None

    outcome = policy.decide(KINDS[kind](), job.tries)

    assert type(outcome).__name__.lower() == then


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", logs.FORMATS)
def test_lines_about_exceptions_that_resist_can_be_logged(kind: str, form: str) -> None:
    lines = logs.JsonFormatter() if form == "json" else logs.HumanFormatter()
    error = KINDS[kind]()
    record = logging.LogRecord(
        "app", logging.ERROR, "", 1, "broken", (), (type(error), error, None)
    )

    assert kind in lines.format(record)
