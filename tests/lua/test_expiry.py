"""Jobs that expire before they start, and errors of retry policies."""

from __future__ import annotations

import json

import pytest

from qless_py.errors import DependencyError, LostLeaseError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import counts, fail, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts


def test_a_job_is_handed_out_until_its_time_is_over(call: Scripts, clock: Clock) -> None:
    put(call, "early", expires_in=1000)
    put(call, "late", expires_in=1000)
    clock.advance(0.999)

    assert jids(pop(call)) == ["early"]
    clock.advance(0.001)
    assert pop(call) == []
    assert state(call, "late") == "failed"


def test_an_expired_job_fails_in_its_group_and_says_so(call: Scripts, published: Published) -> None:
    put(call, "j", expires=ms(call))
    call("track", "j")
    published()

    assert pop(call) == []

    failure = job(call, "j")["failure"]
    assert (failure["group"], "handed out" in failure["message"]) == ("expired", True)
    assert whats(call, "j") == ["put", "failed"]
    assert [text.split()[0] for channel, text in published() if channel == "log"] == ["failed"]
    assert counts(call) == {}


def test_expired_jobs_do_not_hide_the_others_behind_them(call: Scripts, clock: Clock) -> None:
    for number in range(5):
        put(call, f"old-{number}", expires_in=1)
    put(call, "new")
    clock.advance(1)

    first = call("pop", ["q"], "w", 3, {})
    second = call("pop", ["q"], "w", 3, {})

    assert (first["jobs"], first["more"]) == ([], True)
    assert jids(second["jobs"]) == ["new"]


def test_dependents_of_an_expired_job_are_treated_by_their_policy(
    call: Scripts, clock: Clock
) -> None:
    put(call, "parent", expires_in=1)
    put(call, "goes", depends=["parent"], on_parent_failed="run")
    put(call, "falls", depends=["parent"], on_parent_failed="fail")
    clock.advance(1)

    pop(call)

    assert (state(call, "goes"), state(call, "falls")) == ("waiting", "failed")


def test_a_job_that_was_retried_expires_too(call: Scripts, clock: Clock) -> None:
    put(call, "j", expires_in=2000)
    view = take(call)
    call("retry", "j", view["lease"], 5000, {})
    clock.advance(5)

    assert pop(call) == []
    assert job(call, "j")["failure"]["group"] == "expired"


def test_an_expired_job_that_is_put_again_runs(call: Scripts, clock: Clock) -> None:
    put(call, "j", expires_in=1)
    clock.advance(1)
    pop(call)

    call("unfail", "q", "expired", 1)

    assert jids(pop(call)) == ["j"]


def test_limits_and_policy_are_kept_as_they_are(call: Scripts) -> None:
    put(call, "j", soft_limit=5, hard_limit=10, retry='{"on":{}}')

    call("requeue", "q", "j", "", "", {"priority": 1})

    kept = job(call, "j")
    assert (kept["soft_limit"], kept["hard_limit"], kept["retry"]) == (5, 10, '{"on":{}}')


def test_children_of_a_recurring_job_expire_from_their_slot_on(call: Scripts, clock: Clock) -> None:
    call("recur", "q", "r", "K", "{}", 60_000, 0, {"expires_in": 1000, "soft_limit": 7})
    assert job(call, take(call)["jid"])["soft_limit"] == 7

    clock.advance(61)

    assert pop(call) == []
    assert state(call, "r-2") == "failed"


def test_a_retry_that_counts_apart_spends_none_of_the_job(call: Scripts) -> None:
    put(call, "j", retries=0)
    view = take(call)
    tries = json.dumps({"since": 1, "counts": {"E": 1}})

    left = call("retry", "j", view["lease"], 0, {"tries": tries, "apart": True})

    assert left == 0
    assert job(call, "j")["tries"] == tries
    assert call("retry", "j", take(call)["lease"], 0, {"tries": tries}) == -1


@pytest.mark.parametrize("end", ["complete", "advance", "requeue", "unfail"])
def test_what_a_policy_remembers_ends_with_its_work(call: Scripts, end: str) -> None:
    put(call, "j")
    view = take(call)
    call("retry", "j", view["lease"], 0, {"tries": "{}"})

    view = take(call)
    if end == "complete":
        call("complete", "j", view["lease"], "", "", {})
    elif end == "advance":
        call("complete", "j", view["lease"], "", "", {"next": {"queue": "q"}})
    elif end == "requeue":
        call("requeue", "q", "j", "", "", {})
    else:
        fail(call, view)
        call("unfail", "q", "g", 1)

    assert "tries" not in job(call, "j")


def test_discard_deletes_the_job_of_its_holder(call: Scripts, published: Published) -> None:
    put(call, "j")
    call("track", "j")
    view = take(call)
    published()

    assert call("discard", "j", view["lease"]) == "j"

    assert call("read/job", "j") is False
    assert "canceled" in {channel for channel, _ in published()}
    assert counts(call) == {}


def test_discard_is_rejected_to_who_has_lost_the_job(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    call("timeout", ["j"])
    take(call, worker="other")

    with pytest.raises(LostLeaseError):
        call("discard", "j", view["lease"])

    assert state(call, "j") == "running"


def test_discard_is_rejected_while_others_wait(call: Scripts) -> None:
    put(call, "j")
    put(call, "waits", depends=["j"])
    view = take(call)

    with pytest.raises(DependencyError):
        call("discard", "j", view["lease"])

    assert state(call, "j") == "running"


@pytest.mark.parametrize("life", ["unfail", "put again", "completed and put again"])
def test_a_new_life_does_not_end_with_the_time_of_the_old_one(
    call: Scripts, clock: Clock, life: str
) -> None:
    put(call, "j", expires_in=60_000)
    lease = "" if life == "put again" else take(call)["lease"]
    if life == "unfail":
        call("fail", "j", lease, "g", "m", "")
    elif life == "completed and put again":
        call("complete", "j", lease, "", "", {})
    clock.advance(3600)

    if life == "unfail":
        call("unfail", "q", "g", 1)
    else:
        put(call, "j")

    assert jids(pop(call)) == ["j"]
