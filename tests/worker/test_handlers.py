"""Retry policies, time limits, middleware and programs on real workers."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from qless_py import Backoff, Client, Job, JobCanceledError, RetryPolicy
from tests.worker import middleware_handlers
from tests.worker.conftest import LinePipe, Start, assert_ended

# How handlers run is the same on any server; test_jobs.py runs on each.
pytestmark = [pytest.mark.fork, pytest.mark.any_server]

AROUND = ("--import", "tests.worker.middleware_handlers")


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def ended(client: Client, jid: str) -> dict[str, Any]:
    """Wait until a job has failed and give its failure."""
    with pytest.raises(Exception, match="failed in group"):
        read(client, jid).wait(40)
    return read(client, jid).failure


def test_policies_limits_and_tasks_hold_in_every_kind_of_child(live: Client, start: Start) -> None:
    queue = live.queues["work"]
    soon = RetryPolicy(Backoff.fixed(0.01), retries=2)
    tried = queue.put(middleware_handlers.raises, retry=soon)
    limited = queue.put(middleware_handlers.sleeps, soft_limit=0.2)
    later = queue.put(middleware_handlers.sleeps_later, soft_limit=0.2)
    discarded = queue.put(middleware_handlers.discards)
    task = queue.put(middleware_handlers.task, {"kwargs": {"number": 21}})
    start("-c", "2", *AROUND)

    assert ended(live, limited)["group"].endswith("sleeps:SoftLimitError")
    assert ended(live, later)["group"].endswith("sleeps_later:SoftLimitError")
    assert read(live, task).wait(40) == [task, 42]
    assert ended(live, tried)["group"].endswith("raises:ValueError")
    assert [one["what"] for one in read(live, tried).history].count("popped") == 3
    if (job := live.jobs[discarded]) is not None:
        assert isinstance(job, Job)
        with pytest.raises(JobCanceledError):
            job.wait(40)


@pytest.mark.parametrize(
    "kind", [(), ("-c", "2"), ("--isolation", "job"), ("--isolation", "none")], ids=str
)
def test_a_failure_shows_the_frames_of_the_handler_only(
    live: Client, start: Start, kind: tuple[str, ...]
) -> None:
    names = ("raises", "raises_later")
    jids = [live.queues["work"].put(getattr(middleware_handlers, name)) for name in names]
    around = ("--middleware", "tests.worker.middleware_handlers.shouting", "--soft-limit", "60")
    start(*kind, *around, "--burst", *AROUND).wait()

    for name, jid in zip(names, jids, strict=True):
        lines = read(live, jid).failure["message"].splitlines()
        (frame,) = [line for line in lines if line.startswith("  File ")]
        assert frame.endswith(f", in {name}")
        assert lines[-1] == "ValueError: this went wrong"


def test_a_soft_limit_ends_a_handler_of_a_child_with_one_job(live: Client, start: Start) -> None:
    jid = live.queues["work"].put(middleware_handlers.sleeps, soft_limit=0.2)
    start(*AROUND)

    assert "soft limit of 0.2 s" in ended(live, jid)["message"]


def test_middleware_is_entered_and_lines_say_their_job(
    live: Client, start: Start, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    jid = live.queues["work"].put(middleware_handlers.logs)
    start(
        *("--middleware", "tests.worker.middleware_handlers.shouting", "--burst"),
        *AROUND,
        *("--log-format", "json", "--log-file", str(log)),
    ).wait()

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    of_job = [line["message"] for line in lines if line["jid"] == jid]
    assert [one for one in of_job if one in {"in", "logged by the handler", "out"}] == [
        *("in", "logged by the handler", "out"),
    ]
    assert all(
        line["klass"] == "tests.worker.middleware_handlers.logs" for line in lines if line["jid"]
    )


def test_a_program_ends_with_the_worker_that_is_killed(
    live: Client, start: Start, reports: LinePipe
) -> None:
    jid = live.queues["work"].put("any")
    command = f"echo $$ > {reports.path}; exec sleep 60"
    worker = start("--exec", command, "--shell", "--grace", "0")
    program = psutil.Process(int(reports.line()))
    child = program.ppid()

    psutil.Process(child).kill()

    assert_ended([program])
    assert psutil.pid_exists(worker.process.pid)
    program = psutil.Process(int(reports.line()))  # Another child has it now.
    worker.signal(signal.SIGTERM)
    worker.wait()
    assert_ended([program])
    job = read(live, jid)
    assert (job.state, job.crashes, job.retries_left) == ("waiting", 1, 4)


def test_an_async_handler_in_a_child_of_one_job_is_stopped_like_any_other(
    live: Client, start: Start, reports: LinePipe
) -> None:
    jid = live.queues["work"].put(middleware_handlers.tells_and_waits, {"pipe": str(reports.path)})
    worker = start(*AROUND, "--grace", "0")
    assert reports.line() == "here"

    worker.signal(signal.SIGTERM)

    assert reports.line() == "left"
    worker.wait()
    job = read(live, jid)
    assert (job.state, job.retries_left) == ("waiting", 5)
