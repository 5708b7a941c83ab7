"""Throttled jobs are parked: they cost other pops nothing and return once they may run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Clock
from tests.lua.steps import complete, counts, fail, jids, job, ms, pop, put, state, take
from tests.lua.test_bounded_work import put_many
from tests.lua.test_retention import settle
from tests.lua.test_throttles import limit, next_in, put_some, read
from tests.script_runner import Scripts


def commands(call: Scripts) -> int:
    """Count the commands that scripts have made."""
    stats = call.redis.info("commandstats")
    return sum(int(one["calls"]) for one in stats.values())


def woken(call: Scripts, queue: str = "q") -> bool:
    """Return whether an idle worker of the queue has been woken since this was last asked."""
    return call.redis.delete(f"{{ql}}:queue:{queue}:wake") == 1


def park(call: Scripts, number: int, queue: str = "q", **options: Any) -> None:
    """Park jobs on x, which one holds; the first one is parked by its turn, the others at once."""
    limit(call, "x", concurrency=1)
    put(call, f"{queue}-runs", queue, throttles=["x"])
    put(call, f"{queue}-first", queue, throttles=["x"])
    assert len(pop(call, 1, queue)) == 1
    pop(call, 1, queue)
    put_many(call, number, queue, throttles=["x"], **options)


def test_any_number_of_parked_jobs_costs_a_free_one_nothing(call: Scripts) -> None:
    def cost_of_a_free_one() -> int:
        put(call, "free")
        before = commands(call)
        assert jids(pop(call)) == ["free"]
        return commands(call) - before

    park(call, 10)
    few = cost_of_a_free_one()
    call("cancel", ["free"], "")
    put_many(call, 1000, throttles=["x"])

    assert cost_of_a_free_one() == few
    assert counts(call)["throttled"] == 1001


def test_a_crowd_that_came_before_its_limit_was_reached_is_parked_in_steps(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    put_many(call, 450, throttles=["x"])
    put(call, "free")

    replies: list[Any] = []
    while not replies or replies[-1]["more"]:
        replies.append(call("pop", ["q"], "w", 2, {"nonce": "w"}))

    # The gate is shut by the first refusal, so each look is short, and each call is bounded.
    assert [one["jid"] for reply in replies for one in reply["jobs"]] == ["q-0", "free"]
    assert len(replies) <= 6
    assert counts(call) == {"running": 2, "throttled": 449}


def test_what_is_parked_shows_in_listings(call: Scripts, clock: Clock) -> None:
    park(call, 2)
    clock.advance(1)
    put(call, "last", throttles=["x"])

    found = call("read/state", "throttled", "q", 1, 10)
    assert (found["total"], found["jids"][-1]) == (4, "last")
    assert call("read/length", "q") == 5
    assert (state(call, "q-first"), job(call, "q-first")["gate"]) == ("throttled", "x")


@pytest.mark.parametrize("room", ["slot", "tokens", "block", "deleted"])
def test_listings_show_parked_jobs_as_waiting_once_they_may_run(
    call: Scripts, clock: Clock, room: str
) -> None:
    settings = {"tokens": {"rate": 2, "burst": 2}, "block": {"concurrency": 9}}
    limit(call, "x", **settings.get(room, {"concurrency": 2}))
    put_some(call, 6, "x", user="u")
    held = pop(call, 2)
    if room == "block":
        call("throttle_block", "x", 1000)
    assert pop(call) == []
    running = len(held)
    assert counts(call) == {"running": running, "throttled": 6 - running}
    before = call("read/state", "throttled", "q", 0, 10)["jids"]

    if room == "slot":
        complete(call, held[0])
        running -= 1
    elif room == "deleted":
        call("throttle_delete", "x")
    else:
        clock.advance(1)

    free = {"slot": 1, "tokens": 2, "block": 4, "deleted": 4}[room]
    parked = 4 - free
    shown = {"running": running, "waiting": free, "throttled": parked}
    assert counts(call) == {name: number for name, number in shown.items() if number}
    assert call("read/queues", 0, 9)["queues"][0]["waiting"] == free
    waiting = call("read/state", "waiting", "q", 0, 10)
    assert (waiting["total"], waiting["jids"]) == (free, before[:free])
    rest = call("read/state", "throttled", "q", 0, 10)
    assert (rest["total"], rest["jids"]) == (parked, before[free:])
    assert call("read/state", "throttled", "q", 1, 1)["jids"] == before[free + 1 : free + 2]
    assert jids(pop(call, 9)) == before[:free]


def test_a_parked_job_that_its_list_lacks_breaks_no_listing(call: Scripts, clock: Clock) -> None:
    limit(call, "x", rate=2, burst=2)
    put_some(call, 6, "x")
    pop(call, 2)
    assert pop(call) == []
    first, second, *parked = call("read/state", "throttled", "q", 0, 10)["jids"]
    call.redis.copy("{ql}:queue:q:throttled", "kept")
    call.redis.zrem("{ql}:queue:q:throttled", first)

    clock.advance(1)
    assert call("read/state", "waiting", "q", 0, 10)["jids"] == [first, second]
    assert call("read/state", "throttled", "q", 0, 10)["jids"] == parked

    call.redis.rename("kept", "{ql}:queue:q:throttled")


def test_listings_of_a_paused_queue_show_what_is_parked(call: Scripts) -> None:
    park(call, 2)
    call("pause", ["q"], {})
    complete(call, job(call, "q-runs"))

    assert counts(call) == {"throttled": 3}


def test_who_gives_a_slot_back_wakes_a_worker(call: Scripts) -> None:
    park(call, 1)
    woken(call)

    complete(call, job(call, "q-runs"))

    assert woken(call)
    assert jids(pop(call, 9)) == ["q-first"]


def test_a_slot_wakes_all_queues_whose_jobs_wait_for_it(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    put(call, "runs", "a0", throttles=["x"])
    take(call, "a0")
    queues = [f"a{number}" for number in range(12)]
    for queue in queues:
        put(call, f"j-{queue}", queue, throttles=["x"])
        pop(call, 1, queue)
        woken(call, queue)

    complete(call, job(call, "runs"))
    assert sum(woken(call, queue) for queue in queues) == 5
    settle(call)

    assert sum(woken(call, queue) for queue in queues) == 7
    done = 0
    for _ in queues:
        views = call("pop", queues, "w", 9, {"nonce": "w"})["jobs"]
        assert len(views) == 1
        complete(call, views[0])
        done += 1
        settle(call)
    assert done == 12


def test_more_throttles_open_at_once_than_one_call_looks_into(call: Scripts) -> None:
    names = [f"x{number}" for number in range(25)]
    for name in names:
        limit(call, name, concurrency=0)
        put(call, f"j-{name}", throttles=[name])
    pop(call, 9)
    for name in names:
        limit(call, name, concurrency=1)

    came: list[str] = []
    more = True
    while more:
        reply = call("pop", ["q"], "w", 100, {"nonce": "w"})
        came, more = came + jids(reply["jobs"]), reply["more"]

    assert sorted(came) == sorted(f"j-{name}" for name in names)


@pytest.mark.parametrize("tick", [0, 0.001])
def test_each_of_many_open_throttles_has_its_turn(
    call: Scripts, clock: Clock, tick: float
) -> None:
    """Also where the throttles that a pop looks at first are opened again and again."""
    names = [f"x{number:02}" for number in range(25)]
    for name in names:
        limit(call, name, concurrency=0)
        for each in range(5):
            put(call, f"{name}-{each}", throttles=[name])
    put(call, "urgent", throttles=[names[-1]], priority=100)
    while call("pop", ["q"], "w", 9, {"nonce": "w"})["more"]:
        pass
    for name in names:
        limit(call, name, concurrency=2)
        clock.advance(tick)

    came = []
    for _ in range(4):
        view = take(call)
        came.append(view["jid"])
        complete(call, view)
        clock.advance(tick)

    # The last throttle is looked at by the third pop, whatever is opened again meanwhile.
    assert "urgent" in came
    assert len(came) == 4


def test_the_next_look_is_at_the_very_instant_for_the_earliest_of_several(
    call: Scripts, clock: Clock
) -> None:
    limit(call, "x", rate=1, per=3000, burst=1)
    limit(call, "y", rate=1, per=7000, burst=1)
    for throttle in ("x", "y"):
        put(call, f"{throttle}1", throttles=[throttle])
        put(call, f"{throttle}2", throttles=[throttle])
    pop(call, 2)

    waited: list[int] = []
    came: list[str] = []
    while len(came) < 2:
        reply = call("pop", ["q"], "w", 9, {"nonce": "w"})
        came += jids(reply["jobs"])
        waited.append(reply["next"])
        clock.advance(reply["next"] / 1000)

    assert (came, waited) == (["x2", "y2"], [3000, 4000, 53_000])


def test_the_next_look_is_not_forgotten_while_a_round_over_many_queues_goes_on(
    call: Scripts, clock: Clock
) -> None:
    limit(call, "x", rate=1)
    for number in range(7):
        for each in range(3):
            put(call, f"{number}-{each}", f"q{number}", throttles=["x"])
        pop(call, 1, f"q{number}")
    clock.advance(1)

    reply = call("pop", ["q1"], "w", 2, {"nonce": "w"})
    assert (jids(reply["jobs"]), reply["more"]) == (["1-0"], True)
    # The round ends without checking again what has just found too few tokens.
    assert next_in(call, "other") == 1000
    clock.advance(1)

    assert jids(pop(call, 2, "q1")) == ["1-1"]


def test_tokens_that_arrive_during_a_round_open_the_queues_shut_since_it_began(
    call: Scripts, clock: Clock
) -> None:
    queues = [f"q{number}" for number in range(1, 8)]
    limit(call, "x", rate=2, burst=2)
    for queue in queues:
        for each in range(6 if queue == "q1" else 1):
            put(call, f"{queue}-{each}", queue, throttles=["x"])
    call("pop", queues, "w", 2, {"nonce": "w"})
    call("pop", queues, "w", 10, {"nonce": "w"})
    clock.advance(1)
    # q1 is opened and shut again; q6 and q7 are left for the rest of the round.
    assert len(pop(call, 10, "q1")) == 2

    clock.advance(5)
    assert call("tick")["more"]
    for queue in queues[1:]:
        clock.advance(2)
        assert len(pop(call, 1, queue)) == 1

    clock.advance(2)
    assert len(pop(call, 1, "q1")) == 1


def test_raising_a_limit_over_a_crowd_is_bounded_work(call: Scripts) -> None:
    park(call, 1000)
    before = commands(call)

    limit(call, "x", concurrency=2000)
    assert commands(call) - before < 50

    before = commands(call)
    assert len(pop(call, 100)) == 100
    assert commands(call) - before < 1500


def test_a_deleted_throttle_lets_its_crowd_go_at_once_and_moves_it_in_steps(
    call: Scripts,
) -> None:
    park(call, 300)

    assert call("throttle_delete", "x") is True
    # What is not moved yet is popped all the same.
    assert len(pop(call, 100)) == 100
    settle(call)

    assert counts(call) == {"running": 101, "waiting": 201}
    assert call("throttle_delete", "x") is False


def test_priority_and_age_hold_among_parked_jobs_and_those_that_join_them(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    put(call, "runs", throttles=["x"], priority=9)
    put(call, "old", throttles=["x"])
    held = take(call)
    pop(call)
    put(call, "late", throttles=["x"])
    put(call, "urgent", throttles=["x"], priority=5)
    put(call, "later", throttles=["x"])
    call("priority", "later", "7")

    order: list[str] = []
    while len(order) < 4:
        complete(call, held)
        held = take(call)
        order.append(held["jid"])

    assert order == ["later", "urgent", "old", "late"]


def test_a_job_given_back_keeps_its_age_before_those_that_are_parked(call: Scripts) -> None:
    park(call, 2)

    assert call("release", "q-runs", job(call, "q-runs")["lease"]) == "waiting"

    assert jids(pop(call, 9)) == ["q-runs"]


def test_parked_jobs_can_be_canceled_moved_tagged_and_put_again(call: Scripts) -> None:
    park(call, 5)

    call("cancel", ["q-0"], "")
    call("put", "other", "q-1", "K", "{}", {})
    call("requeue", "q", "q-2", "", "", {"throttles": []})
    call("tag", "q-3", ["t"])
    call("timeout", ["q-runs"])

    assert state(call, "q-1") == "waiting"
    assert counts(call) == {"throttled": 3, "waiting": 1, "stalled": 1}
    assert call("read/tagged", "t", 0, 9)["jids"] == ["q-3"]
    assert jids(pop(call, 9)) == ["q-runs", "q-2"]


def test_an_empty_gate_is_no_gate(call: Scripts) -> None:
    park(call, 1)
    call("cancel", ["q-first", "q-0"], "")

    put(call, "new", throttles=["x"])

    assert state(call, "new") == "waiting"
    assert read(call, "x")["parked"] == 0


def test_failed_jobs_come_back_to_the_place_where_they_are_parked(call: Scripts) -> None:
    put(call, "bad", throttles=["x"])
    fail(call, take(call))
    park(call, 1)

    call("unfail", "q", "g", "5")

    assert state(call, "bad") == "throttled"
    assert "bad" in call("read/state", "throttled", "q", 0, 9)["jids"]


def test_promoted_jobs_and_follow_ups_are_parked_as_well(call: Scripts, clock: Clock) -> None:
    park(call, 1)
    put(call, "later", throttles=["x"], delay=1000)
    put(call, "leads", "other")
    follow_up = {"jid": "follows", "klass": "K", "queue": "q", "throttles": ["x"], "user": "ada"}
    complete(call, take(call, "other"), jobs=[follow_up])
    clock.advance(1)
    pop(call)

    assert (state(call, "later"), state(call, "follows")) == ("throttled", "throttled")
    call("throttle_delete", "x")
    assert set(jids(pop(call, 9))) == {"q-first", "q-0", "later", "follows"}


def test_a_paused_queue_keeps_what_it_may_have_from_nobody(call: Scripts) -> None:
    park(call, 1)
    put(call, "other", "other", throttles=["x"])
    pop(call, 1, "other")
    call("pause", ["q"], {})

    complete(call, job(call, "q-runs"))

    assert jids(pop(call, 9, "other")) == ["other"]
    call("unpause", ["q"])
    assert pop(call, 9) == []


def test_who_is_rejected_too_often_gets_room_kept(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    limit(call, "y", concurrency=1)
    put(call, "x0", throttles=["x"])
    put(call, "y0", throttles=["y"])
    pop(call, 2)
    put(call, "both", throttles=["x", "y"], priority=5)
    pop(call)

    # There is always someone who wants only one of the two.
    for number in range(1, 30):
        put(call, f"x{number}", throttles=["x"])
        put(call, f"y{number}", throttles=["y"])
        running = call("read/state", "running", "q", 0, 9)["jids"]
        complete(call, job(call, running[number % len(running)]))
        pop(call, 9)
        if state(call, "both") == "running":
            break

    assert 5 <= number <= 20
    assert "reserved" not in read(call, "x")


def keep_room(call: Scripts) -> None:
    """Refuse a job of x and y five times, so that x has room kept for it and nobody else."""
    call("config_set", "heartbeat", "1000")
    limit(call, "x", concurrency=1)
    limit(call, "y", concurrency=0)
    put(call, "both", throttles=["x", "y"])
    assert pop(call) == []
    for number in range(1, 5):
        put(call, f"y{number}", throttles=["y"], priority=1)
        limit(call, "y", concurrency=number)
        assert jids(pop(call, 9)) == [f"y{number}"]
    put(call, "waits", throttles=["x"])
    assert pop(call) == []
    assert read(call, "x")["reserved"] == {"jid": "both", "until": ms(call) + 60_000}


def test_what_is_kept_is_given_up_when_the_job_goes_away(call: Scripts) -> None:
    keep_room(call)

    call("cancel", ["both"], "")

    assert jids(pop(call)) == ["waits"]


def test_a_job_for_which_room_is_kept_gets_it_when_its_other_limit_is_gone(call: Scripts) -> None:
    keep_room(call)

    call("throttle_delete", "y")
    settle(call)

    assert jids(pop(call)) == ["both"]


def test_nothing_is_kept_for_a_job_whose_queue_is_paused(call: Scripts) -> None:
    keep_room(call)
    put(call, "other", "p", throttles=["x"])

    call("pause", ["q"], {})

    assert jids(pop(call, 1, "p")) == ["other"]


def test_a_pause_wakes_those_who_may_have_what_is_kept_for_the_paused_queue(
    call: Scripts, clock: Clock
) -> None:
    keep_room(call)
    put(call, "other", "p", throttles=["x"])
    assert next_in(call, "p") is not None
    woken(call, "p")

    call("pause", ["q"], {})

    assert woken(call, "p")
    assert jids(pop(call, 1, "p")) == ["other"]
    # Once the pause is over, room is kept again.
    put(call, "late", "p", throttles=["x"])
    call("unpause", ["q"])
    complete(call, job(call, "other"))
    assert pop(call, 1, "p") == []


def test_what_is_kept_lapses_and_is_kept_longer_the_next_time(call: Scripts, clock: Clock) -> None:
    keep_room(call)

    clock.advance(60)
    assert jids(pop(call)) == ["waits"]

    complete(call, job(call, "y1"))
    assert pop(call) == []
    assert read(call, "y")["reserved"] == {"jid": "both", "until": ms(call) + 120_000}


def test_a_job_too_dear_for_a_lowered_burst_holds_up_nobody(call: Scripts, clock: Clock) -> None:
    limit(call, "x", rate=1, burst=9)
    put(call, "dear", throttles=["x"], costs={"x": 8}, priority=5)
    put(call, "dearer", throttles=["x"], costs={"x": 9}, priority=6)
    put_some(call, 3, "x")
    limit(call, "x", rate=1, burst=2)

    assert jids(pop(call, 9)) == ["j0", "j1"]
    clock.advance(1)
    assert jids(pop(call, 9)) == ["j2"]
    assert call("pop", ["q"], "w", 9, {"nonce": "w"})["more"] is False
    limit(call, "x", rate=1, burst=8)
    clock.advance(8)

    assert jids(pop(call, 9)) == ["dear"]
    assert state(call, "dearer") == "throttled"
    call("throttle_delete", "x")
    assert jids(pop(call, 9)) == ["dearer"]


def test_a_full_server_goes_on_handing_out_and_parking(call: Scripts, clock: Clock) -> None:
    limit(call, "x", rate=10, burst=2)
    limit(call, "queue:q", concurrency=3)
    call("user_set", "ada", {"max_running": 2})
    put_some(call, 12, "x", user="ada")
    call.redis.config_set("maxmemory", 1)

    done = 0
    for _ in range(40):
        for view in pop(call, 5):
            complete(call, view)
            done += 1
        clock.advance(0.1)
    call.redis.config_set("maxmemory", 0)

    assert done == 12


@pytest.mark.parametrize("verb", ["throttle_block", "throttle_set"])
def test_a_forgotten_queue_keeps_its_throttle_and_its_lanes(call: Scripts, verb: str) -> None:
    limit(call, "queue:q", concurrency=1)
    call("queue_forget", ["q"])
    put_some(call, 2)

    assert len(pop(call, 9)) == 1
    call("throttle_delete", "queue:q")
    call("cancel", ["j1"], "")
    call("queue_forget", ["q"])
    assert call.redis.hexists("{ql}:meta", "fair:q") is False
    call(verb, "queue:q", "5000" if verb == "throttle_block" else {"concurrency": 0})
    put(call, "j3")
    assert pop(call) == []


def test_the_sweep_looks_at_throttles_that_nothing_else_would_wake(
    call: Scripts, clock: Clock
) -> None:
    park(call, 1)
    # As if the wake-up had been lost.
    call.redis.zrem("{ql}:throttle:x:holders", "q-runs")
    assert pop(call) == []

    clock.advance(60)
    settle(call)

    assert jids(pop(call)) == ["q-first"]
    call("complete", "q-runs", job(call, "q-runs")["lease"], "", "", {})


def test_a_job_whose_time_is_over_fails_where_it_would_be_handed_out(
    call: Scripts, clock: Clock
) -> None:
    park(call, 0)
    put(call, "expires", throttles=["x"], user="ada", expires_in=5000)
    put(call, "mine", user="ada", expires_in=5000)
    clock.advance(6)
    complete(call, job(call, "q-runs"))

    assert jids(pop(call, 9)) == ["q-first"]
    complete(call, job(call, "q-first"))
    pop(call, 9)

    assert (state(call, "expires"), state(call, "mine")) == ("failed", "failed")
    assert read(call, "x")["holding"] == 0


def test_a_slot_that_only_the_second_of_two_ends_frees_wakes_who_waits(call: Scripts) -> None:
    limit(call, "x", concurrency=2)
    put_some(call, 4, "x")
    views = pop(call, 3)
    assert len(views) == 2
    limit(call, "x", concurrency=1)
    assert pop(call) == []
    woken(call)

    call("complete_many", [[view["jid"], view["lease"]] for view in views], "", "")

    assert woken(call)
    assert jids(pop(call, 3)) == ["j2"]


def test_each_of_a_crowd_that_ran_before_its_queue_was_limited_wakes_a_worker_by_ending(
    call: Scripts,
) -> None:
    for i in range(131):
        put(call, f"j{i}")
    running = [view for _ in range(13) for view in pop(call, 10)]
    limit(call, "queue:q", concurrency=1)
    assert pop(call) == []
    woken(call)

    quiet = []
    for view in running[:120]:
        complete(call, view)
        if not woken(call):
            quiet.append(view["jid"])
    call("complete_many", [[view["jid"], view["lease"]] for view in running[120:]], *[""] * 10)

    assert quiet == []
    assert woken(call)
    assert jids(pop(call, 3)) == ["j130"]
