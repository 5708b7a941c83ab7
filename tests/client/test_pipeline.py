"""Several transitions in one round trip."""

from __future__ import annotations

import pytest

from qless_py import Client, JobNotFoundError, LostLeaseError, QlessError
from tests.client.test_queue import found, taken


def test_each_transition_has_its_outcome_after_the_block(client: Client) -> None:
    with client.pipeline() as pipeline:
        one = pipeline.put("q", "k", {"n": 1})
        many = pipeline.put_many("q", [{"klass": "k"}] * 2)
        with pytest.raises(QlessError, match="not been sent"):
            one.result()

    assert found(client, one.result()).data == {"n": 1}
    assert len(many.result()) == 2


def test_a_pipeline_is_one_round_trip(client: Client) -> None:
    client.queues["q"].put("k")  # so that the script is known to the server
    before = client.redis.info("stats")["total_reads_processed"]

    with client.pipeline() as pipeline:
        for number in range(50):
            pipeline.put("q", "k", number)

    # One read for the pipeline and one for the question itself.
    assert client.redis.info("stats")["total_reads_processed"] - before <= 3


def test_job_methods_share_a_round_trip(client: Client) -> None:
    client.queues["q"].put_many([{"klass": "k", "jid": f"j{number}"} for number in range(6)])
    jobs = client.queues["q"].pop(6)

    with client.pipeline() as pipeline:
        completed = pipeline.complete(jobs[0], result=1)
        failed = pipeline.fail(jobs[1], "group", "message")
        left = pipeline.retry(jobs[2])
        released = pipeline.release(jobs[3])
        due = pipeline.snooze(jobs[4], 9)
        renewed = pipeline.heartbeat(jobs[5])
        pipeline.tag("j5", "a", "b")
        tags = pipeline.untag("j5", "a")
        pipeline.track("j5")
        priority = pipeline.set_priority("j5", 3)

    assert (completed.result(), failed.result(), left.result()) == ("complete", "j1", 4)
    assert (released.result(), tags.result(), priority.result()) == ("waiting", ["b"], 3)
    assert due.result() < renewed.result()
    assert [job.state for job in jobs] == [
        "complete", "failed", "waiting", "waiting", "scheduled", "running",
    ]  # fmt: skip


def test_the_first_refusal_is_raised_and_the_others_take_place(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)
    job.release()

    pipeline = client.pipeline()
    before = pipeline.put("q", "k", jid="before")
    lost = pipeline.complete(job)
    missing = pipeline.track("nobody")
    after = pipeline.put("q", "k", jid="after")
    with pytest.raises(LostLeaseError):
        pipeline.send()

    assert (before.result(), after.result()) == ("before", "after")
    assert isinstance(missing.error, JobNotFoundError)
    with pytest.raises(LostLeaseError):
        lost.result()


def test_a_block_that_raises_sends_nothing(client: Client) -> None:
    pipeline = client.pipeline()

    with pytest.raises(QlessError), pipeline:
        pipeline.put("q", "k").result()

    assert len(client.queues["q"]) == 0


def test_pop_and_cancel_in_a_pipeline(client: Client) -> None:
    client.queues["q"].put_many([{"klass": "k", "jid": "a"}, {"klass": "k", "jid": "b"}])

    with client.pipeline() as pipeline:
        popped = pipeline.pop("q", 1)
        canceled = pipeline.cancel("b")
        untracked = pipeline.untrack("a")

    assert [job.jid for job in popped.result()] == ["a"]
    assert canceled.result() == ["b"]
    assert not untracked.result()


def test_more_than_one_batch_of_a_pipeline_keeps_its_order(client: Client) -> None:
    with client.pipeline() as pipeline:
        pending = [pipeline.put("q", "k", jid=f"j{number}") for number in range(250)]

    assert [one.result() for one in pending] == [f"j{number}" for number in range(250)]
    assert len(client.queues["q"]) == 250
