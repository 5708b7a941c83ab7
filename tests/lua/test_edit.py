"""edit changes data, priority and tags in one step, or nothing."""

from __future__ import annotations

import hashlib

import pytest

from qless_py.errors import DataChangedError, WrongStateError
from tests.lua.steps import complete, jids, job, pop, put, take, whats
from tests.population import lease_of, populate
from tests.script_runner import Scripts


def digest(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("jid", ["plain", "later", "child", "fails", "parked", "apart"])
@pytest.mark.parametrize("data", ["[1]", "d" * 3000])
def test_data_is_replaced_before_a_run_and_after_a_failure(
    call: Scripts, jid: str, data: str
) -> None:
    populate(call)
    before = job(call, jid)

    assert call("edit", jid, data, {"expects": digest(before["data"])}) is True

    after = job(call, jid)
    assert (after["data"], after["state"]) == (data.encode(), before["state"])
    assert whats(call, jid) == [*(entry[0] for entry in before["history"]), "edited"]


@pytest.mark.parametrize("jid", ["runs", "ends"])
def test_data_of_a_running_or_complete_job_stays(call: Scripts, jid: str) -> None:
    populate(call)
    with pytest.raises(WrongStateError, match="its data can be changed before it runs"):
        call("edit", jid, "[1]", {"priority": 5, "tags": ["new"]})
    assert (job(call, jid)["data"], job(call, jid).get("priority")) == (b"{}", None)

    call("edit", jid, "", {"priority": 5, "tags": ["new"]})

    assert (job(call, jid)["priority"], job(call, jid)["tags"]) == (5, ["new"])


def test_a_stalled_job_can_be_edited_and_its_old_worker_cannot_undo_it(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    call("timeout", ["j"])
    call("edit", "j", "[2]", {})
    with pytest.raises(Exception, match="j"):
        call("heartbeat", "j", view["lease"], "[3]")
    assert take(call)["data"] == b"[2]"


@pytest.mark.parametrize("jid", ["plain", "apart"])
def test_data_that_was_changed_meanwhile_is_not_replaced(call: Scripts, jid: str) -> None:
    populate(call)
    seen = digest(job(call, jid)["data"])
    call("edit", jid, "[1]", {"expects": seen})

    with pytest.raises(DataChangedError, match=f"job {jid} has changed since it was read"):
        call("edit", jid, "[2]", {"expects": seen, "priority": 9})

    assert (job(call, jid)["data"], job(call, jid).get("priority")) == (b"[1]", None)


def test_a_waiting_job_moves_by_its_new_priority_and_keeps_the_order_of_its_tags(
    call: Scripts,
) -> None:
    for jid in ("a", "b"):
        put(call, jid, tags=["x", "y"])

    call("edit", "b", "[1]", {"priority": 1, "tags": ["z", "y"]})

    assert call("read/tagged", "y", 0, 9)["jids"] == ["a", "b"]
    assert call("read/tagged", "x", 0, 9)["jids"] == ["a"]
    assert jids(pop(call, 2)) == ["b", "a"]
    assert job(call, "b")["tags"] == ["z", "y"]
    call("edit", "b", "", {"tags": []})
    assert "tags" not in job(call, "b")


def test_a_failed_job_runs_again_with_the_new_data(call: Scripts) -> None:
    populate(call)
    call("edit", "fails", "[7]", {})
    call("unfail", "busy", "group", 1)
    (view,) = pop(call, 1, queue="busy")
    assert (view["jid"], view["data"]) == ("fails", b"[7]")
    complete(call, view)
    assert lease_of(call, "runs")
