"""Puts that revive a failed job: the conditions, and its new dependencies."""

from __future__ import annotations

import pytest

from qless_py.errors import BadArgumentError, JobNotFoundError
from tests.lua.steps import complete, counts, fail, job, pop, put, state, take
from tests.script_runner import Scripts


def revive(call: Scripts, jid: str, **options: object) -> list[object]:
    reply = call("put", "q", jid, "K", "{}", {"on_conflict": "revive", **options})
    assert isinstance(reply, list)
    return reply


def test_a_failed_job_is_put_again_and_any_other_is_left_alone(call: Scripts) -> None:
    for jid in ("fails", "runs", "ends"):
        put(call, jid)
    fails, runs, ends = pop(call, 3)
    fail(call, fails)
    complete(call, ends)
    put(call, "waits")

    replies = [revive(call, jid) for jid in ("fails", "runs", "ends", "waits", "new")]

    assert [reply[1] for reply in replies] == [True, False, False, False, True]
    assert [state(call, jid) for jid in ("fails", "runs", "ends", "waits", "new")] == [
        "waiting",
        "running",
        "complete",
        "waiting",
        "waiting",
    ]
    complete(call, runs)


def test_a_jid_that_is_only_remembered_is_put(call: Scripts) -> None:
    put(call, "j", keep=60_000)
    call("cancel", ["j"], "")

    assert revive(call, "j") == ["j", True]


def test_a_put_that_expects_what_is_not_there_changes_nothing(call: Scripts) -> None:
    put(call, "j")
    fail(call, take(call))

    with pytest.raises(JobNotFoundError, match="nobody"):
        revive(call, "j", expects=["nobody"])
    with pytest.raises(JobNotFoundError):
        call("put_many", "q", [{"jid": "a", "klass": "K", "expects": ["b"]}], "{}")

    assert (state(call, "j"), counts(call)) == ("failed", {})


def test_what_the_same_call_puts_is_there(call: Scripts) -> None:
    specs = [{"jid": "a", "klass": "K"}, {"jid": "b", "klass": "K", "expects": ["a"]}]

    call("put_many", "q", specs, "{}", "{}")

    assert counts(call) == {"waiting": 2}


def test_an_ignored_put_expects_nothing(call: Scripts) -> None:
    put(call, "j")

    assert revive(call, "j", expects=["nobody"]) == ["j", False]


def test_parents_may_be_added_to_those_that_there_are(call: Scripts) -> None:
    for jid in ("one", "two", "three"):
        put(call, jid)
    put(call, "child", depends=["one"], on_parent_failed="fail")
    one, two, three = pop(call, 3)
    fail(call, one)
    assert state(call, "child") == "failed"

    revive(call, "one")
    revive(call, "child", depends=["two", "three"], adds=True)

    assert sorted(job(call, "child")["dependencies"]) == ["one", "three", "two"]
    for view in (two, three, take(call)):
        complete(call, view)
    assert state(call, "child") == "waiting"


def test_without_that_parents_are_replaced(call: Scripts) -> None:
    put(call, "one")
    put(call, "two")
    put(call, "child", depends=["one"])

    put(call, "child", depends=["two"])

    assert job(call, "child")["dependencies"] == ["two"]


def test_each_parent_may_have_a_policy_of_its_own(call: Scripts) -> None:
    parents = ["one", "two"]
    for jid in parents:
        put(call, jid)
    policies = {"two": "fail"}
    put(call, "child", depends=parents, on_parent_failed="run", policies=policies)

    one, two = pop(call, 2)
    fail(call, one)
    assert state(call, "child") == "depends"
    fail(call, two)

    assert state(call, "child") == "failed"


def test_a_policy_is_of_a_parent_of_the_put(call: Scripts) -> None:
    put(call, "one")

    with pytest.raises(BadArgumentError, match="two"):
        put(call, "child", depends=["one"], policies={"two": "fail"})
