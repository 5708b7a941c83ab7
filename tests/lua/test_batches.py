"""Batches: members, counters and callbacks."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import (
    AlreadyExistsError,
    AlreadyFinishedError,
    BatchClosedError,
    BatchNotFoundError,
    DataTooLargeError,
    JobNotFoundError,
    LostLeaseError,
    WrongStateError,
)
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import View, complete, counts, fail, jids, job, pop, put, state, take
from tests.script_runner import Scripts

EVENTS = ("on_success", "on_complete", "on_failure")


def open_batch(call: Scripts, name: str = "b", **owner: str) -> None:
    """Open a batch each of whose call-backs is a job named like it, in the queue `back`."""
    callbacks = {one: {"queue": "back", "jid": one, "klass": "K", "data": 1} for one in EVENTS}
    call("batch_open", name, {**callbacks, **owner}, '{"from":"batch"}')


def batch(call: Scripts, name: str = "b") -> dict[str, object]:
    """Show the counters of a batch that are not zero, and its state."""
    shown = call("read/batch", name)
    named = ("total", "pending", "completed", "failed", "canceled")
    return {"state": shown["state"]} | {one: shown[one] for one in named if shown[one]}


def called_back(call: Scripts) -> list[str]:
    return [str(jid) for jid in call("read/state", "waiting", "back", 0, 10)["jids"]]


def test_a_batch_ends_when_it_is_closed_and_its_last_member_has_left(call: Scripts) -> None:
    open_batch(call)
    put(call, "a", batch="b")
    put(call, "b", batch="b")
    assert batch(call) == {"state": "open", "total": 2, "pending": 2}
    complete(call, take(call))

    shown = call("batch_close", "b")
    assert shown["state"] == "closed"
    assert called_back(call) == []
    complete(call, take(call))

    assert batch(call) == {"state": "finished", "total": 2, "completed": 2}
    assert called_back(call) == ["on_success", "on_complete"]
    assert job(call, "on_success")["data"] == b'{"from":"batch"}'


def test_an_open_batch_without_members_is_not_finished(call: Scripts) -> None:
    open_batch(call)
    put(call, "a", batch="b")
    complete(call, take(call))
    assert (batch(call)["state"], called_back(call)) == ("open", [])

    assert call("batch_close", "b")["state"] == "finished"

    assert called_back(call) == ["on_success", "on_complete"]


def test_an_empty_batch_ends_with_success_when_it_is_closed(call: Scripts) -> None:
    open_batch(call)

    assert call("batch_close", "b")["state"] == "finished"
    assert call("batch_close", "b")["state"] == "finished"

    assert called_back(call) == ["on_success", "on_complete"]


def test_the_first_failure_is_published_once_and_rules_out_success(call: Scripts) -> None:
    open_batch(call)
    for jid in ("a", "b", "c"):
        put(call, jid, batch="b")
    call("batch_close", "b")
    views = pop(call, 3)

    fail(call, views[0])
    assert called_back(call) == ["on_failure"]
    fail(call, views[1])
    assert called_back(call) == ["on_failure"]
    complete(call, views[2])

    assert called_back(call) == ["on_failure", "on_complete"]
    assert batch(call) == {"state": "finished", "total": 3, "completed": 1, "failed": 2}


def test_a_canceled_member_leaves_and_spoils_success(call: Scripts) -> None:
    open_batch(call)
    put(call, "a", batch="b")
    call("batch_close", "b")

    call("cancel", ["a"], "")

    assert batch(call) == {"state": "finished", "total": 1, "canceled": 1}
    assert called_back(call) == ["on_complete"]


@pytest.mark.parametrize("way", ["unfail", "requeue", "put"])
def test_a_failed_member_that_comes_back_is_a_member_again(call: Scripts, way: str) -> None:
    open_batch(call)
    put(call, "a", batch="b")
    put(call, "other", "elsewhere", batch="b")
    fail(call, take(call))
    call("batch_close", "b")
    assert batch(call) == {"state": "closed", "total": 2, "pending": 1, "failed": 1}

    if way == "unfail":
        call("unfail", "q", "g", 1)
    elif way == "requeue":
        call("requeue", "q", "a", "", "", {})
    else:
        put(call, "a")
    assert batch(call) == {"state": "closed", "total": 2, "pending": 2}
    complete(call, take(call))
    complete(call, take(call, "elsewhere"))

    assert batch(call) == {"state": "finished", "total": 2, "completed": 2}
    assert called_back(call) == ["on_failure", "on_success", "on_complete"]


def test_a_completed_member_that_is_put_again_is_waited_for(call: Scripts) -> None:
    open_batch(call)
    put(call, "a", batch="b")
    complete(call, take(call))

    put(call, "a")
    call("batch_close", "b")
    assert batch(call) == {"state": "closed", "total": 1, "pending": 1}
    complete(call, take(call))

    assert batch(call) == {"state": "finished", "total": 1, "completed": 1}


def test_a_finished_batch_waits_for_a_failed_member_that_comes_back(call: Scripts) -> None:
    open_batch(call)
    put(call, "a", batch="b")
    fail(call, take(call))
    call("batch_close", "b")
    assert called_back(call) == ["on_failure", "on_complete"]

    call("unfail", "q", "g", 1)
    assert batch(call) == {"state": "closed", "total": 1, "pending": 1}
    complete(call, take(call))

    assert batch(call) == {"state": "finished", "total": 1, "completed": 1}
    assert called_back(call) == ["on_failure", "on_complete", "on_success"]


def test_a_finished_batch_is_left_alone_by_a_completed_job_that_comes_back(call: Scripts) -> None:
    open_batch(call)
    put(call, "a", batch="b")
    complete(call, take(call))
    call("batch_close", "b")

    put(call, "a")
    fail(call, take(call))

    assert batch(call) == {"state": "finished", "total": 1, "completed": 1}
    assert "batch" not in job(call, "a")
    assert called_back(call) == ["on_success", "on_complete"]


def test_a_put_into_another_batch_leaves_the_first(call: Scripts) -> None:
    open_batch(call)
    call("batch_open", "second", {})
    put(call, "a", batch="b")
    call("batch_close", "b")

    put(call, "a", batch="second")

    assert batch(call) == {"state": "finished", "total": 1, "canceled": 1}
    assert batch(call, "second") == {"state": "open", "total": 1, "pending": 1}


def test_members_stay_over_moves_retries_and_the_way_to_the_next_queue(call: Scripts) -> None:
    open_batch(call)
    put(call, "a", batch="b")
    put(call, "a", "other", batch="b")
    call("retry", "a", take(call, "other")["lease"], 0, {})
    complete(call, take(call, "other"), next={"queue": "two"})

    assert batch(call) == {"state": "open", "total": 1, "pending": 1}


def test_existing_jobs_can_be_added_while_they_have_not_ended(call: Scripts) -> None:
    open_batch(call)
    for jid in ("a", "b"):
        put(call, jid)
    put(call, "done")
    (a, b, done) = pop(call, 3)
    complete(call, done)

    assert call("batch_add", "b", ["a"]) == 1
    assert call("batch_add", "b", ["a", "b"]) == 1
    with pytest.raises(WrongStateError):
        call("batch_add", "b", ["done"])
    with pytest.raises(JobNotFoundError):
        call("batch_add", "b", ["nobody"])

    assert batch(call) == {"state": "open", "total": 2, "pending": 2}
    assert (state(call, "a"), state(call, "b")) == ("running", "running")
    assert jids([a, b]) == ["a", "b"]


def test_a_job_is_in_one_batch_at_most(call: Scripts) -> None:
    open_batch(call)
    call("batch_open", "second", {})
    put(call, "a", batch="b")
    put(call, "free")

    with pytest.raises(WrongStateError):
        call("batch_add", "second", ["free", "a"])

    assert "batch" not in job(call, "free")


def test_a_closed_or_unknown_batch_takes_no_members(call: Scripts) -> None:
    open_batch(call)
    call("batch_close", "b")
    put(call, "j")

    for name, error in (("b", BatchClosedError), ("nobody", BatchNotFoundError)):
        with pytest.raises(error):
            put(call, "a", batch=name)
        with pytest.raises(error):
            call("put_many", "q", [{"jid": "a", "klass": "K", "batch": name}], "{}")
        with pytest.raises(error):
            call("requeue", "q", "j", "", "", {"batch": name})
        with pytest.raises(error):
            call("batch_add", name, ["j"])
    with pytest.raises(BatchNotFoundError):
        call("batch_close", "nobody")
    assert call("read/batch", "nobody") is False


KEY: dict[str, Any] = {"unique": {"key": "k", "scope": "running"}}


@pytest.mark.parametrize("how", ["jid", "key", "replaced", "running", "same call"])
def test_a_job_that_does_the_work_of_a_put_counts_for_its_batch(call: Scripts, how: str) -> None:
    open_batch(call)
    options = {"batch": "b", "on_conflict": "ignore"} if how == "jid" else {"batch": "b", **KEY}
    if how == "same call":
        specs = [{"jid": "a", "klass": "K", **KEY}, {"jid": "x", "klass": "K", **options}]
        call("put_many", "q", specs, "{}", "{}")
    else:
        put(call, "a", **KEY)
        view = take(call) if how == "running" else None
        if how == "replaced":
            options["unique_conflict"] = "replace"
        put(call, "a" if how == "jid" else "x", **options)

    call("batch_close", "b")
    assert batch(call) == {"state": "closed", "total": 1, "pending": 1}
    complete(call, view if how == "running" and view else take(call))

    assert batch(call) == {"state": "finished", "total": 1, "completed": 1}


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_a_put_answered_by_a_job_that_has_ended_adds_no_member(call: Scripts, end: str) -> None:
    open_batch(call)
    put(call, "a")
    view = take(call)
    complete(call, view) if end == "complete" else fail(call, view)

    put(call, "a", batch="b", on_conflict="ignore")

    assert batch(call) == {"state": "open"}


@pytest.mark.parametrize("more", [{}, {"unique_conflict": "replace"}])
def test_a_put_cannot_take_the_job_that_does_its_work_from_another_batch(
    call: Scripts, more: dict[str, str]
) -> None:
    open_batch(call)
    call("batch_open", "other", {})
    put(call, "a", batch="other", **KEY)

    with pytest.raises(AlreadyExistsError, match="is in the batch other"):
        put(call, "x", batch="b", **KEY, **more)
    call("batch_close", "b")
    put(call, "free", unique={"key": "l", "scope": "running"})
    with pytest.raises(BatchClosedError):
        put(call, "x", batch="b", unique={"key": "l", "scope": "running"})

    assert batch(call, "other") == {"state": "open", "total": 1, "pending": 1}


@pytest.mark.parametrize("end", ["waiting", "running", "failed", "canceled", "complete"])
def test_a_closed_batch_takes_back_its_own_member(call: Scripts, end: str) -> None:
    open_batch(call)
    put(call, "other", "elsewhere", batch="b")
    put(call, "a", batch="b")
    call("batch_close", "b")
    if end == "canceled":
        call("cancel", ["a"], "")
    elif end != "waiting":
        view = take(call)
        if end == "failed":
            fail(call, view)
        elif end == "complete":
            complete(call, view)

    assert put(call, "a", batch="b") == ["a", True]

    assert batch(call) == {"state": "closed", "total": 2, "pending": 2}
    with pytest.raises(BatchClosedError):
        put(call, "stranger", batch="b")


def test_a_finished_batch_takes_back_a_failed_member_and_no_completed_one(call: Scripts) -> None:
    open_batch(call)
    put(call, "done", batch="b")
    put(call, "fails", batch="b")
    call("batch_close", "b")
    complete(call, take(call))
    fail(call, take(call))

    with pytest.raises(BatchClosedError):
        put(call, "done", batch="b")
    put(call, "fails", batch="b")

    assert batch(call) == {"state": "closed", "total": 2, "pending": 1, "completed": 1}


def owner_of(call: Scripts) -> View:
    put(call, "owner", "o")
    view = take(call, "o")
    open_batch(call, owner="owner", lease=view["lease"])
    return view


@pytest.mark.parametrize("end", ["complete", "cancel", "force_finish"])
def test_a_batch_closes_with_its_owner(call: Scripts, end: str) -> None:
    view = owner_of(call)
    put(call, "a", batch="b")

    if end == "complete":
        complete(call, view)
    elif end == "cancel":
        call("cancel", ["owner"], "")
    else:
        call("force_finish", "owner", "")

    assert batch(call)["state"] == "closed"
    with pytest.raises(BatchClosedError):
        put(call, "late", batch="b")


@pytest.mark.parametrize("way", ["fail", "retry", "next"])
def test_a_batch_stays_open_while_its_owner_may_come_back(call: Scripts, way: str) -> None:
    view = owner_of(call)
    if way == "fail":
        fail(call, view)
        call("unfail", "o", "g", 1)
    elif way == "retry":
        call("retry", "owner", view["lease"], 0, {})
    else:
        complete(call, view, next={"queue": "o"})
    assert batch(call)["state"] == "open"
    again = take(call, "o")

    open_batch(call, owner="owner", lease=again["lease"])
    put(call, "a", batch="b")
    complete(call, again)

    assert batch(call) == {"state": "closed", "total": 1, "pending": 1}


def test_what_an_owner_leaves_behind_may_join_its_batch(call: Scripts) -> None:
    view = owner_of(call)

    complete(call, view, jobs=[{"jid": "a", "klass": "K", "queue": "q", "batch": "b"}])
    assert batch(call) == {"state": "closed", "total": 1, "pending": 1}
    complete(call, take(call))

    assert called_back(call) == ["on_success", "on_complete"]


def test_a_batch_is_opened_once_or_again_by_its_owner_with_its_lease(call: Scripts) -> None:
    view = owner_of(call)
    put(call, "other", "o")
    stranger = take(call, "o")

    with pytest.raises(AlreadyExistsError):
        open_batch(call)
    with pytest.raises(AlreadyExistsError):
        open_batch(call, owner="other", lease=stranger["lease"])
    with pytest.raises(JobNotFoundError):
        open_batch(call, "c", owner="nobody", lease="1.w")
    with pytest.raises(LostLeaseError):
        open_batch(call, "c", owner="owner", lease="1.w")
    complete(call, view)
    with pytest.raises(AlreadyFinishedError):
        open_batch(call, "c", owner="owner", lease=view["lease"])

    assert call("read/batch", "c") is False


def test_an_owner_may_be_a_member_of_its_own_batch(call: Scripts) -> None:
    view = owner_of(call)
    call("batch_add", "b", ["owner"])

    complete(call, view)

    assert batch(call) == {"state": "finished", "total": 1, "completed": 1}


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_a_callback_runs_again_under_its_jid_once_the_last_one_has_ended(
    call: Scripts, end: str
) -> None:
    for name in ("night-1", "night-2"):
        open_batch(call, name)
        call("batch_close", name)
        assert called_back(call) == ["on_success", "on_complete"]
        for view in pop(call, 2, "back"):
            complete(call, view) if end == "complete" else fail(call, view)

    assert "on_success_conflict" not in call("read/batch", "night-2")


@pytest.mark.parametrize("by", ["jid", "recurring", "key"])
def test_a_callback_that_is_left_out_is_published_and_shown_by_its_batch(
    call: Scripts, published: Published, by: str
) -> None:
    holder = "holder" if by == "key" else "report"
    spec = {"queue": "back", "jid": "report", "klass": "K", "data": 1}
    if by == "recurring":
        call("recur", "q", "report", "K", "{}", 3_600_000, 3_600_000, {})
    else:
        put(call, holder, "mine", data="mine", unique={"key": "k", "scope": "queued"})
    if by == "key":
        spec["unique"] = {"key": "k", "scope": "queued"}
    call("batch_open", "b", {"on_success": spec}, "{}")
    published()

    call("batch_close", "b")

    assert published() == [("log", "conflict report back")]
    assert call("read/batch", "b")["on_success_conflict"] == holder
    assert called_back(call) == []


def test_data_of_a_call_back_over_the_limit_is_rejected(call: Scripts) -> None:
    call("config_set", "max-data-size", "10")

    with pytest.raises(DataTooLargeError):
        open_batch(call)

    assert call("read/batch", "b") is False


def test_a_member_that_lost_its_retries_counts_as_failed(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    open_batch(call)
    put(call, "a", batch="b", retries=0)
    put(call, "child", batch="b", depends=["a"], on_parent_failed="cancel")
    call("batch_close", "b")
    take(call)
    clock.advance(60)
    for _ in range(3):
        call("tick")

    assert batch(call) == {"state": "finished", "total": 2, "failed": 1, "canceled": 1}
    assert called_back(call) == ["on_failure", "on_complete"]


def test_a_batch_of_hundreds_ends_once(call: Scripts) -> None:
    open_batch(call)
    for start in range(0, 300, 100):
        specs = [{"jid": f"m{start + i}", "klass": "K", "batch": "b"} for i in range(100)]
        call("put_many", "q", specs, *("{}" for _ in specs))
    call("batch_close", "b")
    for _ in range(3):
        views = pop(call, 100)
        call("complete_many", [[view["jid"], view["lease"]] for view in views], *[""] * 100)

    assert batch(call) == {"state": "finished", "total": 300, "completed": 300}
    assert called_back(call) == ["on_success", "on_complete"]
    assert counts(call) == {}
