"""Leases: how they are renewed and lost, and what a lost lease costs."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import AlreadyFinishedError, JobNotFoundError, LostLeaseError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, fail, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts

EXHAUSTED = 'Job exhausted retries in queue "q"'


def test_a_lapsed_lease_has_a_grace_period_before_the_job_is_given_away(
    call: Scripts, clock: Clock, published: Published
) -> None:
    put(call, "j")
    call("track", "j")
    take(call, worker="owner")
    published()
    clock.advance(60)

    assert pop(call, worker="other") == []
    lost = "lock_lost j q owner"
    assert published() == [("stalled", "j"), ("worker:owner", lost), ("log", lost)]
    assert (state(call, "j"), job(call, "j")["worker"]) == ("running", "owner")
    assert call("read/worker", "owner", 0, 10, 100)["jobs"] == []
    clock.advance(9.999)
    assert pop(call, worker="other") == []
    clock.advance(0.001)

    assert jids(pop(call, worker="other")) == ["j"]
    assert job(call, "j")["left"] == 4
    assert whats(call, "j") == ["put", "popped", "timed-out", "popped"]


def test_a_lease_holds_until_its_last_millisecond(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j")
    take(call)
    clock.advance(59.999)

    assert pop(call) == []
    clock.advance(0.001)

    assert jids(pop(call)) == ["j"]


@pytest.mark.parametrize("verb", ["complete", "fail", "retry", "release", "snooze", "progress"])
def test_in_its_grace_period_the_owner_may_still(call: Scripts, clock: Clock, verb: str) -> None:
    put(call, "j")
    view = take(call)
    clock.advance(60)
    call("tick")
    arguments: dict[str, tuple[object, ...]] = {
        "complete": ("", "", {}),
        "fail": ("g", "m", ""),
        "retry": (0, {}),
        "snooze": (5,),
        "progress": ("half",),
    }

    call(verb, "j", view["lease"], *arguments.get(verb, ()))

    assert counts(call).get("running", 0) == (1 if verb == "progress" else 0)


def test_a_heartbeat_in_the_grace_period_gives_the_lease_back_in_full(
    call: Scripts, clock: Clock
) -> None:
    put(call, "j")
    view = take(call)
    clock.advance(60)
    call("tick")

    assert call("heartbeat", "j", view["lease"], "") == ms(call) + 60_000
    assert call("read/worker", "w", 0, 10, 100)["jobs"] == ["j"]
    clock.advance(60)

    assert pop(call) == [], "the next loss has a grace period of its own"
    clock.advance(10)
    assert jids(pop(call)) == ["j"]


def test_who_beats_before_anybody_pops_keeps_the_job(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    view = take(call)
    clock.advance(5000)
    assert counts(call) == {"stalled": 1}

    call("heartbeat", "j", view["lease"], "")

    assert counts(call) == {"running": 1}
    assert pop(call) == []


@pytest.mark.parametrize("grace", ["0", "-5"])
def test_without_grace_both_losses_happen_at_once(call: Scripts, clock: Clock, grace: str) -> None:
    call("config_set", "grace-period", grace)
    put(call, "j")
    old = take(call)
    clock.advance(60)

    new = take(call, worker="other")

    assert (new["jid"], new["left"]) == ("j", 4)
    arguments: dict[str, list[Any]] = {"complete": ["", "", {}], "heartbeat": [""], "release": []}
    for verb, more in arguments.items():
        with pytest.raises(LostLeaseError):
            call(verb, "j", old["lease"], *more)
    complete(call, new)


@pytest.mark.parametrize("retries", [0, 2])
def test_a_job_with_n_retries_is_handed_out_n_plus_one_times(
    call: Scripts, clock: Clock, published: Published, retries: int
) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j", retries=retries)
    call("track", "j")
    for _ in range(retries + 1):
        take(call)
        clock.advance(60)
    published()

    assert pop(call) == []

    view = job(call, "j")
    assert (view["state"], view["left"]) == ("failed", -1)
    failure = {"group": "failed-retries-q", "message": EXHAUSTED, "when": ms(call), "worker": "w"}
    assert view["failure"] == failure
    assert view["history"][-1] == ["failed", ms(call), {"group": "failed-retries-q"}]
    lost = "lock_lost j q w"
    assert published() == [
        ("stalled", "j"),
        ("worker:w", lost),
        ("log", lost),
        ("failed", "j"),
        ("log", f"failed j q w failed-retries-q {EXHAUSTED}"),
    ]


def test_lapsed_leases_come_back_also_when_the_queue_is_paused(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j")
    take(call)
    call("pause", ["q"], {})
    clock.advance(60)

    assert pop(call) == []

    assert (state(call, "j"), job(call, "j")["left"]) == ("waiting", 4)


def test_many_lapsed_leases_take_several_calls_and_the_reply_says_more(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "grace-period", "0")
    for i in range(120):
        put(call, f"j{i}")
    pop(call, 100)
    pop(call, 20)
    clock.advance(60)

    replies = [call("tick") for _ in range(3)]

    assert [reply["more"] for reply in replies] == [True, True, False]
    assert counts(call) == {"waiting": 120}


def test_those_that_lapsed_first_go_out_first(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    for jid in ("first", "second"):
        put(call, jid)
        take(call)
        clock.advance(1)
    put(call, "fresh", priority=9)
    clock.advance(60)

    assert jids(pop(call, 3)) == ["first", "second", "fresh"]


def test_a_lost_job_that_is_given_back_unharmed_stands_before_every_priority_again(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j", priority=-1)
    take(call)
    put(call, "other")
    clock.advance(60)
    call("release", "j", take(call)["lease"])

    assert jids(pop(call, 2)) == ["j", "other"]


def test_heartbeat_renews_to_the_full_length_and_may_replace_the_data(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "q-heartbeat", "100")
    put(call, "j")
    view = take(call)
    clock.advance(99)

    assert call("heartbeat", "j", view["lease"], "") == ms(call) + 100_000
    assert job(call, "j")["data"] == b"{}"
    call("heartbeat", "j", view["lease"], "x" * 2000)

    assert len(job(call, "j")["data"]) == 2000
    (worker,) = call("read/workers", 0, 10)["workers"]
    assert worker["seen_at"] == ms(call)


def test_a_heartbeat_returns_why_it_is_rejected(call: Scripts) -> None:
    put(call, "j")
    with pytest.raises(JobNotFoundError, match="Job nobody does not exist"):
        call("heartbeat", "nobody", "1.w", "")
    with pytest.raises(LostLeaseError, match="not currently running: waiting"):
        call("heartbeat", "j", "1.w", "")
    view = take(call, worker="owner")
    with pytest.raises(LostLeaseError, match="given out to another worker: owner"):
        call("heartbeat", "j", view["lease"] + "x", "")
    complete(call, view)

    with pytest.raises(AlreadyFinishedError, match="complete"):
        call("heartbeat", "j", view["lease"], "")


@pytest.mark.parametrize("wanted", ["waiting", "depends", "scheduled", "failed", "complete"])
@pytest.mark.parametrize("verb", ["heartbeat", "complete", "fail", "retry"])
def test_a_job_that_does_not_run_refuses_by_the_name_of_its_state(
    call: Scripts, verb: str, wanted: str
) -> None:
    put(call, "parent", "other")
    options: dict[str, Any] = {"depends": {"depends": ["parent"]}, "scheduled": {"delay": 9}}
    put(call, "j", **options.get(wanted, {}))
    lease = "1.w"
    if wanted in ("failed", "complete"):
        view = take(call)
        lease = view["lease"]
        _ = fail(call, view) if wanted == "failed" else complete(call, view)
    arguments: dict[str, list[Any]] = {
        "heartbeat": [""],
        "complete": ["", "", {}],
        "fail": ["g", "m", ""],
    }

    with pytest.raises(LostLeaseError, match=f"not currently running: {wanted}"):
        call(verb, "j", lease, *arguments.get(verb, [0, {}]))

    assert state(call, "j") == wanted


def test_many_leases_are_renewed_in_one_call_each_answered_for_itself(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "slow-heartbeat", "600")
    for jid, queue in (("a", "q"), ("b", "slow"), ("gone", "q"), ("late", "q")):
        put(call, jid, queue)
    held = {view["jid"]: view["lease"] for view in [*pop(call, 3), *pop(call, 1, "slow")]}
    call("timeout", ["gone"])
    clock.advance(60)
    call("tick")

    pairs = [[jid, held[jid]] for jid in ("a", "b", "gone", "late")]
    replies = call("heartbeat_many", [*pairs, ["nobody", "1.w"]])

    assert replies[:2] == [ms(call) + 60_000, ms(call) + 600_000]
    assert replies[2].startswith("LOSTLEASE ")
    assert replies[3] == ms(call) + 60_000
    assert replies[4].startswith("NOJOB ")
    assert call("heartbeat_many", []) == []
    assert sorted(call("read/worker", "w", 0, 10, 100)["jobs"]) == ["a", "b", "late"]


def test_a_shorter_lease_is_looked_at_in_time(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j")
    view = take(call)
    call("config_set", "heartbeat", "5")
    call("heartbeat", "j", view["lease"], "")
    clock.advance(5)

    assert jids(pop(call)) == ["j"]


def test_a_fractional_grace_period_ends_at_a_whole_millisecond(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "10.0004")
    call("put", "q", "j", "K", "{}", {})
    call("pop", ["q"], "w", 1, {})
    clock.advance(60)

    due_in = call("tick")["next"]

    assert due_in == 10_000
    assert call.redis.zscore("{ql}:queue:q:running", "j") == (clock() + 10) * 1000
