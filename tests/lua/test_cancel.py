"""cancel: a job is deleted with everything that refers to it."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import DependencyError, LostLeaseError
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, fail, job, put, state, take
from tests.script_runner import Scripts


def keys_of(call: Scripts, jid: str) -> list[str]:
    """List the keys that are about a job."""
    return sorted(map(str, call.redis.keys(f"{{ql}}:*:{jid}")))


@pytest.mark.parametrize("wanted", ["waiting", "scheduled", "depends", "running", "failed"])
def test_nothing_remains_of_a_canceled_job(call: Scripts, wanted: str) -> None:
    put(call, "parent", "elsewhere")
    options: dict[str, dict[str, Any]] = {
        "depends": {"depends": ["parent"]},
        "scheduled": {"delay": 5000},
    }
    put(call, "j", data="x" * 2000, tags=["t"], **options.get(wanted, {}))
    for _ in range(12):
        call("log", "j", "", "noted", "")
    if wanted in ("running", "failed"):
        view = take(call)
        call("progress", "j", view["lease"], "half")
        put(call, "early", "elsewhere", parent="j", lease=view["lease"])
        _ = fail(call, view) if wanted == "failed" else None

    assert call("cancel", ["j"], "") == ["j"]

    assert call("read/job", "j") is False
    assert keys_of(call, "j") == []
    assert counts(call) == {}
    assert call("read/tags", 0, 10, 1) == []
    assert call("read/groups", 0, 10)["total"] == 0
    assert job(call, "parent")["dependents"] == []


def test_unknown_jobs_are_ignored_and_complete_ones_left_alone(call: Scripts) -> None:
    put(call, "done")
    complete(call, take(call))
    put(call, "j")

    assert call("cancel", ["nobody", "done", "j"], "") == ["j"]

    assert state(call, "done") == "complete"


def test_a_job_that_others_wait_for_goes_only_together_with_them(call: Scripts) -> None:
    put(call, "a")
    put(call, "b", depends=["a"])
    put(call, "c", depends=["b"])

    for some in (["a"], ["a", "b"], ["a", "c"], ["b"]):
        with pytest.raises(DependencyError, match="is a dependency of"):
            call("cancel", some, "")
    assert counts(call) == {"waiting": 1, "depends": 2}

    assert call("cancel", ["b", "c", "a"], "") == ["b", "c", "a"]
    assert counts(call) == {}


def test_dependents_are_treated_by_their_policy_for_a_canceled_parent(call: Scripts) -> None:
    put(call, "parent", "p")
    for policy in ("cancel", "fail", "run"):
        put(call, policy, depends=["parent"], on_parent_failed=policy)

    call("cancel", ["parent"], "")

    assert call("read/job", "cancel") is False
    assert (state(call, "fail"), state(call, "run")) == ("failed", "waiting")
    assert job(call, "fail")["failure"]["group"] == "parent-canceled"


def test_the_log_the_worker_and_the_channel_hear_of_it_in_this_order(
    call: Scripts, published: Published
) -> None:
    put(call, "j")
    call("track", "j")
    take(call)
    published()

    call("cancel", ["j"], "")

    text = "canceled j q w"
    assert published() == [("log", text), ("worker:w", text), ("canceled", "j")]


def test_a_job_without_worker_is_canceled_in_silence_towards_workers(
    call: Scripts, published: Published
) -> None:
    put(call, "j")
    published()

    call("cancel", ["j"], "")

    assert published() == [("log", "canceled j q")]


def test_the_worker_of_a_canceled_job_has_lost_it(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    call("cancel", ["j"], "")
    put(call, "j")
    new = take(call)

    with pytest.raises(LostLeaseError):
        complete(call, view)
    complete(call, new)


def test_the_mark_of_tracking_outlives_the_job(call: Scripts) -> None:
    put(call, "j")
    call("track", "j")
    call("cancel", ["j"], "")

    assert call("read/tracked", 0, 10, "") == {"total": 1, "jobs": [], "expired": ["j"]}
    put(call, "j")

    assert [view["jid"] for view in call("read/tracked", 0, 10, "")["jobs"]] == ["j"]
    assert job(call, "j")["tracked"] is True


def test_a_hundred_jobs_can_be_canceled_with_their_hundred_dependents(call: Scripts) -> None:
    put(call, "root")
    for i in range(99):
        put(call, f"leaf{i}", depends=["root"])

    assert len(call("cancel", ["root", *(f"leaf{i}" for i in range(99))], "")) == 100
    assert counts(call) == {}
