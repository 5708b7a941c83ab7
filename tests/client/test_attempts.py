"""The past of a job: its attempts, and how long it waited and ran."""

from __future__ import annotations

import pytest

from qless_py import Client, Job
from qless_py.client import attempts
from qless_py.client.attempts import Past
from tests.client.test_queue import found, taken
from tests.conftest import Clock
from tests.script_runner import Scripts


def past(client: Client, jid: str = "j") -> Past:
    return attempts.read(found(client, jid), client.settings.clock())


def phases(client: Client) -> list[tuple[str, float]]:
    return [(one.kind, round(one.duration, 3)) for one in past(client).phases]


def outcomes(client: Client) -> list[tuple[str, float | None]]:
    return [(one.outcome, one.duration) for one in past(client).attempts]


@pytest.fixture
def run(client: Client, clock: Clock) -> Job:
    """Put a job, let it wait for 3 s and run for 5 s."""
    client.queues["q"].put("k", jid="j")
    clock.advance(3)
    job = taken(client)
    clock.advance(5)
    return job


def test_a_running_and_a_complete_job(client: Client, run: Job) -> None:
    (attempt,) = past(client).attempts
    assert (attempt.outcome, attempt.worker) == ("running", client.worker_name)
    assert (attempt.started_at, attempt.ended_at, attempt.duration) == (run.popped_at, None, None)
    assert phases(client) == [("waited", 3), ("ran", 5)]

    run.complete()

    assert outcomes(client) == [("completed", 5)]
    assert phases(client) == [("waited", 3), ("ran", 5)]


def test_retries_have_their_errors_and_the_time_before_the_next_attempt(
    client: Client, clock: Clock, run: Job
) -> None:
    run.retry(10, "k:ValueError", "Traceback (most recent call last):\n  x\nValueError: no")
    clock.advance(12)
    taken(client).fail("k:KeyError", "KeyError: 'a'")
    clock.advance(100)

    first, second = past(client).attempts
    assert (first.outcome, first.group, first.duration) == ("retried", "k:ValueError", 5)
    assert first.message.endswith("ValueError: no")
    assert (second.outcome, second.error, second.message) == ("failed", *["KeyError: 'a'"] * 2)
    assert all(one.is_unsuccessful for one in (first, second))
    # How long it has been failed is no part of its past before somebody retries it.
    assert phases(client) == [
        ("waited", 3), ("ran", 5), ("delayed", 10), ("waited", 2), ("ran", 0),
    ]  # fmt: skip
    assert past(client).total("waited") == 5

    found(client, "j").requeue()
    clock.advance(1)
    assert phases(client)[-2:] == [("failed", 100), ("waited", 1)]


def test_a_lost_lease_ends_an_attempt_unless_the_worker_returns(
    client: Client, clock: Clock, call: Scripts, run: Job
) -> None:
    clock.advance(55)
    call("tick")
    assert outcomes(client) == [("lost its lease", 60)]
    clock.advance(4)
    run.complete()
    assert outcomes(client) == [("completed", 64)]


def test_a_job_that_fails_for_lost_leases_has_the_reason_with_its_last_attempt(
    client: Client, clock: Clock, call: Scripts
) -> None:
    client.queues["q"].put("k", jid="j", retries=0)
    taken(client)
    for _ in range(2):
        clock.advance(60)
        call("tick")

    (attempt,) = past(client).attempts
    assert (attempt.outcome, attempt.group) == ("lost its lease", "failed-retries-q")
    assert "exhausted retries" in attempt.message


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (lambda job: job.release(), "released"),
        (lambda job: job.snooze(9), "snoozed"),
        (lambda job: job.timeout(), "timed out"),
        (lambda job: job.move("other"), "put again"),
        (lambda job: job.force_finish(), "finished by hand"),
    ],
)
def test_other_ends(client: Client, run: Job, end: object, outcome: str) -> None:
    assert callable(end)
    end(run)
    assert outcomes(client) == [(outcome, 5)]


def test_jobs_that_wait_for_time_or_for_others(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j", delay=60)
    clock.advance(5)
    assert phases(client) == [("delayed", 5)]
    client.queues["q"].put("k", jid="child", depends=["j"])
    clock.advance(5)
    assert [(one.kind, one.duration) for one in past(client, "child").phases] == [("depends", 5)]
    assert past(client).attempts == []


def test_a_job_that_failed_without_a_run_has_no_attempt(client: Client) -> None:
    client.queues["q"].put("k", jid="parent")
    client.queues["q"].put("k", jid="j", depends=["parent"], on_parent_failed="fail")
    taken(client).fail("g", "m")
    assert found(client, "j").state == "failed"
    assert past(client).attempts == []


def test_lines_of_the_log_are_kept_apart(client: Client, run: Job) -> None:
    run.log("asked bob", {"by": "ann"})
    run.log("done so far")
    assert [one["what"] for one in past(client).log] == ["asked bob", "done so far"]
    assert past(client).log[0]["by"] == "ann"
    assert outcomes(client) == [("running", None)]


def test_attempts_whose_start_is_no_longer_kept(client: Client, clock: Clock) -> None:
    client.config["max-job-history"] = 4
    client.queues["q"].put("k", jid="j", retries=50)
    for _ in range(9):
        job = taken(client)
        clock.advance(1)
        job.retry(0, "g", "m")
    first, second = past(client).attempts
    assert (first.started_at, first.duration, first.outcome) == (None, None, "retried")
    assert second.duration == 1
    assert phases(client)[-1] == ("ran", 1)
