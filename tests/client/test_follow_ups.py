"""Jobs put by a job: with its completion, or into its batch while it runs."""

from __future__ import annotations

import pytest

from qless_py import (
    AlreadyExistsError,
    BadArgumentError,
    BatchClosedError,
    Client,
    LostLeaseError,
    WrongStateError,
)
from tests.client.test_queue import found, taken
from tests.conftest import Clock


def test_follow_ups_take_effect_with_completion_and_not_before(client: Client) -> None:
    client.queues["q"].put("k")
    job = taken(client)

    jid = job.put("next", "k", {"n": 1}, priority=3)

    assert client.jobs[jid] is None
    job.complete()
    assert (found(client, jid).data, found(client, jid).priority) == ({"n": 1}, 3)


def test_follow_ups_of_a_job_that_fails_are_dropped(client: Client) -> None:
    client.queues["q"].put("k")
    job = taken(client)
    jid = job.put("next", "k")

    job.fail("group", "message")

    assert client.jobs[jid] is None


def test_a_second_run_puts_no_job_twice(client: Client) -> None:
    client.queues["q"].put("k")
    first = taken(client)
    planned = [first.put("next", "k", {"n": number}) for number in (1, 1, 2)]
    first.release()

    second = taken(client)
    again = [second.put("next", "k", {"n": number}) for number in (2, 1, 1)]
    second.complete()

    assert sorted(again) == sorted(planned)
    assert len(set(again)) == 3
    assert len(client.queues["next"]) == 3


def test_the_context_of_a_run_does_not_change_the_jids_of_its_follow_ups(client: Client) -> None:
    client.queues["q"].put("k")
    first = taken(client)
    planned = first.put("next", "k", {"n": 1}, context={"run": "1"})
    first.release()

    second = taken(client)
    again = second.put("next", "k", {"n": 1}, context={"run": "2"})
    second.complete()

    assert again == planned
    assert found(client, again).context == {"run": "2"}


def test_a_job_put_anew_puts_new_follow_ups(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)
    first = job.put("next", "k")
    job.complete()

    client.queues["q"].put("k", jid="j")
    second = taken(client).put("next", "k")

    assert first != second


@pytest.mark.parametrize("end", ["complete", "fail", "retry", "release", "snooze"])
def test_a_job_puts_no_follow_ups_after_its_end(client: Client, end: str) -> None:
    client.queues["q"].put("k")
    job = taken(client)
    given = {"fail": ("g", "m"), "snooze": (5,)}.get(end, ())
    getattr(job, end)(*given)

    with pytest.raises(WrongStateError, match="only a running job can put follow-ups"):
        job.put("next", "k")
    assert job.follow_ups == []


def test_a_job_that_does_not_run_puts_no_follow_ups(client: Client) -> None:
    jid = client.queues["q"].put("k")

    with pytest.raises(WrongStateError, match="is waiting"):
        found(client, jid).put("next", "k")


