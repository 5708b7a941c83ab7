"""fail, retry and unfail: into a failure group and back."""

from __future__ import annotations

import pytest

from qless_py.errors import BadArgumentError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, fail, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts

EXHAUSTED = 'Job exhausted retries in queue "q"'


def test_a_failed_job_has_group_message_worker_and_time(call: Scripts, published: Published) -> None:
    put(call, "j", retries=2)
    call("track", "j")
    view = take(call)
    published()

    assert call("fail", "j", view["lease"], "some group", 'it "broke"', "[]") == "j"

    assert published() == [("log", 'failed j q w some group it "broke"'), ("failed", "j")]
    view = job(call, "j")
    failure = {"group": "some group", "message": 'it "broke"', "when": ms(call), "worker": "w"}
    assert (view["failure"], view["data"], view["queue"]) == (failure, b"[]", "q")
    assert view["history"][-1] == ["failed", ms(call), {"worker": "w", "group": "some group"}]
    assert "left" not in view, "failing costs no retry"
    assert counts(call) == {}


def test_a_group_lists_its_jobs_newest_first(call: Scripts, clock: Clock) -> None:
    for jid in ("a", "b", "c"):
        put(call, jid)
        fail(call, take(call))
        clock.advance(1)
    put(call, "x")
    fail(call, take(call), "other")

    assert call("read/failed", "g", 0, 2) == {"total": 3, "jids": ["c", "b"]}
    assert call("read/failed", "g", 2, 2)["jids"] == ["a"]
    groups = call("read/groups", 0, 10)
    assert groups == {"total": 2, "groups": [["other", 1, ms(call)], ["g", 3, ms(call) - 1000]]}


def test_a_group_that_is_empty_is_gone(call: Scripts) -> None:
    put(call, "j")
    fail(call, take(call))
    call("cancel", ["j"], "")

    assert call("read/groups", 0, 10) == {"total": 0, "groups": []}


def test_a_retry_costs_one_and_is_published(call: Scripts, published: Published) -> None:
    put(call, "j", retries=2)
    call("track", "j")
    view = take(call)
    published()

    assert call("retry", "j", view["lease"], 0, {}) == 1

    assert published() == [("log", "retried j q")]
    view = job(call, "j")
    assert (view["state"], view["left"], view["retries"]) == ("waiting", 1, 2)
    assert "failure" not in view
    assert call("read/worker", "w", 0, 10, 100)["jobs"] == []


def test_a_retry_may_come_later_and_say_why(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    why = {"group": "busy", "message": "try again"}

    call("retry", "j", take(call)["lease"], 5000, why)

    view = job(call, "j")
    assert (view["state"], view["due"]) == ("scheduled", ms(call) + 5000)
    assert view["failure"] == {**why, "when": ms(call), "worker": "w"}
    clock.advance(5)
    assert jids(pop(call)) == ["j"]


@pytest.mark.parametrize(
    ("why", "failure"),
    [
        ({}, ("failed-retries-q", EXHAUSTED, "")),
        ({"group": "tired", "message": "no more"}, ("tired", "no more", "w")),
    ],
)
def test_the_last_retry_fails_the_job(
    call: Scripts, published: Published, why: dict[str, str], failure: tuple[str, str, str]
) -> None:
    put(call, "j", retries=0)
    call("track", "j")
    view = take(call)
    published()

    assert call("retry", "j", view["lease"], 99_000, why) == -1

    view = job(call, "j")
    assert (view["state"], view["left"]) == ("failed", -1)
    shown = view["failure"]
    assert (shown["group"], shown["message"], shown["worker"]) == failure
    assert view["history"][-1] == ["failed", ms(call), {"group": failure[0]}]
    assert published()[0] == ("failed", "j")


def test_a_retry_gives_a_job_a_new_place_among_its_equals(call: Scripts, clock: Clock) -> None:
    put(call, "a")
    view = take(call)
    clock.advance(1)
    put(call, "b")
    clock.advance(1)
    call("retry", "a", view["lease"], 0, {})

    assert jids(pop(call, 2)) == ["b", "a"]


def test_unfail_brings_the_oldest_back_with_all_their_retries(call: Scripts, clock: Clock) -> None:
    for jid in ("a", "b", "c"):
        put(call, jid, priority=3, retries=0)
        call("retry", jid, take(call)["lease"], 0, {"group": "g", "message": "m"})
        clock.advance(1)

    assert call("unfail", "new", "g", 2) == 2

    assert call("read/failed", "g", 0, 10)["jids"] == ["c"]
    view = job(call, "a")
    assert (view["state"], view["queue"], view["priority"]) == ("waiting", "new", 3)
    assert "left" not in view
    assert whats(call, "a")[-1] == "put"
    assert "new" in [row["name"] for row in call("read/queues", 0, 10)["queues"]]
    assert jids(pop(call, 9, "new")) == ["a", "b"]


def test_unfail_of_an_unknown_group_does_nothing(call: Scripts) -> None:
    put(call, "j")
    fail(call, take(call))

    assert call("unfail", "q", "other", 10) == 0
    for count in (0, -1, 101):
        with pytest.raises(BadArgumentError):
            call("unfail", "q", "g", count)

    assert state(call, "j") == "failed"


def test_unfail_is_published_like_a_put(call: Scripts, published: Published) -> None:
    put(call, "j")
    call("track", "j")
    fail(call, take(call))
    published()

    call("unfail", "q", "g", 1)

    assert published() == [("log", "put j q"), ("put", "j")]


def test_a_revived_job_still_waits_for_its_parents(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "child", depends=["parent"], on_parent_failed="fail")
    fail(call, take(call, "p"))
    assert state(call, "child") == "failed"

    call("unfail", "q", "parent-failed", 10)
    assert state(call, "child") == "depends"
    call("unfail", "p", "g", 10)
    complete(call, take(call, "p"))

    assert state(call, "child") == "waiting"


def test_what_a_revived_job_put_before_is_not_put_again(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    put(call, "child", "other", parent="j", lease=view["lease"])
    fail(call, view)
    call("cancel", ["child"], "")
    call("unfail", "q", "g", 1)

    assert put(call, "child", "other", parent="j", lease=take(call)["lease"]) == ["child", False]
