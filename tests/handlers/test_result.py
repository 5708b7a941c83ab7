"""What is stored of a handler's exception: the frames of the handler, and none around it."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from qless_py import Client, Job, RetryPolicy
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.middleware import LogContext, RetryOn, Timeout
from qless_py.handlers.result import Transition
from tests.handlers import jobs, tasks

SURROUNDED = Executor(
    HandlerOptions(
        allow_any=True,
        middleware=[RetryOn(RetryPolicy(on={KeyError: 5})), Timeout(60), LogContext(site="north")],
        soft_limit=60,
    )
)


def in_main_thread(job: Job) -> Any:
    return SURROUNDED.run(job)


def in_another_thread(job: Job) -> Any:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(SURROUNDED.run, job).result()


def in_event_loop(job: Job) -> Any:
    return asyncio.run(SURROUNDED.arun(job))


def message(client: Client, job: Job, perform: Any) -> str:
    """Return what is stored when a handler raises below `perform`."""
    try:
        perform(job)
    except ValueError as error:
        # The frames of this test stand where those of a worker would.
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        call = Transition.raised(job, error.with_traceback(trace)).call
    assert call is not None
    client.run(call)
    found = client.jobs[job.jid]
    assert isinstance(found, Job)
    return str(found.failure["message"])


def frames(message: str) -> list[tuple[str, str]]:
    return re.findall(r'File "(?:.*/)?([^"/]+)", line \d+, in (\w+)', message)


@pytest.mark.parametrize("perform", [in_main_thread, in_another_thread, in_event_loop])
@pytest.mark.parametrize(
    ("klass", "data", "expected"),
    [
        (jobs.raises, {"kind": "value"}, [("jobs.py", "raises")]),
        (jobs.raises_later, {"kind": "value"}, [("jobs.py", "raises_later")]),
        (jobs.Surrounded, {"fail": True}, [("jobs.py", "perform")]),
        (tasks.fails, {"kwargs": {}}, [("tasks.py", "fails")]),
    ],
)
def test_a_failure_shows_the_frames_of_the_handler_only(
    client: Client, perform: Any, klass: Any, data: Any, expected: Any
) -> None:
    client.queues["q"].put(klass, data, retry=RetryPolicy(on={"app.Never": 5}))
    job = client.queues["q"].pop()
    assert job is not None

    text = message(client, job, perform)

    assert frames(text) == expected
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: broken\n")


def test_frames_below_the_handler_stay_whatever_their_module(client: Client) -> None:
    client.queues["q"].put("tests.handlers.jobs.calls_the_library", [])
    job = client.queues["q"].pop()
    assert job is not None

    text = message(client, job, in_main_thread)

    assert [name for _, name in frames(text)][:2] == ["calls_the_library", "of"]
    assert "retry.py" in text