def test_a_job_can_put_itself_again(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", {"run": 1}, jid="daily")
    job = taken(client)

    assert job.put("q", "k", {"run": 2}, jid=job.jid, delay=60) == "daily"
    assert job.complete(result="done") == "complete"

    assert found(client, "daily").state == "scheduled"
    clock.advance(60)
    assert taken(client).data == {"run": 2}


def test_a_follow_up_can_refuse_the_completion(client: Client) -> None:
    client.queues["q"].put("k")
    client.queues["other"].put("k", jid="taken")
    job = taken(client)
    job.put("next", "k", jid="taken", on_conflict="raise")

    with pytest.raises(AlreadyExistsError):
        job.complete()

    assert found(client, job.jid).state == "running"


def test_a_follow_up_that_exists_already_does_not_refuse_the_completion(client: Client) -> None:
    client.queues["q"].put("k")
    client.queues["next"].put("k", "old", jid="taken")
    job = taken(client)
    job.put("next", "k", "new", jid="taken")

    assert job.complete() == "complete"

    assert found(client, "taken").data == "old"


def test_more_than_a_hundred_follow_ups_are_sent_to_a_batch(client: Client) -> None:
    client.queues["q"].put("k")
    job = taken(client)
    for number in range(100):
        job.put("next", "k", number)

    with pytest.raises(BadArgumentError, match="batch"):
        job.put("next", "k", 100)

    job.complete()
    assert len(client.queues["next"]) == 100


def test_a_completion_carries_the_next_queue_and_follow_ups_together(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)
    jid = job.put("other", "k")

    assert job.complete("next") == "waiting"

    assert found(client, "j").queue_name == "next"
    assert found(client, jid).queue_name == "other"


def test_a_batch_calls_back_when_all_members_have_ended(client: Client) -> None:
    with client.batch(
        on_success={"klass": "done", "queue": "back", "data": {"all": True}},
        on_failure={"klass": "oh.no", "queue": "back"},
    ) as batch:
        batch.put("q", "k")
        batch.put_many("q", [{"klass": "k"}])

    status = batch.status
    assert status is not None
    assert (status["state"], status["total"], status["pending"]) == ("closed", 2, 2)
    for job in client.queues["q"].pop(2):
        assert job.batch_name == batch.name
        job.complete()
    assert taken(client, "back").data == {"all": True}
    assert client.queues["back"].pop() is None


def test_a_batch_whose_block_raised_stays_open(client: Client) -> None:
    with pytest.raises(BadArgumentError), client.batch("mine") as batch:
        batch.put("no queue", "k")

    status = client.batches["mine"].status
    assert status is not None
    assert status["state"] == "open"


def test_a_closed_batch_takes_no_more(client: Client, clock: Clock) -> None:
    with client.batch("mine") as batch:
        pass

    with pytest.raises(BatchClosedError):
        batch.put("q", "k")
    status = batch.status
    assert status is not None
    assert status["finished_at"] == clock.now
    assert client.batches["nobody"].status is None


def test_jobs_that_exist_can_join_a_batch(client: Client) -> None:
    client.queues["q"].put("k", jid="j")

    with client.batch() as batch:
        assert batch.add("j") == 1

    assert found(client, "j").batch_name == batch.name


def test_a_batch_of_a_job_goes_out_at_once_and_closes_with_it(client: Client) -> None:
    client.queues["q"].put("k")
    job = taken(client)

    batch = job.batch(on_complete={"klass": "report", "queue": "back"})
    batch.put_many("many", [{"klass": "k", "data": number} for number in range(100)])
    batch.put("many", "k", 100)

    assert len(client.queues["many"]) == 101
    job.complete()
    while jobs := client.queues["many"].pop(100):
        for one in jobs:
            one.complete()
    assert taken(client, "back").klass_name == "report"


def test_a_second_run_finds_its_batch_and_puts_nothing_twice(client: Client) -> None:
    client.queues["q"].put("k")
    first = taken(client)
    jids = first.batch().put_many("many", [{"klass": "k", "data": number} for number in range(5)])
    client.queues["many"].pop(1)[0].complete()
    first.release()

    second = taken(client)
    batch = second.batch()
    again = batch.put_many("many", [{"klass": "k", "data": number} for number in range(6)])
    second.complete()

    assert again[:5] == jids
    assert len(client.queues["many"]) == 5
    status = batch.status
    assert status is not None
    assert (status["total"], status["completed"]) == (6, 1)


def test_a_job_that_lost_its_lease_puts_nothing_into_its_batch(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)
    batch = job.batch()
    found(client, "j").move("q")

    with pytest.raises(LostLeaseError):
        batch.put("many", "k")

    assert len(client.queues["many"]) == 0


def test_a_call_back_needs_a_queue(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="queue"):
        client.batch(on_success={"klass": "k"})
    with pytest.raises(BadArgumentError):
        client.batch(on_tuesday={"klass": "k", "queue": "q"})  # type: ignore[call-arg]
