"""Attributes, setters and methods of recurring jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qless_py import BadArgumentError, Client, JobNotFoundError, RecurringJob
from tests.client.handlers import Mail, function
from tests.client.test_queue import found, taken
from tests.conftest import Clock


def recurring(client: Client, jid: str) -> RecurringJob:
    job = client.jobs[jid]
    assert isinstance(job, RecurringJob)
    return job


def test_a_recurring_job_has_all_its_fields(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].recur(
        function, {"n": 1}, 60, offset=10, priority=3, tags=["t"], retries=4, backlog=2
    )

    job = recurring(client, jid)

    assert (job.jid, job.state, job.queue_name, job.klass) == (jid, "recur", "q", function)
    assert (job.interval, job.next_at, job.count) == (60, clock.now + 10, 0)
    assert (job.priority, job.tags, job.retries, job.backlog) == (3, ["t"], 4, 2)
    assert (job.data, job["n"], job.is_paused) == ({"n": 1}, 1, False)


def test_children_carry_what_the_recurring_job_says(client: Client) -> None:
    jid = client.queues["q"].recur("k", {"n": 1}, 60, priority=3, tags=["t"])

    child = taken(client)

    assert (child.jid, child.spawned_from) == (f"{jid}-1", jid)
    assert (child.data, child.priority, child.tags) == ({"n": 1}, 3, ["t"])
    assert child.original_retries == 0


def test_setting_an_attribute_holds_for_future_children(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].recur("k", {"n": 1}, 60)
    job = recurring(client, jid)

    job.priority = 7
    job.retries = 2
    job.data = {"n": 2}
    job.klass = Mail
    job.queue_name = "other"
    job.backlog = 1
    job.interval = timedelta(seconds=30)

    read = recurring(client, jid)
    assert (read.priority, read.retries, read.data, read.klass) == (7, 2, {"n": 2}, Mail)
    assert (read.queue_name, read.backlog, read.interval) == ("other", 1, 30)
    clock.advance(1)
    child = taken(client, "other")
    assert (child.priority, child.data, child.klass) == (7, {"n": 2}, Mail)


def test_an_update_changes_all_or_nothing(client: Client) -> None:
    job = recurring(client, client.queues["q"].recur("k", {}, 60))

    job.update(priority=1, retries=1)
    with pytest.raises(BadArgumentError):
        job.update(priority=2, retries=-1)
    with pytest.raises(BadArgumentError):
        job.update()

    assert (job.refresh().priority, job.retries) == (1, 1)


def test_tags_come_and_go(client: Client) -> None:
    job = recurring(client, client.queues["q"].recur("k", {}, 60, tags=["a"]))

    assert job.tag("b") == ["a", "b"]
    assert job.untag("a") == ["b"]


def test_a_paused_one_makes_no_children_until_resumed(client: Client, clock: Clock) -> None:
    job = recurring(client, client.queues["q"].recur("k", {}, 60, offset=10))

    job.pause()
    clock.advance(30)

    assert job.is_paused
    assert client.queues["q"].pop() is None
    job.resume()
    clock.advance(60)
    assert client.queues["q"].pop() is not None


def test_run_puts_a_child_beside_the_schedule(client: Client, clock: Clock) -> None:
    job = recurring(client, client.queues["q"].recur("k", {}, 60, offset=1000))

    jid = job.run()

    assert found(client, jid).spawned_from == job.jid
    assert job.refresh().next_at == clock.now + 1000


def test_cancel_ends_it_and_keeps_its_children(client: Client) -> None:
    job = recurring(client, client.queues["q"].recur("k", {}, 60))
    child = taken(client)

    assert job.cancel()
    assert not job.cancel()

    assert client.jobs[job.jid] is None
    assert found(client, child.jid).state == "running"
    with pytest.raises(JobNotFoundError):
        job.refresh()
    with pytest.raises(JobNotFoundError):
        job.priority = 1


def test_defaults_of_the_class_hold_for_recurring_jobs(client: Client) -> None:
    job = recurring(client, client.queues["q"].recur(Mail, {}, 60, priority=1))

    assert (job.priority, job.tags, job.retries) == (1, ["mail"], 2)


@pytest.mark.parametrize("interval", [0, -1, float("nan"), "60", None, True])
def test_an_unusable_interval_is_rejected(client: Client, interval: float) -> None:
    with pytest.raises(BadArgumentError):
        client.queues["q"].recur("k", {}, interval)


def test_children_have_users_and_throttles(client: Client, clock: Clock) -> None:
    client.throttles["api"].set(rate=100)
    jid = client.queues["q"].recur("k", {}, 60, user="ada", throttles={"api": 2, "disk": 1})

    first = taken(client)
    assert (first.user, first.throttles) == ("ada", ["api", "disk"])
    assert first.costs == {"api": 2, "disk": 1}
    recurring(client, jid).update(user=False, throttles=["api"])
    clock.advance(60)
    second = taken(client)

    assert (second.user, second.throttles, second.costs) == (None, ["api"], {"api": 1})


def test_costs_need_their_throttles(client: Client) -> None:
    with pytest.raises(BadArgumentError):
        client.queues["q"].recur("k", {}, 60, throttles={"api": -1})
    with pytest.raises(BadArgumentError):
        client.queues["q"].recur("k", {}, 60, throttles=["queue:q"])

    assert client.queues["q"].jobs.recurring() == []


def test_runs_say_what_became_of_each_child(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    queue.recur("K", {}, 60, jid="r", overlap="skip")
    job = recurring(client, "r")
    assert job.runs() == []
    first = queue.pop()
    assert first is not None
    clock.advance(5)
    first.complete()
    clock.advance(55)
    second = queue.pop()
    assert second is not None
    clock.advance(60)
    assert queue.pop() is None

    job.refresh()
    skipped, running, done = job.runs()
    assert (skipped.state, skipped.jid, skipped.ticks) == ("skipped", None, 1)
    assert (running.jid, running.state, running.ended_at) == ("r-2", "running", None)
    assert (done.jid, done.state) == ("r-1", "complete")
    assert done.started_at is not None
    assert done.ended_at is not None
    assert done.ended_at - done.at == 5
    client.config["jobs-history-count"] = 0
    clock.advance(1)
    second.complete()
    queue.pop()
    job.refresh()
    assert {run.state for run in job.runs()} == {"skipped", ""}
