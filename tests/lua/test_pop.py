"""pop: which jobs it returns, in which order, and what its reply contains about later ones."""

from __future__ import annotations

import pytest

from qless_py.errors import DeadWorkerError
from tests.conftest import Clock
from tests.lua.steps import complete, jids, job, ms, pop, put, take
from tests.script_runner import Scripts


def woken(call: Scripts, *queues: str) -> list[str]:
    """Pop the markers that would wake blocked workers."""
    keys = {queue: f"{{ql}}:queue:{queue}:wake" for queue in queues}
    return [queue for queue, key in keys.items() if call.redis.delete(key)]


def test_jobs_of_one_instant_go_out_in_the_order_of_their_arrival(call: Scripts) -> None:
    for jid in ("z", "a", "m"):
        put(call, jid)

    assert jids(pop(call, 3)) == ["z", "a", "m"]


def test_a_higher_priority_goes_first_however_close(call: Scripts, clock: Clock) -> None:
    for jid, priority in (("low", -1), ("some", 0.1), ("more", 0.1000001), ("most", 1e300)):
        put(call, jid, priority=priority)
        clock.advance(1000)

    assert jids(pop(call, 9)) == ["most", "more", "some", "low"]


def test_age_decides_between_equal_priorities(call: Scripts, clock: Clock) -> None:
    put(call, "late", delay=3000)
    clock.advance(1)
    put(call, "early")
    clock.advance(9)
    put(call, "last")

    assert jids(pop(call, 9)) == ["early", "late", "last"]


def test_a_lost_job_goes_before_every_priority(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "lost", priority=-5)
    pop(call)
    put(call, "urgent", priority=1e300)
    clock.advance(60)

    assert jids(pop(call, 2)) == ["lost", "urgent"]


def test_queues_are_served_in_the_order_of_the_call(call: Scripts) -> None:
    for jid, queue in (("a1", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")):
        put(call, jid, queue)

    reply = call("pop", ["c", "b", "a"], "w", 3, {})

    assert jids(reply["jobs"]) == ["c1", "b1", "b2"]
    assert reply["wake"] == [f"{{ql}}:queue:{queue}:wake" for queue in "cba"]


def test_every_queue_gives_leases_of_its_own_length(call: Scripts) -> None:
    call("config_set", "heartbeat", "10")
    call("config_set", "b-heartbeat", "0.5")
    put(call, "in-a", "a")
    put(call, "in-b", "b")

    views = call("pop", ["a", "b"], "w", 2, {})["jobs"]

    assert [view["expires_at"] - ms(call) for view in views] == [10_000, 500]


def test_a_hand_out_is_noted_and_has_a_lease_of_its_own(call: Scripts) -> None:
    put(call, "j")
    first = take(call, worker="n1")
    call("release", "j", first["lease"])

    second = call("pop", ["q"], "w", 1, {})["jobs"][0]

    assert first["lease"].endswith(".n1")
    assert second["lease"].endswith(".-")
    assert second["lease"] != first["lease"]
    assert second["history"][-1] == ["popped", ms(call), {"worker": "w"}]
    assert job(call, "j")["expires_at"] == ms(call) + 60_000
    assert call("read/worker", "w", 0, 10, 100)["jobs"] == ["j"]


def test_a_pop_that_finds_nothing_makes_the_worker_known(call: Scripts, clock: Clock) -> None:
    call("pause", ["q"], {})
    assert pop(call, worker="idle") == []
    clock.advance(5)
    pop(call, worker="later")

    workers = call("read/workers", 0, 10)["workers"]

    assert [(one["name"], one["jobs"]) for one in workers] == [("later", 0), ("idle", 0)]


def test_the_reply_contains_when_something_becomes_due(call: Scripts, clock: Clock) -> None:
    call("recur", "r", "often", "K", "{}", 60_000, 40_000, {})
    put(call, "later", delay=7000)

    soon = call("pop", ["q"], "w", 1, {})
    clock.advance(2)
    sooner = call("tick")

    assert (soon["next"], soon["more"]) == (7000, False)
    assert (sooner["next"], sooner["more"]) == (5000, False)


def test_tick_does_what_is_due_and_hands_out_nothing(call: Scripts, clock: Clock) -> None:
    put(call, "later", delay=1000)
    clock.advance(1)

    call("tick")

    assert job(call, "later")["state"] == "waiting"


def test_the_duties_of_queues_that_nobody_serves_are_done(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "later", "left", delay=1000)
    put(call, "held", "left")
    pop(call, 1, "left")
    call("recur", "left", "often", "K", "{}", 60_000, 5_000, {})
    clock.advance(60)

    pop(call, 1, "busy")

    waiting = call("read/state", "waiting", "left", 0, 10)["jids"]
    assert sorted(waiting) == ["held", "later", "often-1"]


def test_put_wakes_a_worker_and_pop_wakes_the_next_while_work_is_left(call: Scripts) -> None:
    for jid in ("a", "b", "c"):
        put(call, jid)
    assert woken(call, "q") == ["q"]

    pop(call, 2)
    assert woken(call, "q") == ["q"]
    pop(call, 1)

    assert woken(call, "q") == []


def test_a_marker_of_a_queue_that_pop_did_not_reach_is_set_again(call: Scripts) -> None:
    put(call, "a1", "a")
    put(call, "b1", "b")
    woken(call, "a", "b")

    call("pop", ["a", "b"], "w", 1, {})

    assert woken(call, "a", "b") == ["b"]


def test_a_paused_queue_wakes_nobody_for_what_it_does_not_hand_out(call: Scripts) -> None:
    put(call, "a1", "a")
    put(call, "b1", "b")
    call("pause", ["b"], {})
    woken(call, "a", "b")

    call("pop", ["a", "b"], "w", 1, {})

    assert woken(call, "a", "b") == []


def test_work_that_becomes_due_earlier_wakes_a_worker(call: Scripts, clock: Clock) -> None:
    put(call, "far", delay=60_000)
    assert woken(call, "q") == []
    put(call, "near", delay=500)
    assert woken(call, "q") == ["q"]
    clock.advance(60)

    call("tick")

    assert woken(call, "q") == ["q"]


def test_a_process_whose_death_was_reported_gets_nothing(call: Scripts) -> None:
    put(call, "j")
    call("worker_died", "w", "gone", "", "killed")

    with pytest.raises(DeadWorkerError):
        call("pop", ["q"], "w", 1, {"nonce": "gone"})

    assert jids(pop(call, worker="w")) == ["j"]


def test_peek_shows_the_order_of_pop_and_changes_nothing(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "lost", priority=-3)
    pop(call)
    put(call, "due", delay=30_000, priority=1)
    put(call, "low", priority=-1)
    put(call, "high", priority=2)
    put(call, "not-due", delay=90_000)
    clock.advance(60)
    before = call.redis.execute_command("DEBUG", "DIGEST")

    peeked = jids(call("read/peek", "q", 0, 10))
    paged = jids(call("read/peek", "q", 2, 1))
    beyond = call("read/peek", "q", 9, 10)

    assert call.redis.execute_command("DEBUG", "DIGEST") == before
    assert peeked == ["lost", "high", "due", "low"]
    assert (paged, beyond) == (["due"], [])
    assert jids(pop(call, 10)) == peeked


def test_what_was_taken_is_taken(call: Scripts) -> None:
    put(call, "j")

    first, second = pop(call, 5, worker="a"), pop(call, 5, worker="b")

    assert (jids(first), second) == (["j"], [])
    complete(call, first[0])
