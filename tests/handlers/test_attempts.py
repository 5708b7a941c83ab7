"""`attempts`: how often a handler that raises is run."""

from __future__ import annotations

from typing import Any

import pytest

import qless_py
from qless_py import BadArgumentError, Client, RetryPolicy
from qless_py.testing import drain
from tests.conftest import Clock

RUNS: list[str] = []


def raises(job: qless_py.Job) -> None:
    RUNS.append(job.jid)
    raise ValueError("broken")


class Raises:
    attempts = 2

    @staticmethod
    def perform(job: qless_py.Job) -> None:
        raises(job)


@qless_py.job(queue="q", attempts=4)
def task() -> None:
    RUNS.append("task")
    raise ValueError("broken")


def runs_until_failed(client: Client, clock: Clock) -> int:
    RUNS.clear()
    for _ in range(10):
        drain(client.queues["q"], raises=False)
        clock.advance(4000)
    assert sum(client.jobs.failed().values()) == 1
    return len(RUNS)


def test_a_handler_that_raises_runs_so_often(client: Client, clock: Clock) -> None:
    client.queues["q"].put(raises, attempts=5, retries=0)

    assert runs_until_failed(client, clock) == 5


def test_one_attempt_is_no_retry_whatever_the_queue_says(client: Client, clock: Clock) -> None:
    client.config["q-retry-policy"] = RetryPolicy(1, retries=3).text()
    client.queues["q"].put(raises, attempts=1)

    assert runs_until_failed(client, clock) == 1


class OfBase:
    retry = RetryPolicy(retries=5)

    @staticmethod
    def perform(job: qless_py.Job) -> None:
        raises(job)


class OfSubclass(OfBase):
    attempts = 2


def test_a_subclass_replaces_the_policy_that_it_inherits(client: Client, clock: Clock) -> None:
    client.queues["q"].put(OfSubclass)

    assert runs_until_failed(client, clock) == 2


def test_a_class_says_it_for_all_its_jobs(client: Client, clock: Clock) -> None:
    client.queues["q"].put(Raises)
    assert runs_until_failed(client, clock) == 2


def test_a_task_says_it_too(client: Client, clock: Clock) -> None:
    task.using(client).put()

    assert runs_until_failed(client, clock) == 4


def test_an_attempt_costs_none_of_the_retries_that_count_lost_leases(client: Client) -> None:
    jid = client.queues["q"].put(raises, attempts=3, retries=1)

    drain(client.queues["q"], raises=False)

    job = client.job(jid)
    assert (job.state, job.retries_left) == ("scheduled", 1)


def test_recurring_jobs_pass_it_to_their_children(client: Client, clock: Clock) -> None:
    client.queues["q"].recur(raises, None, 1e6, attempts=2)

    assert runs_until_failed(client, clock) == 2


@pytest.mark.parametrize("attempts", [0, -1, 1.5, True, "5"])
def test_any_other_number_is_rejected(client: Client, attempts: Any) -> None:
    with pytest.raises(BadArgumentError, match="attempts"):
        client.queues["q"].put(raises, attempts=attempts)


def test_a_policy_and_a_number_exclude_each_other(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="attempts and retry exclude each other"):
        client.queues["q"].put(raises, attempts=2, retry=RetryPolicy())


def test_a_job_says_how_many_of_its_attempts_failed(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].put(raises, attempts=3)
    plain = client.queues["q"].put(raises, delay=1e6)
    unreadable = client.queues["q"].put(raises, delay=1e6)
    garbage = client.job(unreadable)
    garbage.fields["retry"] = "{"

    for _ in range(2):
        drain(client.queues["q"], raises=False)
        clock.advance(60)

    job = client.job(jid)
    assert (job.attempts_failed, job.attempts) == (2, 3)
    assert (client.job(plain).attempts_failed, client.job(plain).attempts) == (0, None)
    assert garbage.attempts is None


def test_the_run_that_fails_a_job_for_good_counts_as_a_failed_attempt(client: Client) -> None:
    jid = client.queues["q"].put(raises, attempts=1)
    drain(client.queues["q"], raises=False)
    assert (client.job(jid).state, client.job(jid).attempts_failed) == ("failed", 1)

    client.queues["q"].put(raises, jid="spent", retry=RetryPolicy(), retries=0)
    drain(client.queues["q"], raises=False)
    assert (client.job("spent").state, client.job("spent").attempts_failed) == ("failed", 1)


def test_a_job_that_fails_without_an_error_of_its_handler_had_no_failed_attempt(
    client: Client, clock: Clock
) -> None:
    jid = client.queues["q"].put(raises, retries=0)
    client.queues["q"].pop()
    for _ in range(2):
        clock.advance(60)
        client.queues["q"].pop()
    assert (client.job(jid).state, client.job(jid).attempts_failed) == ("failed", 0)
    assert client.job(jid).stalls == 1
