"""release, snooze, timeout and force_finish: how a running job leaves its worker."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import (
    AlreadyFinishedError,
    JobNotFoundError,
    LostLeaseError,
    WrongStateError,
)
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, fail, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts


def test_a_released_job_is_as_before_its_hand_out(
    call: Scripts, clock: Clock, published: Published
) -> None:
    put(call, "j", retries=0)
    clock.advance(1)
    put(call, "later")
    view = take(call)
    published()

    assert call("release", "j", view["lease"]) == "waiting"

    assert published() == [("log", "released j q")]
    assert "left" not in job(call, "j")
    assert whats(call, "j") == ["put", "popped", "released"]
    assert call("read/worker", "w", 0, 10, 100)["jobs"] == []
    assert jids(pop(call, 2)) == ["j", "later"]


@pytest.mark.parametrize("loss", ["lease", "death", "timeout"])
@pytest.mark.parametrize("user", [{}, {"user": "u"}])
def test_a_job_that_stands_before_all_others_is_released_to_that_place(
    call: Scripts, clock: Clock, loss: str, user: dict[str, str]
) -> None:
    put(call, "j", **user)
    take(call)
    for number in range(3):
        clock.advance(1)
        put(call, f"later{number}", priority=number, **user)
    if loss == "lease":
        call("config_set", "grace-period", "0")
        clock.advance(60)
        call("tick")
    elif loss == "death":
        call("worker_died", "w", "w", "", "killed")
    else:
        call("timeout", ["j"])
    before = state(call, "j")
    view = take(call, worker="v")
    assert view["jid"] == "j"

    assert call("release", "j", view["lease"]) == before
    again = take(call, worker="v")
    assert again["jid"] == "j"

    call("retry", "j", again["lease"], 0, {})
    assert jids(pop(call, 4, worker="v")) == ["later2", "later1", "later0", "j"]


def test_a_snoozed_job_comes_back_later_for_nothing(
    call: Scripts, clock: Clock, published: Published
) -> None:
    put(call, "j", retries=0)
    view = take(call)
    published()

    assert call("snooze", "j", view["lease"], 3000) == ms(call) + 3000

    assert published() == [("log", "snoozed j q")]
    assert (state(call, "j"), job(call, "j").get("left")) == ("scheduled", None)
    clock.advance(3)
    assert jids(pop(call)) == ["j"]


@pytest.mark.parametrize("verb", ["release", "snooze"])
def test_only_the_holder_can_give_a_job_back(call: Scripts, verb: str) -> None:
    more = () if verb == "release" else (1000,)
    put(call, "j")
    view = take(call)
    call("timeout", ["j"])

    for lease in (view["lease"], "1.other", ""):
        with pytest.raises(LostLeaseError):
            call(verb, "j", lease, *more)
    with pytest.raises(JobNotFoundError):
        call(verb, "nobody", view["lease"], *more)

    assert state(call, "j") == "stalled"


def test_timeout_takes_jobs_away_and_puts_them_before_all_others(
    call: Scripts, clock: Clock, published: Published
) -> None:
    call("config_set", "grace-period", "0")
    for jid in ("lost", "a", "b"):
        put(call, jid)
    pop(call, 1)
    clock.advance(30)
    old = {view["jid"]: view for view in pop(call, 2)}
    put(call, "urgent", priority=1e300)
    clock.advance(30)
    published()

    assert call("timeout", ["a", "b"]) == ["a", "b"]

    lost = [(channel, f"lock_lost {jid} q w") for jid in "ab" for channel in ("worker:w", "log")]
    assert published() == lost
    view = job(call, "a")
    assert (view["state"], view.get("worker"), view.get("left")) == ("stalled", None, None)
    assert whats(call, "a")[-1] == "timed-out"
    assert call("read/worker", "w", 0, 10, 100)["jobs"] == []
    with pytest.raises(LostLeaseError):
        complete(call, old["a"])
    assert jids(pop(call, 9)) == ["a", "b", "lost", "urgent"]


@pytest.mark.parametrize("wanted", ["waiting", "scheduled", "failed", "complete", "stalled"])
def test_timeout_wants_running_jobs_all_of_them(call: Scripts, wanted: str) -> None:
    put(call, "runs")
    take(call)
    put(call, "j", delay=1000 if wanted == "scheduled" else 0)
    if wanted in ("failed", "complete", "stalled"):
        view = take(call)
        if wanted == "stalled":
            call("timeout", ["j"])
        elif wanted == "failed":
            fail(call, view)
        else:
            complete(call, view)

    with pytest.raises(WrongStateError, match=wanted):
        call("timeout", ["runs", "j"])
    with pytest.raises(JobNotFoundError):
        call("timeout", ["runs", "nobody"])

    assert (state(call, "runs"), state(call, "j")) == ("running", wanted)


def test_a_timed_out_job_counts_as_stalled_and_can_be_anything_else_again(call: Scripts) -> None:
    put(call, "j")
    take(call)
    call("timeout", ["j"])
    assert counts(call) == {"stalled": 1}
    assert call("read/state", "stalled", "q", 0, 10)["jids"] == ["j"]

    call("priority", "j", "5")
    put(call, "j", "other", delay=1000)

    assert (counts(call), counts(call, "other")) == ({}, {"scheduled": 1})


def bring(call: Scripts, wanted: str) -> None:
    put(call, "parent", "elsewhere")
    options: dict[str, dict[str, Any]] = {
        "depends": {"depends": ["parent"]},
        "scheduled": {"delay": 5000},
    }
    put(call, "j", retries=0, **options.get(wanted, {}))
    if wanted in ("running", "stalled", "failed"):
        view = take(call)
        _ = fail(call, view) if wanted == "failed" else None
    if wanted == "stalled":
        call("timeout", ["j"])


@pytest.mark.parametrize(
    "wanted", ["waiting", "scheduled", "depends", "running", "stalled", "failed"]
)
def test_force_finish_completes_a_job_in_whatever_state(call: Scripts, wanted: str) -> None:
    bring(call, wanted)
    put(call, "child", "after", depends=["j"])

    assert call("force_finish", "j", "result") == "complete"

    view = job(call, "j")
    assert (view["state"], view["result"], view["dependencies"]) == ("complete", "result", [])
    assert not {"failure", "left", "due", "group", "worker"} & view.keys()
    assert whats(call, "j")[-1] == "force-finished"
    assert counts(call) == {}
    assert job(call, "parent")["dependents"] == []
    assert state(call, "child") == "waiting"


def test_force_finish_notifies_the_worker_that_lost_the_job(call: Scripts, published: Published) -> None:
    put(call, "j")
    view = take(call)
    published()

    call("force_finish", "j", "")

    lost = "lock_lost j q w"
    assert published() == [("worker:w", lost), ("log", lost), ("log", "completed j q")]
    with pytest.raises(AlreadyFinishedError):
        complete(call, view)
    with pytest.raises(AlreadyFinishedError):
        call("force_finish", "j", "")


def test_a_job_that_is_forced_to_its_end_counts_as_completed_in_its_batch(call: Scripts) -> None:
    callback = {"queue": "after", "jid": "thanks", "klass": "K", "data": 1}
    call("batch_open", "b", {"on_success": callback}, "{}")
    put(call, "a", batch="b")
    put(call, "b", batch="b")
    fail(call, take(call))
    call("batch_close", "b")

    call("force_finish", "a", "")
    call("force_finish", "b", "")

    batch = call("read/batch", "b")
    assert (batch["completed"], batch["failed"], batch["state"]) == (2, 0, "finished")
    assert state(call, "thanks") == "waiting"
