"""Attributes and methods of jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qless_py import (
    AlreadyFinishedError,
    BadArgumentError,
    Client,
    DataChangedError,
    DependencyError,
    HandlerNotFoundError,
    Job,
    JobNotFoundError,
    LostLeaseError,
    UndecodableDataError,
    WrongStateError,
)
from tests.client.handlers import Mail, Nothing, Stateful, function
from tests.client.test_queue import found, taken
from tests.conftest import Clock


def test_a_job_has_all_its_fields(client: Client, clock: Clock) -> None:
    queue = client.queues["q"]
    queue.put("a.B", {"x": 1}, jid="j", priority=2.5, tags=["one", "two"], retries=7)
    queue.put("a.B", jid="child", depends=["j"])
    clock.advance(5)

    job = taken(client)

    assert (job.jid, job.klass_name, job.queue_name, job.state) == ("j", "a.B", "q", "running")
    assert (job.priority, job.tags) == (2.5, ["one", "two"])
    assert (job.original_retries, job.retries_left) == (7, 7)
    assert (job.worker_name, job.expires_at, job.ttl) == (client.worker_name, clock.now + 60, 60)
    assert (job.put_at, job.popped_at) == (clock.now - 5, clock.now)
    assert (job.failure, job.result, job.progress, job.crashes) == ({}, None, None, 0)
    assert job.lease
    assert not job.tracked
    assert job.raw == b'{"x":1}'
    assert [(entry["what"], entry["when"]) for entry in job.history] == [
        ("put", clock.now - 5),
        ("popped", clock.now),
    ]
    assert found(client, "j").dependents == ["child"]
    assert found(client, "child").dependencies == ["j"]
    assert repr(job) == "<Job j (a.B / q)>"


def test_dict_access_reads_and_writes_data(client: Client) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j")
    job = taken(client)

    job["n"] += 1
    job.complete()

    assert job["n"] == 2
    assert found(client, "j").data == {"n": 2}


def fail(job: Job) -> None:
    job.fail("group", "message")


def move(job: Job) -> None:
    job.move("other")


@pytest.mark.parametrize("verb", [Job.heartbeat, Job.complete, fail, move])
def test_data_changed_in_place_is_stored_by(client: Client, verb: Callable[[Job], object]) -> None:
    client.queues["q"].put("k", {"list": []}, jid="j")
    job = taken(client)

    job.data["list"].append(True)
    verb(job)

    assert found(client, "j").data == {"list": [True]}


def test_data_that_was_only_read_stays_byte_for_byte(client: Client) -> None:
    text = b'{"b":  1.50, "a": [ ]}'
    client.queues["q"].put("k", text, jid="j")
    job = taken(client)

    assert job.data == {"b": 1.5, "a": []}
    job.complete()

    assert found(client, "j").raw == text


def test_undecodable_data_is_an_error_only_when_it_is_read(client: Client) -> None:
    from qless_py.protocol import puts  # noqa: PLC0415 - to put what no client would write

    client.run(puts.put_encoded("q", "j", "k", b"{not json", {}))
    job = taken(client)

    assert job.raw == b"{not json"
    with pytest.raises(UndecodableDataError):
        _ = job.data
    assert job.complete() == "complete"


def test_edit_changes_data_priority_and_tags_in_one_step(client: Client) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j", tags=["old"])
    job, other = found(client, "j"), found(client, "j")

    job.edit({"n": 2}, priority=4, tags=["new"])

    assert (job.data, job.priority, job.tags) == ({"n": 2}, 4, ["new"])
    stored = found(client, "j")
    assert (stored.data, stored.priority, stored.tags) == ({"n": 2}, 4, ["new"])
    with pytest.raises(DataChangedError):
        other.edit({"n": 3}, priority=1)
    other.edit(priority=1)
    other.refresh().edit({"n": 3})
    assert (found(client, "j").data, found(client, "j").priority) == ({"n": 3}, 1)
    with pytest.raises(BadArgumentError, match="nothing to change"):
        other.edit()
    with pytest.raises(WrongStateError):
        taken(client).edit({"n": 4})


def test_edit_encodes_with_the_codec_of_the_job(client: Client) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j", codec="msgpack")
    found(client, "j").edit({"n": b"2"})
    assert taken(client).data == {"n": b"2"}


def test_heartbeat_renews_the_lease(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k")
    job = taken(client)
    clock.advance(50)

    assert job.heartbeat() == clock.now + 60
    assert job.ttl == 60


def test_completing_with_a_result_makes_it_readable(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j")

    assert taken(client).complete(result={"pages": 3}) == "complete"

    job = found(client, "j")
    assert (job.state, job.queue_name, job.result) == ("complete", "", {"pages": 3})
    assert job.completed_at == clock.now
    assert client.jobs.complete() == ["j"]


def test_a_job_advances_to_the_next_queue(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    client.queues["q"].put("k", jid="parent", delay=1000)

    assert taken(client).complete("next", delay=5) == "scheduled"
    client.jobs["j"].move("q")  # type: ignore[union-attr]
    assert taken(client).complete("next", depends=["parent"]) == "depends"
    with pytest.raises(BadArgumentError):
        found(client, "j").complete(delay=5)


def test_a_finished_job_refuses_its_holder(client: Client) -> None:
    client.queues["q"].put("k")
    job = taken(client)
    job.complete()

    with pytest.raises(AlreadyFinishedError):
        job.complete()
    with pytest.raises(LostLeaseError):
        job.heartbeat()


def test_a_moved_job_refuses_its_old_holder(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    old = taken(client)

    found(client, "j").move("q")
    new = taken(client)

    with pytest.raises(LostLeaseError):
        old.complete()
    assert new.complete() == "complete"


def test_failing_records_group_and_message(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j")

    assert taken(client).fail("broken", "it broke") == "j"

    job = found(client, "j")
    assert job.state == "failed"
    assert job.failure == {
        "group": "broken",
        "message": "it broke",
        "when": clock.now,
        "worker": client.worker_name,
    }
    assert job.failed_at == clock.now


def test_a_message_too_long_is_cut(client: Client) -> None:
    client.queues["q"].put("k", jid="j")

    taken(client).fail("broken", "ü" * 70_000)

    message = found(client, "j").failure["message"]
    assert len(message) == 32768
    assert set(message) == {"ü"}


def test_retry_costs_a_retry_and_runs_out_into_a_failure(client: Client) -> None:
    client.queues["q"].put("k", jid="j", retries=1)

    assert taken(client).retry() == 0
    assert taken(client).retry(0, "tired", "no more") == -1

    job = found(client, "j")
    assert (job.state, job.retries_left) == ("failed", -1)
    assert job.failure["group"] == "tired"


def test_release_and_snooze_cost_nothing(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j", retries=0)

    assert taken(client).release() == "waiting"
    assert taken(client).snooze(30) == clock.now + 30

    assert found(client, "j").state == "scheduled"
    clock.advance(30)
    assert taken(client).retries_left == 0


def test_timeout_takes_the_lease_away(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)

    found(client, "j").timeout()

    with pytest.raises(LostLeaseError):
        job.complete()
    assert found(client, "j").state == "stalled"


def test_force_finish_completes_whatever_the_state(client: Client) -> None:
    client.queues["q"].put("k", jid="j", delay=100)

    assert found(client, "j").force_finish("by hand") == "complete"

    assert found(client, "j").result == "by hand"


def test_requeue_keeps_what_is_not_given(client: Client) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j", tags=["t"], priority=4)

    found(client, "j").requeue(data={"n": 2}, priority=1, klass="other.Klass")

    job = found(client, "j")
    assert (job.data, job.tags, job.priority) == ({"n": 2}, ["t"], 1)
    assert (job.klass_name, job.queue_name) == ("other.Klass", "q")


def test_cancel_deletes_and_dependents_go_only_together(client: Client) -> None:
    client.queues["q"].put("k", jid="parent")
    client.queues["q"].put("k", jid="child", depends=["parent"])

    with pytest.raises(DependencyError):
        found(client, "parent").cancel()
    assert sorted(client.cancel("parent", "child", "nobody")) == ["child", "parent"]

    assert client.jobs["parent"] is None


def test_priority_writes_through(client: Client) -> None:
    client.queues["q"].put_many([{"klass": "k", "jid": "a"}, {"klass": "k", "jid": "b"}])

    job = found(client, "b")
    job.priority = 10

    assert job.priority == 10
    assert taken(client).jid == "b"


def test_tags_are_added_and_removed(client: Client) -> None:
    client.queues["q"].put("k", jid="j", tags=["a"])
    job = found(client, "j")

    assert job.tag("b", "c", "a") == ["a", "b", "c"]
    assert job.untag("a", "x") == ["b", "c"]
    assert job.tags == ["b", "c"]
    assert client.jobs.tagged("b") == {"total": 1, "jobs": ["j"]}


def test_tracking_lists_the_job(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = found(client, "j")

    job.track()

    assert job.tracked
    assert [one.jid for one in client.jobs.tracked()["jobs"]] == ["j"]
    job.cancel()
    assert client.jobs.tracked()["expired"] == ["j"]
    assert client.untrack("j")
    assert client.jobs.tracked()["expired"] == []


def test_dependencies_come_and_go(client: Client) -> None:
    queue = client.queues["q"]
    queue.put_many([{"klass": "k", "jid": jid} for jid in ("a", "b")])
    queue.put("k", jid="j", depends=["a"])
    job = found(client, "j")

    assert job.depend("b") == 2
    assert job.undepend("a") == 1
    with pytest.raises(BadArgumentError):
        job.undepend()
    assert job.undepend(all=True) == 0
    assert job.refresh().state == "waiting"


def test_a_job_reads_the_results_of_its_parents(client: Client) -> None:
    queue = client.queues["q"]
    queue.put_many([{"klass": "k", "jid": "a"}, {"klass": "k", "jid": "b"}])
    queue.put("k", jid="j", depends=["a", "b"])
    for parent in queue.pop(2):
        assert parent.parent_results() == {}
        parent.complete(result=f"of {parent.jid}")

    job = taken(client)

    assert sorted(job.parents) == ["a", "b"]
    assert job.parent_results() == {"a": "of a", "b": "of b"}


def test_a_job_reads_results_of_parents_that_are_gone_or_were_complete_before(
    client: Client,
) -> None:
    queue = client.queues["q"]
    queue.put("k", jid="early")
    taken(client).complete(result="was there first")
    queue.put("k", jid="late")
    queue.put("k", jid="j", depends=["early", "late"])
    client.config["jobs-history"] = -1
    taken(client).complete(result=["soon", "gone"])

    job = taken(client)

    assert "early" not in client.jobs
    assert "late" not in client.jobs
    assert job.parent_results() == {"early": "was there first", "late": ["soon", "gone"]}


def test_the_log_takes_notes_of_ones_own(client: Client, clock: Clock) -> None:
    client.queues["q"].put("k", jid="j")

    found(client, "j").log("looked at", {"by": "ada", "deep": [1, {"x": None}]})

    assert found(client, "j").history[-1] == {
        "what": "looked at",
        "when": clock.now,
        "by": "ada",
        "deep": [1, {"x": None}],
    }


def test_progress_is_readable_while_the_job_runs(client: Client) -> None:
    client.queues["q"].put("k", jid="j")

    taken(client).set_progress({"done": 3, "of": 9})

    assert found(client, "j").progress == {"done": 3, "of": 9}


def test_progress_may_be_nothing_again(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)

    job.set_progress(0.5)
    job.set_progress(None)

    assert found(client, "j").progress is None


def test_a_job_lists_the_keys_of_its_data(client: Client) -> None:
    client.queues["q"].put("k", {"x": 1})
    job: Any = taken(client)

    assert "x" in job
    assert "y" not in job
    with pytest.raises(TypeError, match="not iterable"):
        list(job)


def test_refresh_reads_again_and_reports_when_the_job_is_gone(client: Client) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j")
    job = found(client, "j")
    job["n"] = 5

    assert job.refresh().data == {"n": 1}
    client.cancel("j")
    with pytest.raises(JobNotFoundError):
        job.refresh()


def test_a_long_history_keeps_its_order(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = found(client, "j")

    for number in range(30):
        job.log(f"step {number}")

    whats = [entry["what"] for entry in found(client, "j").history]
    assert whats == ["put", *(f"step {number}" for number in range(30))]


@pytest.mark.parametrize(
    ("klass", "queue", "expected"),
    [
        (Mail, "urgent", "urgent ada"),
        (Mail, "slow", "Mail ada"),
        (function, "q", {"to": "ada"}),
    ],
)
def test_perform_runs_what_the_klass_names(
    client: Client, klass: object, queue: str, expected: object
) -> None:
    client.queues[queue].put(klass, {"to": "ada"})

    assert taken(client, queue).perform() == expected


def test_perform_makes_an_instance_for_a_method_that_wants_one(client: Client) -> None:
    jid = client.queues["q"].put(Stateful, {})

    assert taken(client).perform() == [jid]


@pytest.mark.parametrize(
    "klass", ["no.such.module", "tests.client.handlers.Gone", "word", "..", Nothing]
)
def test_a_klass_that_performs_nothing_is_a_named_error(client: Client, klass: object) -> None:
    client.queues["q"].put(klass, {})

    with pytest.raises(HandlerNotFoundError):
        taken(client).perform()


def test_build_makes_a_job_for_tests_that_is_in_no_store(client: Client) -> None:
    job = Job.build(
        client, Mail, {"to": "ada"}, jid="built", queue_name="urgent", retries_left=1, tags=["t"]
    )

    assert (job.jid, job.state, job.retries_left, job.tags) == ("built", "running", 1, ["t"])
    assert job.perform() == "urgent ada"
    with pytest.raises(JobNotFoundError):
        job.complete()
    with pytest.raises(BadArgumentError):
        Job.build(client, Mail, {}, colour="red")
