"""Queues: put, pop, peek and settings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qless_py import AlreadyExistsError, Client, Job
from tests.client.handlers import Mail, function
from tests.conftest import Clock


def taken(client: Client, queue: str = "q") -> Job:
    job = client.queues[queue].pop()
    assert job is not None
    return job


def found(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def test_put_gives_the_jid_by_which_the_job_is_found(client: Client) -> None:
    jid = client.queues["q"].put("some.Klass", {"a": [1, None, "ü"]})

    job = found(client, jid)

    assert (job.jid, job.klass_name, job.queue_name) == (jid, "some.Klass", "q")
    assert job.data == {"a": [1, None, "ü"]}


def test_put_takes_a_class_or_a_function_by_its_dotted_name(client: Client) -> None:
    queue = client.queues["q"]

    by_class = queue.put(Mail, {})
    by_function = queue.put(function, {})

    assert found(client, by_class).klass_name == "tests.client.handlers.Mail"
    assert found(client, by_class).klass is Mail
    assert found(client, by_function).klass is function


def test_options_of_the_class_are_overridden_by_those_of_the_call(client: Client) -> None:
    queue = client.queues["q"]

    plain = found(client, queue.put(Mail, {"patience": 9}))
    other = found(client, queue.put(Mail, {}, priority=0, tags=[], retries=0))

    assert (plain.priority, plain.tags, plain.original_retries) == (5, ["mail"], 9)
    assert (other.priority, other.tags, other.original_retries) == (0, [], 0)


def test_put_many_is_all_or_none(client: Client) -> None:
    queue = client.queues["q"]
    queue.put("k", jid="there")

    with pytest.raises(AlreadyExistsError):
        queue.put_many([{"klass": "k"}, {"klass": "k", "jid": "there", "on_conflict": "raise"}])
    jids = queue.put_many([{"klass": "k", "data": 1}, {"klass": "k", "data": 2, "queue": "other"}])

    assert len(queue) == 2
    assert found(client, jids[1]).queue_name == "other"
    assert found(client, jids[0]).data == 1


def test_an_ignored_put_gives_the_jid_that_holds_the_unique_key(client: Client) -> None:
    queue = client.queues["q"]
    first = queue.put("k", unique_key="once")

    assert queue.put("k", unique_key="once") == first
    assert queue.put("k", unique_key="once", unique_conflict="ignore") == first
    with pytest.raises(AlreadyExistsError):
        queue.put("k", unique_key="once", unique_conflict="raise")
    assert found(client, first).unique_key == "once"


def test_a_window_keeps_its_key_for_that_time(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    first = queue.put("k", unique_key="daily", unique_window=timedelta(days=1))
    taken(client).complete()

    again = queue.put("k", unique_key="daily", unique_window=86400)
    clock.advance(86401)
    later = queue.put("k", unique_key="daily", unique_window=86400)

    assert again == first
    assert later != first


def test_pop_gives_one_job_or_none_and_with_a_count_a_list(client: Client) -> None:
    queue = client.queues["q"]

    assert queue.pop() is None
    assert queue.pop(2) == []
    queue.put_many([{"klass": "k", "jid": f"j{number}"} for number in range(3)])
    assert taken(client).jid == "j0"
    assert [job.jid for job in queue.pop(5)] == ["j1", "j2"]


def test_peek_looks_without_taking(client: Client) -> None:
    queue = client.queues["q"]
    queue.put_many([{"klass": "k", "jid": f"j{number}"} for number in range(3)])

    first = queue.peek()

    assert first is not None
    assert first.jid == "j0"
    assert [job.jid for job in queue.peek(5, offset=1)] == ["j1", "j2"]
    assert queue.counts["waiting"] == 3


def test_a_delay_may_be_a_timedelta(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    jid = queue.put("k", delay=timedelta(minutes=1))

    assert queue.jobs.scheduled() == [jid]
    assert found(client, jid).due_at == clock.now + 60
    clock.advance(60)
    assert taken(client).jid == jid


def test_a_pause_has_a_reason_and_ends_by_itself(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    queue.put("k")

    queue.pause(reason="cleaning", until=clock.now + 30)

    assert queue.pop() is None
    assert queue.is_paused
    assert queue.counts["pause"]["reason"] == "cleaning"
    assert queue.counts["pause"]["until"] == clock.now + 30
    clock.advance(31)
    assert queue.pop() is not None


def test_unpause_hands_out_again(client: Client) -> None:
    queue = client.queues["q"]
    queue.put("k")
    queue.pause()

    queue.unpause()

    assert not queue.is_paused
    assert queue.pop() is not None


def test_the_heartbeat_of_a_queue_overrides_the_general_one(client: Client) -> None:
    queue = client.queues["q"]
    queue.put("k")

    queue.heartbeat = 300

    assert queue.heartbeat == 300
    assert client.queues["other"].heartbeat == 60
    assert taken(client).ttl == 300
    del queue.heartbeat
    assert queue.heartbeat == 60


def test_counts_and_listings_agree(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    queue.put_many([{"klass": "k", "jid": f"j{number}"} for number in range(3)])
    queue.put("k", jid="later", delay=10)
    queue.put("k", jid="after", depends=["later"])
    queue.recur("k", {}, 60, offset=1000, jid="often")
    taken(client)

    counts = queue.counts

    assert {name: counts[name] for name in ("waiting", "running", "scheduled", "depends")} == {
        "waiting": 2,
        "running": 1,
        "scheduled": 1,
        "depends": 1,
    }
    assert queue.jobs.waiting() == ["j1", "j2"]
    assert queue.jobs.waiting(1, 1) == ["j2"]
    assert queue.jobs.running() == ["j0"]
    assert queue.jobs.scheduled() == ["later"]
    assert queue.jobs.depends() == ["after"]
    assert queue.jobs.recurring() == ["often"]
    assert queue.jobs.throttled() == []
    assert len(queue) == 4
    clock.advance(1000)
    assert queue.jobs.stalled() == ["j0"]


def test_all_queues_are_listed_in_the_order_of_first_sight(client: Client, clock: Clock) -> None:
    for name in ("zebra", "ant"):
        client.queues[name].put("k")
        clock.advance(1)

    assert [row["name"] for row in client.queues.counts] == ["zebra", "ant"]
    assert [queue.name for queue in client.queues] == ["zebra", "ant"]


def test_more_queues_than_a_page_are_all_counted(client: Client) -> None:
    with client.pipeline() as pipeline:
        for number in range(105):
            pipeline.put(f"q{number:03}", "k")

    assert len(client.queues.counts) == 105


def test_a_forgotten_queue_is_off_the_list_but_keeps_its_jobs(client: Client) -> None:
    queue = client.queues["q"]
    queue.put("k")

    assert queue.forget()

    assert client.queues.counts == []
    assert len(queue) == 1
    assert not queue.forget()


def test_statistics_tell_waits_and_runs_in_seconds(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    queue.put("k")
    clock.advance(3)
    job = taken(client)
    clock.advance(90)
    job.complete()

    stats = client.stats.get("q")

    assert (stats["wait"]["count"], stats["wait"]["mean"]) == (1, 3.0)
    assert stats["wait"]["histogram"] == {"s3": 1}
    assert stats["run"]["histogram"] == {"m1": 1}
    assert queue.stats(clock.now)["run"]["mean"] == 90.0
    assert queue.stats(0)["run"]["count"] == 0


def test_a_series_has_each_minute(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    queue.put_many([{"klass": "k"}] * 2)
    taken(client).complete()

    rows = queue.series(clock.now - 120, clock.now + 120)

    assert sum(row["put"] for row in rows) == 2
    assert sum(row["completed"] for row in rows) == 1
    assert all(row["at"] % 60 == 0 for row in rows)


def test_an_empty_queue_is_true(client: Client) -> None:
    assert client.queues["empty"]
    assert len(client.queues["empty"]) == 0


def test_a_queue_is_known_once_something_was_put_into_it(client: Client) -> None:
    client.queues["q"].put("k")

    assert "q" in client.queues
    assert "other" not in client.queues
