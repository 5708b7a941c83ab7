"""bulk: each job is checked on its own when its turn comes."""

from __future__ import annotations

import pytest

from qless_py.errors import BadArgumentError
from tests.conftest import Clock
from tests.lua.steps import complete, fail, pop, put, take
from tests.script_runner import Scripts


def _states(call: Scripts, *jids: str) -> list[str | None]:
    return [view and view["state"] for view in call("read/jobs", list(jids))]


def test_only_jobs_in_an_expected_state_are_touched(call: Scripts) -> None:
    put(call, "fails")
    fail(call, take(call))
    put(call, "waits")

    answers = call("bulk", "cancel", ["fails", "waits", "nobody"], {"states": ["failed"]})

    assert answers == [
        "done", "WRONGSTATE Job waits is waiting", "NOJOB Job nobody does not exist",
    ]  # fmt: skip
    assert _states(call, "fails", "waits") == [False, "waiting"]


def test_failed_jobs_go_back_to_their_own_queues_with_all_their_retries(call: Scripts) -> None:
    for queue in ("q", "other"):
        call("put", queue, queue, "K", "{}", {"retries": 3})
        view = pop(call, 1, queue=queue)[0]
        fail(call, view)

    assert call("bulk", "retry", ["q", "other"], {}) == ["done", "done"]

    found = call("read/jobs", ["q", "other"])
    assert [(job["state"], job["queue"], job["retries"]) for job in found] == [
        ("waiting", "q", 3), ("waiting", "other", 3),
    ]  # fmt: skip


def test_scheduled_jobs_are_retried_at_once(call: Scripts) -> None:
    put(call, "later", delay=60_000)

    assert call("bulk", "retry", ["later"], {}) == ["done"]

    assert take(call)["jid"] == "later"


def test_moved_jobs_keep_their_age_their_instant_and_their_parents(
    call: Scripts, clock: Clock
) -> None:
    put(call, "old")
    clock.advance(10)
    call("put", "other", "young", "K", "{}", {})
    put(call, "later", delay=60_000)
    put(call, "child", depends=["later"])

    answers = call("bulk", "move", ["old", "later", "child"], {"queue": "other"})

    assert answers == ["done"] * 3
    assert _states(call, "old", "later", "child") == ["waiting", "scheduled", "depends"]
    assert [one["jid"] for one in pop(call, 5, queue="other")] == ["old", "young"]
    clock.advance(61)
    assert [one["jid"] for one in pop(call, 5, queue="other")] == ["later"]


def test_running_and_complete_jobs_are_not_moved(call: Scripts) -> None:
    put(call, "ends")
    complete(call, take(call))
    put(call, "runs")
    take(call)

    answers = call("bulk", "move", ["ends", "runs"], {"queue": "other"})

    assert answers == ["WRONGSTATE Job ends is complete", "WRONGSTATE Job runs is running"]


def test_a_job_that_others_wait_for_goes_only_together_with_them(call: Scripts) -> None:
    put(call, "parent")
    put(call, "child", depends=["parent"])

    alone = call("bulk", "cancel", ["parent"], {})
    together = call("bulk", "cancel", ["parent", "child"], {})

    assert alone == ["HASDEPENDENTS Job parent is a dependency of child"]
    assert together == ["done", "done"]


def test_a_listed_dependent_that_stays_keeps_its_parents(call: Scripts) -> None:
    put(call, "top")
    put(call, "parent", depends=["top"])
    put(call, "child", depends=["parent"])
    put(call, "held", depends=["child"])
    listed = ["top", "parent", "child"]

    by_state = call("bulk", "cancel", listed, {"states": ["waiting"]})
    by_dependent = call("bulk", "cancel", listed, {})
    call("tick")

    assert by_state[0] == "HASDEPENDENTS Job top is a dependency of parent"
    assert by_dependent == [
        "HASDEPENDENTS Job top is a dependency of parent",
        "HASDEPENDENTS Job parent is a dependency of child",
        "HASDEPENDENTS Job child is a dependency of held",
    ]
    assert _states(call, *listed, "held") == ["waiting", *["depends"] * 3]
    assert call("bulk", "cancel", ["held", *listed], {}) == ["done"] * 4


def test_running_jobs_are_timed_out(call: Scripts) -> None:
    put(call, "runs")
    put(call, "waits")
    take(call)

    answers = call("bulk", "timeout", ["runs", "waits"], {})

    assert answers == ["done", "WRONGSTATE Job waits is waiting"]
    assert _states(call, "runs", "waits") == ["stalled", "waiting"]


def test_priorities_and_tags_are_changed(call: Scripts) -> None:
    put(call, "a")
    put(call, "b", tags=["old"])

    call("bulk", "priority", ["b"], {"priority": 5})
    call("bulk", "tag", ["a", "b"], {"tags": ["new"]})
    call("bulk", "untag", ["b"], {"tags": ["old"]})

    assert [one["jid"] for one in call("read/peek", "q", 0, 5)] == ["b", "a"]
    assert call("read/tagged", "new", 0, 5)["jids"] == ["a", "b"]
    assert call("read/tagged", "old", 0, 5)["jids"] == []


def test_an_action_without_what_it_needs_changes_nothing(call: Scripts) -> None:
    put(call, "a")

    with pytest.raises(BadArgumentError, match="queue"):
        call("bulk", "move", ["a"], {})

    assert _states(call, "a") == ["waiting"]
