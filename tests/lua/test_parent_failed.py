"""What happens to a job when a parent fails or is canceled."""

from __future__ import annotations

import pytest

from qless_py.errors import DependencyError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, fail, jids, job, pop, put, state, take
from tests.script_runner import Scripts

FATES = {"wait": "depends", "cancel": None, "fail": "failed", "run": "waiting"}
every_policy = pytest.mark.parametrize("policy", FATES)


def fate(call: Scripts, jid: str) -> str | None:
    view = call("read/job", jid)
    return view["state"] if view else None


@every_policy
@pytest.mark.parametrize("way", ["fail", "retry", "lapse", "crash", "parent"])
def test_every_way_into_failure_applies_the_policy(
    call: Scripts, clock: Clock, policy: str, way: str
) -> None:
    call("config_set", "grace-period", "0")
    call("config_set", "max-crashes", "1")
    put(call, "grand", "g")
    put(call, "parent", "p", retries=0, depends=["grand"], on_parent_failed="fail")
    put(call, "j", depends=["parent"], on_parent_failed=policy)
    view = take(call, "g")
    if way != "parent":
        complete(call, view)
        view = take(call, "p")

    if way == "retry":
        call("retry", "parent", view["lease"], 0, {})
    elif way == "lapse":
        clock.advance(60)
        call("tick")
        call("tick")
    elif way == "crash":
        call("worker_died", "w", "w", "parent", "killed")
    else:
        fail(call, view)

    assert state(call, "parent") == "failed"
    assert fate(call, "j") == FATES[policy]


@every_policy
def test_a_parent_that_has_failed_already_counts_as_one_that_fails(
    call: Scripts, policy: str
) -> None:
    put(call, "parent", "p")
    fail(call, take(call, "p"))

    put(call, "j", depends=["parent"], on_parent_failed=policy)
    call("tick")

    assert fate(call, "j") == FATES[policy]


@every_policy
def test_a_failed_parent_can_be_named_later(call: Scripts, policy: str) -> None:
    put(call, "parent", "p")
    fail(call, take(call, "p"))
    put(call, "other", "p")
    put(call, "j", depends=["other"])

    call("depends_on", "j", ["parent"], {"on_parent_failed": policy})
    call("tick")

    # The other parent is still to come, whatever this one's policy is.
    assert fate(call, "j") == ("depends" if policy == "run" else FATES[policy])


def test_a_job_fails_with_its_parent_in_a_group_that_says_so(call: Scripts, published: Published) -> None:
    put(call, "parent", "p")
    put(call, "j", depends=["parent"], on_parent_failed="fail")
    call("track", "j")
    view = take(call, "p")
    published()

    fail(call, view)

    failure = job(call, "j")["failure"]
    assert (failure["group"], failure["message"]) == ("parent-failed", "Parent parent was failed")
    assert ("failed", "j") in published()
    assert job(call, "j")["history"][-1][0] == "failed"


def test_a_waiting_job_runs_after_its_parent_was_revived(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "j", depends=["parent"])
    fail(call, take(call, "p"))
    call("unfail", "p", "g", 1)
    complete(call, take(call, "p"))

    assert state(call, "j") == "waiting"


def test_a_job_that_failed_with_a_canceled_parent_does_not_wait_for_it_again(
    call: Scripts,
) -> None:
    put(call, "parent", "p")
    put(call, "j", depends=["parent"], on_parent_failed="fail")
    call("cancel", ["parent"], "")
    assert job(call, "j")["failure"]["group"] == "parent-canceled"

    call("unfail", "q", "parent-canceled", 1)

    assert state(call, "j") == "waiting"


def test_failure_runs_down_the_line(call: Scripts) -> None:
    put(call, "a", "p")
    for jid, parent, policy in (("b", "a", "fail"), ("c", "b", "fail"), ("d", "c", "cancel")):
        put(call, jid, depends=[parent], on_parent_failed=policy)
    put(call, "e", depends=["b"], on_parent_failed="run")

    fail(call, take(call, "p"))

    assert [fate(call, jid) for jid in "bcde"] == ["failed", "failed", None, "waiting"]


def test_a_job_that_others_wait_for_fails_instead_of_being_canceled(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "j", depends=["parent"], on_parent_failed="cancel")
    put(call, "child", depends=["j"])

    fail(call, take(call, "p"))

    assert (fate(call, "j"), fate(call, "child")) == ("failed", "depends")


@pytest.mark.parametrize("policy", ["cancel", "fail", "run"])
def test_many_dependents_meet_their_fate_in_bounded_steps(call: Scripts, policy: str) -> None:
    put(call, "parent", "p")
    for start in range(0, 200, 100):
        specs = [{"jid": f"j{start + i}", "klass": "K", "depends": ["parent"]} for i in range(100)]
        call("put_many", "q", [{**one, "on_parent_failed": policy} for one in specs],
             *("{}" for _ in specs))  # fmt: skip

    fail(call, take(call, "p"))
    left = counts(call)["depends"]
    calls = 0
    while call("tick")["more"]:
        calls += 1
        assert calls < 20

    assert (0 < left < 200, calls >= 2) == (True, True)
    groups = dict(row[:2] for row in call("read/groups", 0, 10)["groups"])
    assert counts(call) == ({"waiting": 200} if policy == "run" else {})
    assert groups == ({"g": 1, "parent-failed": 200} if policy == "fail" else {"g": 1})


def test_a_parent_revived_half_way_spares_the_rest(call: Scripts) -> None:
    put(call, "parent", "p")
    for i in range(120):
        put(call, f"j{i}", depends=["parent"], on_parent_failed="fail")
    fail(call, take(call, "p"))

    call("unfail", "p", "g", 1)
    for _ in range(5):
        call("tick")

    assert counts(call)["depends"] >= 20
    complete(call, take(call, "p"))
    for _ in range(5):
        call("tick")
    assert "depends" not in counts(call)


def test_a_policy_can_be_changed_by_naming_the_parent_again(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "j", depends=["parent"])

    call("depends_on", "j", ["parent"], {"on_parent_failed": "run"})
    fail(call, take(call, "p"))

    assert state(call, "j") == "waiting"


def test_a_dependent_that_does_not_mind_lets_its_parent_be_canceled(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "j", depends=["parent"], on_parent_failed="run")
    put(call, "k", depends=["parent"])

    with pytest.raises(DependencyError):
        call("cancel", ["parent"], "")
    call("cancel", ["parent", "k"], "")

    assert jids(pop(call)) == ["j"]


def test_a_job_being_moved_with_a_policy_waits_as_requested(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "j")
    after = {"queue": "two", "depends": ["parent"], "on_parent_failed": "fail"}
    complete(call, take(call), next=after)

    fail(call, take(call, "p"))

    assert job(call, "j")["failure"]["group"] == "parent-failed"
