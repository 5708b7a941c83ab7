"""restore: jobs of an export come back with their past."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import BadArgumentError, BatchNotFoundError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, fail, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts

FAILURE = {"group": "g", "message": "m", "when": 5, "worker": "w"}


def restore(call: Scripts, *jobs: dict[str, Any], remember: int = 0) -> Any:
    specs = [{"klass": "K", "queue": "q", "put_at": 1000, **one} for one in jobs]
    return call("restore", remember, specs, *("{}" for _ in specs))


def test_a_job_comes_back_with_its_age_and_its_retries(call: Scripts) -> None:
    put(call, "young")
    spent = {"retries": 7, "left": 2, "crashes": 1, "stalls": 3}

    assert restore(call, {"jid": "old", "eligible_at": 2000, **spent}) == [["old", True]]

    view = job(call, "old")
    assert {name: view[name] for name in ("put_at", *spent)} == {"put_at": 1000, **spent}
    assert jids(pop(call, 2)) == ["old", "young"]


def test_no_time_of_a_restored_job_is_in_the_future(call: Scripts) -> None:
    future = ms(call) + 60_000

    restore(call, {"jid": "j", "put_at": future, "eligible_at": future})
    restore(call, {"jid": "f", "state": "failed", "ended_at": future, "failure": FAILURE})

    assert job(call, "j")["put_at"] == job(call, "f")["failed_at"] == ms(call)


def test_a_failed_job_is_in_its_group_and_can_be_retried(
    call: Scripts, published: Published
) -> None:
    published()
    restore(call, {"jid": "j", "state": "failed", "ended_at": 5, "failure": FAILURE, "left": -1})

    assert published() == []
    assert call("read/failed", "g", 0, 5)["jids"] == ["j"]
    assert call("unfail", "q", "g", 5) == 1
    assert state(call, "j") == "waiting"


def test_a_complete_job_has_its_result_for_its_dependents(call: Scripts) -> None:
    done = {"jid": "done", "klass": "K", "queue": "q", "put_at": 5, "state": "complete"}
    child = {"jid": "child", "klass": "K", "queue": "q", "put_at": 5}

    call(
        "restore", 0,
        [{**done, "ended_at": 6, "result": 3}, {**child, "depends": ["done"], "waits": ["done"]}],
        "{}", "{}", "[1]",
    )  # fmt: skip

    assert (state(call, "done"), state(call, "child")) == ("complete", "waiting")
    assert call("read/results", ["done"]) == [["done", "json", "[1]"]]
    assert take(call)["parents"] == ["done"]


def test_a_job_waits_only_for_those_it_waited_for(call: Scripts) -> None:
    edges = {"depends": ["ended", "open"], "waits": ["open"], "policies": {"open": "run"}}

    restore(call, {"jid": "ended"}, {"jid": "open"}, {"jid": "child", **edges})

    assert job(call, "child")["dependencies"] == ["open"]
    assert call("read/parents", ["child", "open"]) == [{"open": ["run", True]}, []]


def test_a_failed_job_still_waits_for_its_parents_when_it_is_retried(call: Scripts) -> None:
    edges = {"depends": ["open"], "waits": ["open"]}
    failed = {"state": "failed", "ended_at": 5, "failure": FAILURE}

    restore(call, {"jid": "open"}, {"jid": "child", **edges, **failed})
    call("unfail", "q", "g", 5)

    assert state(call, "child") == "depends"


def test_what_exists_or_is_remembered_is_left_alone(call: Scripts, clock: Clock) -> None:
    put(call, "there", data="[1]")
    assert restore(call, {"jid": "there"}, {"jid": "new"}, remember=60_000) == [
        ["there", False],
        ["new", True],
    ]
    call("cancel", ["new"], "")

    assert restore(call, {"jid": "new"}) == [["new", False]]
    clock.advance(61)
    assert restore(call, {"jid": "new"}) == [["new", True]]


def test_all_are_restored_or_none(call: Scripts) -> None:
    with pytest.raises(BatchNotFoundError):
        restore(call, {"jid": "a"}, {"jid": "b", "batch": "none"})
    with pytest.raises(BadArgumentError, match="twice"):
        restore(call, {"jid": "a"}, {"jid": "a"})

    assert counts(call) == {}


def test_the_history_is_kept_within_its_limit(call: Scripts) -> None:
    history = [["put", 1, {"queue": "q"}], *(["noted", n] for n in range(2, 60))]

    restore(call, {"jid": "j", "history": history})

    assert whats(call, "j") == ["put", *["noted"] * 58, "restored"]


def test_a_job_with_many_tags_keeps_them(call: Scripts) -> None:
    tags = [f"t{n}" for n in range(300)]

    restore(call, {"jid": "j", "tags": tags})

    assert job(call, "j")["tags"] == tags


def test_a_job_that_costs_more_than_its_throttle_holds_is_parked(call: Scripts) -> None:
    call("throttle_set", "t", {"rate": 1, "burst": 2})

    restore(call, {"jid": "j", "throttles": ["t"], "costs": {"t": 5}})

    assert pop(call) == []
    assert state(call, "j") == "throttled"


def test_the_failure_of_an_earlier_attempt_is_kept(call: Scripts) -> None:
    restore(call, {"jid": "j", "failure": FAILURE})

    assert job(call, "j")["failure"]["group"] == "g"
    fail(call, take(call))


def test_a_batch_is_restored_with_its_counts_and_goes_on(call: Scripts) -> None:
    callback = {"queue": "q", "jid": "after", "klass": "K", "data": 1}
    fields = {"opened_at": 5, "completed": 3, "failed": 1, "data": 2}

    assert call(
        "batch_restore", "b", {**fields, "on_complete": callback, "on_failure": {**callback,
        "jid": "alarm"}, "fired": ["on_failure"]}, "[]", "kept",
    ) is True  # fmt: skip
    restore(call, {"jid": "j", "batch": "b"})
    call("batch_close", "b", "")
    complete(call, take(call))
    pop(call)

    shown = call("read/batch", "b")
    assert (shown["state"], shown["total"], shown["completed"]) == ("finished", 5, 4)
    assert job(call, "after")["klass"] == "K"
    assert call("read/job", "alarm") is False
    assert call("read/batch_data", "b") == "kept"


def test_a_batch_that_exists_is_left_alone(call: Scripts) -> None:
    call("batch_open", "b", {})

    assert call("batch_restore", "b", {"opened_at": 5, "failed": 3}) is False
    assert call("read/batch", "b")["failed"] == 0


def test_a_failed_member_of_a_restored_batch_can_still_succeed(call: Scripts) -> None:
    call("batch_restore", "b", {"opened_at": 5, "failed": 1})
    failed = {"state": "failed", "ended_at": 5, "failure": FAILURE, "batch": "b"}
    restore(call, {"jid": "j", **failed})
    call("batch_close", "b", "")

    call("unfail", "q", "g", 5)
    complete(call, take(call))

    shown = call("read/batch", "b")
    assert (shown["state"], shown["completed"], shown["failed"]) == ("finished", 1, 0)


def test_a_nested_batch_is_a_member_until_it_ends(call: Scripts) -> None:
    call("batch_restore", "outer", {"opened_at": 5, "completed": 1})
    call("batch_restore", "inner", {"opened_at": 6, "within": "outer"})
    ended = {"opened_at": 6, "closed_at": 7, "finished_at": 7, "within": "outer"}
    call("batch_restore", "done", {**ended, "counted": "completed", "completed": 2})

    outer = call("read/batch", "outer")
    assert (outer["total"], outer["pending"], outer["completed"]) == (2, 1, 1)
