"""Canceled jobs are kept apart for a while, and can be restored as they were."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import AlreadyExistsError
from tests.conftest import Clock
from tests.lua.steps import complete, fail, job, put, state, take
from tests.script_runner import Scripts

HOW = {"by": "ann", "reason": "wrong customer"}


def restore(call: Scripts, *jids: str) -> list[str]:
    answers: list[str] = call("canceled_restore", list(jids))
    return answers


def kept(call: Scripts, **filters: str) -> list[str]:
    return [one["jid"] for one in call("read/canceled", "", 100, filters)["jobs"]]


def keys_kept(call: Scripts) -> list[str]:
    return sorted(map(str, call.redis.keys("{ql}:canceled:*")))


def parts(call: Scripts) -> Any:
    """Return what a job has that no restoring may change."""
    shown = job(call, "j")
    names = ("klass", "queue", "state", "data", "priority", "retries", "left", "tags", "user",
             "throttles", "put_at", "failure", "progress", "dependencies", "due", "group",
             "failed_at", "batch", "context", "unique")  # fmt: skip
    return {name: shown.get(name) for name in names}


@pytest.mark.parametrize(
    "wanted", ["waiting", "scheduled", "depends", "throttled", "failed", "batch"]
)
def test_a_restored_job_is_as_it_was(call: Scripts, clock: Clock, wanted: str) -> None:
    put(call, "parent", "elsewhere")
    call("throttle_set", "t", {"concurrency": 0})
    call("batch_open", "b", {})
    options: dict[str, dict[str, Any]] = {
        "depends": {"depends": ["parent"]},
        "scheduled": {"delay": 50_000},
        "throttled": {"throttles": ["t"], "user": "ann"},
        "batch": {"batch": "b"},
    }
    unique = {"key": "k", "scope": "queued"}
    put(call, "j", data="x" * 2000, tags=["a", "b"], priority=3, retries=7, keep=90_000,
        context={"traceparent": "00-1-2-3"}, unique=unique, **options.get(wanted, {}))  # fmt: skip
    for _ in range(12):
        call("log", "j", "", "noted", "d")
    if wanted == "throttled":
        assert call("pop", ["q"], "w", 1, {})["jobs"] == []
    if wanted == "failed":
        view = take(call)
        call("progress", "j", view["lease"], "half")
        fail(call, view)
    before, history = parts(call), job(call, "j")["history"]
    if wanted == "throttled":
        before["state"] = "waiting"  # The next pop parks it again.

    call("cancel", ["j"], HOW)
    clock.advance(5)
    assert call("read/job", "j") is False
    shown = call("read/canceled_job", "j")
    assert (shown["canceled"]["by"], shown["canceled"]["reason"]) == ("ann", "wrong customer")

    assert restore(call, "j") == ["done"]

    assert parts(call) == before
    assert [one[0] for one in job(call, "j")["history"]] == [
        *(one[0] for one in history),
        "canceled",
        "restored",
    ]
    assert keys_kept(call) == []
    assert call("read/canceled", "", 10, {})["total"] == 0


def test_a_job_that_was_running_waits_with_its_age(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    take(call)
    clock.advance(5)
    put(call, "later")

    call("cancel", ["j"], HOW)
    clock.advance(5)
    assert restore(call, "j") == ["done"]

    assert take(call)["jid"] == "j"


def test_each_job_is_judged_by_itself(call: Scripts) -> None:
    for jid in ("again", "holder", "fine"):
        put(call, jid)
    put(call, "keyed", unique={"key": "k", "scope": "queued"})
    call("batch_open", "b", {})
    put(call, "member", batch="b")
    call("cancel", ["again", "keyed", "member", "fine"], "")
    put(call, "again")
    put(call, "holder", unique={"key": "k", "scope": "queued"})
    call.redis.delete("{ql}:batch:b:record", "{ql}:batch:b:members", "{ql}:batch:b:canceled")
    call.redis.zrem("{ql}:batches", "b")

    answers = restore(call, "again", "keyed", "member", "nobody", "fine")

    assert answers == [
        "EXISTS Job again exists again",
        "EXISTS Job holder holds the unique key k",
        "NOBATCH Batch b does not exist",
        "NOJOB No canceled job has the jid nobody",
        "done",
    ]
    assert kept(call) == ["member", "keyed", "again"]
    assert restore(call, "fine") == ["NOJOB No canceled job has the jid fine"]


def test_a_jid_that_is_remembered_after_its_end_can_be_restored(call: Scripts) -> None:
    put(call, "j", keep=90_000)
    call("cancel", ["j"], "")
    with pytest.raises(AlreadyExistsError):
        put(call, "j", on_conflict="raise")

    assert restore(call, "j") == ["done"]


def test_parents_are_restored_before_the_jobs_that_wait_for_them(call: Scripts) -> None:
    put(call, "a")
    put(call, "b", depends=["a"])
    put(call, "c", depends=["b"])
    call("cancel", ["c", "b", "a"], "")

    assert restore(call, "c")[0] == (
        "WRONGSTATE Job c waits for b, which is canceled: restore that first, or both together"
    )
    assert restore(call, "c", "b", "a") == ["done"] * 3

    assert [state(call, jid) for jid in ("a", "b", "c")] == ["waiting", "depends", "depends"]
    for jid in ("a", "b", "c"):
        complete(call, take(call))
        assert state(call, jid) == "complete"


def test_jobs_that_were_canceled_with_their_parent_are_known(call: Scripts) -> None:
    put(call, "parent")
    put(call, "child", depends=["parent"], on_parent_failed="cancel")

    call("cancel", ["parent"], HOW)

    assert call("read/canceled_job", "parent")["dependents"] == ["child"]
    how = call("read/canceled_job", "child")["canceled"]
    assert (how["parent"], how["reason"]) == ("parent", "Parent parent was canceled")
    assert restore(call, "child", "parent") == ["done", "done"]
    assert state(call, "child") == "depends"


def test_a_parent_that_has_completed_is_not_waited_for(call: Scripts) -> None:
    put(call, "parent")
    put(call, "child", "later", depends=["parent"])
    call("cancel", ["child"], "")
    complete(call, take(call))

    assert restore(call, "child") == ["done"]
    assert state(call, "child") == "waiting"


def test_they_are_listed_newest_first_by_page_and_by_filter(call: Scripts, clock: Clock) -> None:
    for number in range(5):
        clock.advance(1)
        put(call, f"j{number}", f"q{number % 2}", tags=[f"t{number}"], user="ann")
        call("cancel", [f"j{number}"], HOW if number else "")

    assert kept(call) == ["j4", "j3", "j2", "j1", "j0"]
    assert kept(call, queue="q1") == ["j3", "j1"]
    assert kept(call, tag="t*", by="a*") == ["j4", "j3", "j2", "j1"]
    assert kept(call, reason="*customer", jid="j2", klass="*", user="ann") == ["j2"]

    seen: list[str] = []
    after: Any = ""
    while after is not None:
        page = call("read/canceled", after, 2, {"queue": "q0"})
        seen += [one["jid"] for one in page["jobs"]]
        after = page.get("after")
        put(call, "more")
        call("cancel", ["more"], "")  # The list grows meanwhile.
    assert seen == ["j4", "j2", "j0"]
    assert page["looked_at"] == 1


def test_they_expire_and_their_number_and_bytes_are_bounded(call: Scripts, clock: Clock) -> None:
    def cancel(jid: str, size: int = 2) -> None:
        put(call, jid, data="d" * size)
        call("cancel", [jid], "")
        clock.advance(1)

    call("config_set", "canceled-history-count", "3")
    for number in range(5):
        cancel(f"j{number}")
    assert kept(call) == ["j4", "j3", "j2"]

    call("config_set", "canceled-history-size", "5000")
    cancel("large", 4000)
    assert kept(call) == ["large", "j4", "j3"]
    cancel("other", 4000)
    assert kept(call) == ["other"]
    cancel("huge", 9000)
    assert kept(call) == ["other"]

    call("config_set", "canceled-history", "60")
    clock.advance(30)
    call("tick")
    assert kept(call) == ["other"]
    clock.advance(60)
    call("tick")
    assert kept(call) == []
    assert call.redis.hget("{ql}:meta", "canceled_bytes") == b"0"
    assert keys_kept(call) == []

    call("config_set", "canceled-history", "0")
    cancel("j")
    assert kept(call) == []
    assert keys_kept(call) == []


def test_what_room_one_call_makes_is_bounded_and_the_sweep_makes_the_rest(call: Scripts) -> None:
    names = [f"j{number}" for number in range(300)]
    for at in range(0, 300, 100):
        for jid in names[at : at + 100]:
            put(call, jid)
        call("cancel", names[at : at + 100], "")
    call("config_set", "canceled-history-count", "10")
    put(call, "more")

    call("cancel", ["more"], "")

    assert len(call("read/canceled", "", 250, {})["jobs"]) == 100
    for _ in range(3):
        call("tick")
    assert call("read/canceled", "", 0, {})["total"] == 10


def test_a_job_that_is_canceled_again_replaces_its_copy(call: Scripts) -> None:
    for klass in ("First", "Second"):
        call("put", "q", "j", klass, "d" * 2000, {})
        call("cancel", ["j"], "")

    assert call("read/canceled", "", 10, {})["total"] == 1
    assert call("read/canceled_job", "j")["klass"] == "Second"
    assert call("canceled_delete", ["j", "nobody"]) == 1
    assert keys_kept(call) == []


def test_a_bulk_action_can_be_undone(call: Scripts) -> None:
    put(call, "a", priority=1, tags=["old"])
    put(call, "b", "r")
    put(call, "c", depends=["a"])
    call("bulk", "cancel", ["a", "c"], {"undo": "cancel", **HOW})
    call("bulk", "move", ["b"], {"undo": "move", "queue": "elsewhere"})

    assert call("read/undo", "cancel") == 2
    assert call("undo", "cancel", 1) == {"jobs": [["a", "done"]], "left": 1}
    assert call("undo", "cancel", 1) == {"jobs": [["c", "done"]], "left": 0}
    assert call("undo", "move", 100)["jobs"] == [["b", "done"]]
    assert (job(call, "a")["priority"], job(call, "b")["queue"]) == (1, "r")

    call("bulk", "priority", ["a", "b"], {"undo": "u", "priority": 7})
    call("bulk", "tag", ["a", "b"], {"undo": "u", "tags": ["old", "new"]})
    call("bulk", "untag", ["a"], {"undo": "u", "tags": ["old"]})
    call("priority", "b", "8")
    undone = call("undo", "u", 100)["jobs"]

    assert dict(undone[-2:]) == {
        "b": "WRONGSTATE Job b has the priority 8 now",
        "a": "done",
    }
    assert (job(call, "a")["tags"], job(call, "a")["priority"]) == (["old"], 1)
    assert "tags" not in job(call, "b")
    assert call("undo", "u", 100) == {"jobs": [], "left": 0}


def test_undo_restores_the_jobs_that_were_canceled_with_their_parent(call: Scripts) -> None:
    put(call, "parent")
    put(call, "child", depends=["parent"], on_parent_failed="cancel")
    call("bulk", "cancel", ["parent"], {"undo": "u"})

    assert call("undo", "u", 100) == {"jobs": [["parent", "done"]], "left": 1}
    assert call("undo", "u", 100) == {"jobs": [["child", "done"]], "left": 0}
    assert state(call, "child") == "depends"


def test_a_job_that_was_changed_since_is_not_changed_back(call: Scripts) -> None:
    for jid in ("runs", "moved", "gone"):
        put(call, jid)
    call("bulk", "move", ["gone", "moved", "runs"], {"undo": "u", "queue": "to"})
    call("requeue", "elsewhere", "moved", "", "", {})
    call("cancel", ["gone"], "")
    call("pop", ["to"], "w", 1, {})

    assert call("undo", "u", 100)["jobs"] == [
        ["runs", "WRONGSTATE Job runs is running"],
        ["moved", "WRONGSTATE Job moved is in the queue elsewhere now"],
        ["gone", "NOJOB Job gone does not exist"],
    ]
