"""What follows the end of a job is not lost, late or repeated."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Clock
from tests.lua.steps import complete, counts, fail, jids, job, pop, put, state, take
from tests.script_runner import Scripts


def follow_up(jid: str, queue: str = "x", **options: Any) -> dict[str, Any]:
    return {"jid": jid, "klass": "K", "queue": queue, **options}


def open_batch(call: Scripts, **options: Any) -> None:
    """Open the batch "b" with a call-back "cb" for its end."""
    callback = {"jid": "cb", "klass": "K", "queue": "back", "data": 1}
    call("batch_open", "b", {"on_complete": callback, **options}, "{}")


def ticks(call: Scripts, most: int = 200) -> int:
    """Do all that is due; return how many calls that took."""
    for number in range(1, most + 1):
        if not call("tick")["more"]:
            return number
    pytest.fail(f"after {most} calls there is still something to do")


def put_dependents(call: Scripts, number: int, policy: str = "wait") -> list[str]:
    names = [f"d{at:03}" for at in range(number)]
    for name in names:
        put(call, name, "d", depends=["p"], on_parent_failed=policy)
    return names


def test_follow_ups_join_the_batch_that_closes_with_their_job(call: Scripts) -> None:
    put(call, "owner")
    view = take(call)
    open_batch(call, owner="owner", lease=view["lease"])

    complete(call, view, jobs=[follow_up("member", batch="b")])

    assert call("read/batch", "b")["state"] == "closed"
    assert not call("read/job", "cb")
    complete(call, take(call, "x"))
    assert state(call, "cb") == "waiting"


def test_the_next_queue_can_wait_for_follow_ups(call: Scripts) -> None:
    put(call, "j")

    after = {"queue": "next", "depends": ["child"]}
    assert complete(call, take(call), next=after, jobs=[follow_up("child")])["state"] == "depends"

    complete(call, take(call, "x"))
    assert state(call, "j") == "waiting"


def test_a_completion_passes_its_unique_key_on(call: Scripts) -> None:
    key = {"key": "u", "scope": "running"}
    put(call, "first", unique=key)

    assert complete(call, take(call), jobs=[follow_up("second", unique=key)])["jobs"] == [
        ["second", True]
    ]

    assert put(call, "third", unique=key) == ["second", False]


def test_a_completion_does_not_end_the_window_of_its_unique_key(call: Scripts) -> None:
    key = {"key": "u", "scope": "window", "window": 60_000}
    put(call, "first", unique=key)

    assert complete(call, take(call), jobs=[follow_up("second", unique=key)])["jobs"] == [
        ["first", False]
    ]


def test_dependents_of_a_failed_job_are_treated_one_by_one(call: Scripts) -> None:
    put(call, "p")
    fail(call, take(call))
    put_dependents(call, 200, "fail")

    assert ticks(call) < 10

    assert len(call("read/failed", "parent-failed", 0, 1000)["jids"]) == 200


def test_a_late_dependent_follows_the_policy_that_it_has_when_its_turn_comes(call: Scripts) -> None:
    for parent in ("p", "other"):
        put(call, parent)
    fail(call, take(call))
    put(call, "late", "d", depends=["p", "other"], on_parent_failed="fail")
    call("depends_on", "late", ["p"], {"on_parent_failed": "wait"})

    ticks(call)

    assert state(call, "late") == "depends"


def test_dependents_that_leave_meanwhile_hide_none_of_the_others(call: Scripts) -> None:
    put(call, "p")
    view = take(call)
    names = put_dependents(call, 200, "fail")
    fail(call, view)
    ticks(call)
    call("unfail", "q", "g", 1)
    view = take(call)
    for name in names[150:]:
        call("requeue", "d", name, "", "", {})
    fail(call, view)

    call("cancel", names[:100], "")
    call("cancel", names[100:150], "")
    ticks(call)

    assert counts(call, "d") == {}


def test_dependents_are_released_though_the_clock_was_set_back(call: Scripts, clock: Clock) -> None:
    put(call, "p")
    put_dependents(call, 150)
    clock.advance(7200)
    complete(call, take(call))

    clock.advance(-3600)
    call("tick")
    ticks(call)

    assert counts(call, "d") == {"waiting": 150}


def test_a_call_back_is_put_however_late_somebody_looks(call: Scripts, clock: Clock) -> None:
    call("config_set", "jobs-history", "0")
    put(call, "p")
    put_dependents(call, 400)
    open_batch(call)
    put(call, "member", "m", batch="b")
    call("batch_close", "b")
    parent, member = take(call), take(call, "m")
    complete(call, parent)
    complete(call, member)

    clock.advance(3 * 86400)
    ticks(call)

    assert state(call, "cb") == "waiting"


def test_a_batch_stays_open_as_long_as_its_owner_may_go_on(call: Scripts, clock: Clock) -> None:
    call("config_set", "jobs-history", "0")
    put(call, "owner")
    view = take(call)
    open_batch(call, owner="owner", lease=view["lease"])
    fail(call, view)

    for _ in range(3):
        clock.advance(86400)
        ticks(call)

    call("unfail", "q", "g", 1)
    put(call, "member", "m", batch="b")
    assert job(call, "member")["batch"] == "b"


def test_a_large_job_is_not_kept_twice_for_a_resend(call: Scripts) -> None:
    put(call, "j", data="x" * 500_000)

    first = call("pop", ["q"], "w", 1, {"nonce": "w"}, request="lane:1:0")

    assert call.redis.strlen("{ql}:request:lane:0") < 1000
    assert call("pop", ["q"], "w", 1, {"nonce": "w"}, request="lane:1:0") == first


def test_a_resent_pop_leaves_out_what_was_lost_meanwhile(call: Scripts) -> None:
    for jid in ("lost", "kept"):
        put(call, jid)
    call("pop", ["q"], "w", 2, {"nonce": "w"}, request="lane:1:0")
    call("timeout", ["lost"])

    again = call("pop", ["q"], "w", 2, {"nonce": "w"}, request="lane:1:0")

    assert jids(again["jobs"]) == ["kept"]
    assert jids(pop(call)) == ["lost"]


def test_the_first_request_of_a_lane_is_unknown_until_it_was_made(call: Scripts) -> None:
    assert call("read/request", "lane:0:0")["state"] == "unknown"


def test_a_recurring_job_that_is_due_at_once_wakes_a_worker(call: Scripts) -> None:
    call("recur", "soon", "r", "K", "{}", 60_000, 0, {})
    call("recur", "later", "s", "K", "{}", 60_000, 60_000, {})

    keys = ("{ql}:queue:soon:wake", "{ql}:queue:later:wake")
    assert [call.redis.exists(key) for key in keys] == [1, 0]
