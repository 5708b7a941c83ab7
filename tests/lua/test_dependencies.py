"""Dependencies: waiting for parents, edges added and removed, no cycles."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import BadArgumentError, DependencyError, JobNotFoundError, WrongStateError
from tests.conftest import Clock
from tests.lua.steps import complete, counts, fail, jids, job, ms, pop, put, state, take
from tests.script_runner import Scripts


def test_a_job_waits_for_all_of_its_parents(call: Scripts) -> None:
    put(call, "a", "p")
    put(call, "b", "p")
    put(call, "j", depends=["a", "b"])

    complete(call, take(call, "p"))
    assert (state(call, "j"), pop(call)) == ("depends", [])
    assert job(call, "j")["dependencies"] == ["b"]
    complete(call, take(call, "p"))

    assert jids(pop(call)) == ["j"]
    assert sorted(job(call, "j")["parents"]) == ["a", "b"]


@pytest.mark.parametrize("end", ["fail", "retry", "release", "advance"])
def test_only_completion_for_good_sets_dependents_free(call: Scripts, end: str) -> None:
    put(call, "parent", "p")
    put(call, "j", depends=["parent"])
    view = take(call, "p")

    if end == "fail":
        fail(call, view)
    elif end == "advance":
        complete(call, view, next={"queue": "two"})
    else:
        call(end, "parent", view["lease"], *([0, {}] if end == "retry" else []))

    assert state(call, "j") == "depends"


def test_a_delay_counts_from_the_put_not_from_the_end_of_the_parent(
    call: Scripts, clock: Clock
) -> None:
    put(call, "parent", "p")
    put(call, "soon", depends=["parent"], delay=2000)
    put(call, "late", depends=["parent"], delay=9000)
    put_at = ms(call)
    clock.advance(5)

    complete(call, take(call, "p"))

    assert (state(call, "soon"), state(call, "late")) == ("waiting", "scheduled")
    assert job(call, "late")["due"] == put_at + 9000


def test_a_freed_job_ranks_by_the_time_it_became_free(call: Scripts, clock: Clock) -> None:
    put(call, "parent", "p")
    put(call, "child", depends=["parent"])
    clock.advance(1)
    put(call, "other")
    clock.advance(1)
    complete(call, take(call, "p"))

    assert jids(pop(call, 2)) == ["other", "child"]


def test_edges_are_added_and_taken_away(call: Scripts) -> None:
    for parent in ("a", "b", "c"):
        put(call, parent, "p")
    put(call, "j", depends=["a"])

    assert call("depends_on", "j", ["b", "c", "nobody"], {}) == 3
    assert call("depends_off", "j", ["a", "nobody"]) == 2
    assert [job(call, one)["dependents"] for one in "abc"] == [[], ["j"], ["j"]]
    assert call("depends_off", "j", []) == 0

    assert (state(call, "j"), job(call, "j")["dependencies"]) == ("waiting", [])
    assert [job(call, one)["dependents"] for one in "abc"] == [[], [], []]


def test_a_parent_that_is_complete_adds_no_edge(call: Scripts) -> None:
    put(call, "done", "p")
    complete(call, take(call, "p"))
    put(call, "a", "p")
    put(call, "j", depends=["a"])

    assert call("depends_on", "j", ["done"], {}) == 1


def test_the_last_edge_taken_away_leaves_the_delay(call: Scripts, clock: Clock) -> None:
    put(call, "a", "p")
    put(call, "j", depends=["a"], delay=5000)
    clock.advance(1)

    call("depends_off", "j", [])

    assert (state(call, "j"), job(call, "j")["due"]) == ("scheduled", ms(call) + 4000)


@pytest.mark.parametrize(
    "wanted", ["waiting", "scheduled", "running", "failed", "complete", "stalled"]
)
def test_edges_change_only_while_a_job_waits_for_others(call: Scripts, wanted: str) -> None:
    put(call, "a", "p")
    put(call, "j", delay=1000 if wanted == "scheduled" else 0)
    if wanted not in ("waiting", "scheduled"):
        view = take(call)
        if wanted == "failed":
            fail(call, view)
        elif wanted == "complete":
            complete(call, view)
        elif wanted == "stalled":
            call("timeout", ["j"])

    with pytest.raises(WrongStateError, match="in the depends state"):
        call("depends_on", "j", ["a"], {})
    with pytest.raises(WrongStateError, match="in the depends state"):
        call("depends_off", "j", ["a"])
    with pytest.raises(JobNotFoundError):
        call("depends_on", "nobody", ["a"], {})
    with pytest.raises(JobNotFoundError):
        call("depends_off", "nobody", [])


def test_nobody_waits_for_himself(call: Scripts) -> None:
    with pytest.raises(DependencyError):
        put(call, "j", depends=["j"])
    put(call, "j")
    with pytest.raises(DependencyError):
        put(call, "j", depends=["j"])

    assert state(call, "j") == "waiting"


def test_no_way_of_adding_an_edge_closes_a_circle(call: Scripts) -> None:
    put(call, "root", "p")
    put(call, "a", depends=["root"])
    put(call, "z")
    put(call, "b", depends=["a"])
    put(call, "c", depends=["b"])

    refused: list[tuple[str, list[Any]]] = [
        ("depends_on", ["a", ["c"], {}]),
        ("put", ["q", "a", "K", "{}", {"depends": ["c"]}]),
        ("put", ["q", "root", "K", "{}", {"depends": ["z", "c"]}]),
        ("requeue", ["q", "root", "", "", {"depends": ["b"]}]),
    ]
    for verb, arguments in refused:
        with pytest.raises(DependencyError, match="already depends on"):
            call(verb, *arguments)

    assert job(call, "a")["dependencies"] == ["root"]


def test_a_diamond_is_no_circle(call: Scripts) -> None:
    put(call, "top", "p")
    put(call, "left", "p", depends=["top"])
    put(call, "right", "p", depends=["top"])
    put(call, "bottom", "p", depends=["left"])

    assert call("depends_on", "bottom", ["right", "top"], {}) == 3


def _hub(call: Scripts, jid: str = "hub", number: int = 1001) -> None:
    """Put a job with more dependents than one call looks through."""
    put(call, jid, "p")
    for start in range(0, number, 100):
        specs = [{"jid": f"{jid}-{start + i}", "klass": "K", "depends": [jid]} for i in range(100)]
        call("put_many", "q", specs, *("{}" for _ in specs))


def test_a_job_of_very_many_dependents_may_get_a_parent(call: Scripts) -> None:
    _hub(call)
    put(call, "grandparent", "p")
    put(call, "parent", "p", depends=["grandparent"])

    put(call, "hub", depends=["parent"])
    with pytest.raises(DependencyError, match="already depends on hub"):
        put(call, "hub", depends=["hub-7"])
    with pytest.raises(DependencyError, match="already depends on grandparent"):
        put(call, "grandparent", depends=["hub-7"])

    assert job(call, "hub")["dependencies"] == ["parent"]


def test_a_search_for_circles_ends_after_a_thousand_jobs_either_way(call: Scripts) -> None:
    _hub(call)
    put(call, "wide", "p")
    for start in range(0, 1000, 100):
        specs = [{"jid": f"above-{start + i}", "klass": "K"} for i in range(100)]
        call("put_many", "p", specs, *("{}" for _ in specs))
        put(call, "wide", "p", depends=[spec["jid"] for spec in specs], adds=True)
    put(call, "below", "p", depends=["wide"])

    with pytest.raises(DependencyError, match="too many dependents"):
        put(call, "hub", depends=["below"])

    assert state(call, "hub") == "waiting"


@pytest.mark.parametrize("how", ["depends_on", "adds", "replaces"])
def test_a_parent_named_again_while_its_release_is_pending_is_not_waited_for(
    call: Scripts, how: str
) -> None:
    put(call, "parent", "p")
    for number in range(60):
        put(call, f"d{number:02}", depends=["parent"])
    complete(call, take(call, "p"), "the result")
    assert state(call, "d59") == "depends"

    if how == "depends_on":
        call("depends_on", "d59", ["parent"], {})
    else:
        put(call, "d59", depends=["parent"], adds=how == "adds")
    for _ in range(2):
        call("tick")

    assert state(call, "d59") == "waiting"
    assert job(call, "d59")["parents"] == ["parent"]
    assert call("read/results", ["parent"]) == [["parent", "json", "the result"]]


def test_a_parent_put_again_is_waited_for_by_who_names_it_again(call: Scripts) -> None:
    put(call, "parent", "p")
    for number in range(60):
        put(call, f"d{number:02}", depends=["parent"])
    complete(call, take(call, "p"), "the result")
    put(call, "parent", "p")

    call("depends_on", "d59", ["parent"], {})
    for _ in range(2):
        call("tick")
    assert state(call, "d59") == "depends"
    complete(call, take(call, "p"))

    assert state(call, "d59") == "waiting"


def test_a_job_has_at_most_a_thousand_parents(call: Scripts) -> None:
    for start in range(0, 1001, 100):
        specs: list[Any] = [{"jid": f"p{start + i}", "klass": "K"} for i in range(100)]
        call("put_many", "p", specs, *("{}" for _ in specs))
    put(call, "j", depends=["p0"])
    for start in range(0, 1000, 100):
        call("depends_on", "j", [f"p{start + i}" for i in range(100)], {})

    with pytest.raises(BadArgumentError):
        call("depends_on", "j", ["p1000"], {})

    assert call("depends_off", "j", []) == 0


def test_an_edge_made_after_the_end_of_a_parents_run_waits_for_its_next_run(
    call: Scripts,
) -> None:
    put(call, "parent", "p")
    for i in range(120):
        put(call, f"c{i}", depends=["parent"])
    complete(call, take(call, "p"))
    put(call, "parent", "p")
    late = next(f"c{i}" for i in range(120) if state(call, f"c{i}") == "depends")

    assert call("depends_on", late, ["parent"], {}) == 1
    for _ in range(3):
        call("tick")
    assert counts(call) == {"waiting": 119, "depends": 1}
    complete(call, take(call, "p"))

    assert state(call, late) == "waiting"


@pytest.mark.parametrize("then", ["put", "force_finish", "cancel"])
def test_a_list_of_dependents_survives_what_becomes_of_the_parent(call: Scripts, then: str) -> None:
    put(call, "parent", "p")
    for i in range(120):
        put(call, f"c{i}", depends=["parent"])
    complete(call, take(call, "p"))
    put(call, "parent", "p")
    if then == "cancel":
        call("cancel", ["parent"], "")
    elif then == "force_finish":
        call("force_finish", "parent", "")

    for _ in range(3):
        call("tick")

    assert counts(call) == {"waiting": 120}


def test_a_dependent_put_anew_does_not_wait_for_what_it_waited_for_before(
    call: Scripts,
) -> None:
    put(call, "old", "p")
    put(call, "new", "p")
    put(call, "j", depends=["old"])

    put(call, "j", depends=["new"])
    complete(call, take(call, "p"))

    assert state(call, "j") == "depends"
    assert job(call, "j")["dependencies"] == ["new"]


@pytest.mark.parametrize("way", ["put", "depends_on", "next"])
def test_a_parent_that_was_complete_already_can_be_read_like_any_other(
    call: Scripts, way: str
) -> None:
    put(call, "done", "p")
    complete(call, take(call, "p"), "result")
    put(call, "open", "p")
    if way == "put":
        put(call, "j", depends=["done", "nobody"])
    elif way == "depends_on":
        put(call, "j", depends=["open"])
        assert call("depends_on", "j", ["done"], {}) == 1
        complete(call, take(call, "p"))
    else:
        put(call, "j", "first")
        complete(call, take(call, "first"), next={"queue": "q", "depends": ["done"]})

    view = take(call)
    assert [one for one in view["parents"] if one != "open"] == ["done"]
    call("config_set", "jobs-history", "-1")
    complete(call, view)

    assert not call.redis.exists("{ql}:result:done")


def test_what_a_job_leaves_behind_can_read_its_result(call: Scripts) -> None:
    put(call, "j")
    child = {"jid": "child", "klass": "K", "queue": "after", "depends": ["j"]}

    complete(call, take(call), "result", jobs=[child])

    assert take(call, "after")["parents"] == ["j"]
