"""Users of one queue: turns by weight, priority and age within a user, limits per user."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import redis as redis_py

from qless_py.errors import BadArgumentError
from tests.conftest import Clock
from tests.lua.steps import complete, counts, jids, job, ms, pop, put, state, take
from tests.lua.test_parked_jobs import commands, woken
from tests.lua.test_throttles import limit
from tests.properties import tiny_limits
from tests.script_runner import Scripts


def put_for(call: Scripts, user: str, number: int, queue: str = "q", **options: Any) -> None:
    """Put jobs of one user, or without a user, in calls of a hundred."""
    own = {"user": user} if user else {}
    for start in range(0, number, 100):
        size = min(100, number - start)
        specs = [{"jid": f"{user or 'nobody'}-{start + i}", "klass": "K"} for i in range(size)]
        call("put_many", queue, [one | own | options for one in specs], *("{}" for _ in specs))


def users_of(views: list[dict[str, Any]]) -> Counter[str]:
    return Counter(str(view.get("user", "nobody")) for view in views)


def test_users_take_turns_whoever_came_first(call: Scripts) -> None:
    put_for(call, "ada", 50)
    put_for(call, "bob", 50)
    put_for(call, "", 50)

    assert users_of(pop(call, 30)) == {"ada": 10, "bob": 10, "nobody": 10}
    for _ in range(30):
        pop(call)
    assert counts(call) == {"waiting": 90, "running": 60}
    assert users_of(pop(call, 90)) == {"ada": 30, "bob": 30, "nobody": 30}


def test_weights_are_shares(call: Scripts) -> None:
    weights = {"ada": 4.0, "bob": 2.5, "cyd": 1.0, "dan": 0.5}
    for user, weight in weights.items():
        call("user_set", user, {"weight": weight})
        put_for(call, user, 400)

    got = sum((users_of(pop(call, 16)) for _ in range(40)), Counter[str]())

    for user, weight in weights.items():
        assert abs(got[user] - 640 * weight / 8) <= 1 + weight


def test_a_weight_can_be_changed_and_counts_from_the_next_job_on(call: Scripts) -> None:
    put_for(call, "ada", 200)
    put_for(call, "bob", 200)
    assert users_of(pop(call, 20)) == {"ada": 10, "bob": 10}

    call("user_set", "ada", {"weight": 3})

    got = users_of(pop(call, 80))
    assert 58 <= got["ada"] <= 61
    assert call("user_unset", "ada") is True
    got = users_of(pop(call, 40))
    assert 19 <= got["ada"] <= 21


def test_who_was_away_gets_no_credit_and_nobody_waits_for_what_he_had(call: Scripts) -> None:
    put_for(call, "ada", 300)
    pop(call, 100)
    put_for(call, "bob", 100)

    assert users_of(pop(call, 20)) == {"ada": 10, "bob": 10}


def test_who_had_more_while_alone_owes_it_to_nobody_later(call: Scripts) -> None:
    put_for(call, "ada", 100)
    pop(call, 100)
    put_for(call, "bob", 10)
    put_for(call, "ada2", 10)
    for i in range(10):
        put(call, f"again{i}", user="ada")

    assert users_of(pop(call, 9)) == {"ada": 3, "bob": 3, "ada2": 3}


def test_an_empty_queue_keeps_no_record_of_turns(call: Scripts) -> None:
    put_for(call, "ada", 30)
    put_for(call, "bob", 3)
    for view in pop(call, 100):
        complete(call, view)

    assert pop(call) == []

    assert call.redis.exists("{ql}:queue:q:finish") == 0
    assert call.redis.hget("{ql}:meta", "fair:q") == b"0"


def test_a_queue_that_is_never_empty_remembers_a_bounded_number_of_users(
    redis: redis_py.Redis, clock: Clock
) -> None:
    call = Scripts(redis, clock, library=tiny_limits.library())
    call("throttle_set", "closed", {"concurrency": 0})
    put(call, "parked", user="u", throttles=["closed"])
    for number in range(20):
        put(call, f"j{number}", user=f"user{number}")
        while jids(views := pop(call)) != [f"j{number}"]:
            pass
        complete(call, views[0])

    assert redis.zcard("{ql}:queue:q:finish") <= tiny_limits.LIMITS["remembered"] + 2
    # Nobody who waits for a turn loses it to those who were served before.
    for number in range(6):
        put(call, f"first{number}", user=f"user{number}")
        put(call, f"second{number}", user=f"user{number}")
    came: list[str] = []
    while len(came) < 12:
        came += jids(pop(call))
    assert sorted(jid[:5] for jid in came[:6]) == ["first"] * 6


def rest(call: Scripts, queues: list[str]) -> list[str]:
    """Pop until nothing more is to be done at once; return what came."""
    came: list[str] = []
    for _ in range(100):
        reply = call("pop", queues, "w", 9, {})
        came += jids(reply["jobs"])
        if not reply["more"] and not reply["jobs"]:
            return came
    message = "there is always more to do"
    raise AssertionError(message)


@pytest.mark.parametrize("settings", [{"concurrency": 1}, {"rate": 1, "per": 5000, "burst": 1}])
def test_a_user_at_its_limit_in_many_queues_keeps_no_worker_busy(
    redis: redis_py.Redis, clock: Clock, settings: dict[str, Any]
) -> None:
    call = Scripts(redis, clock, library=tiny_limits.library())
    call("throttle_set", "user:u", settings)
    queues = [f"q{number}" for number in range(6)]
    for queue in queues:
        put(call, f"j-{queue}", queue, user="u")

    came: list[str] = []
    for _ in queues:
        came += rest(call, queues)
        complete(call, job(call, came[-1]))
        # Another one has taken the place of the first before the queues are looked at.
        clock.advance(5)

    assert sorted(came) == [f"j-{queue}" for queue in queues]


def test_users_whose_jobs_cost_too_much_keep_no_worker_busy_and_are_woken_once_they_may_run(
    redis: redis_py.Redis, clock: Clock
) -> None:
    call = Scripts(redis, clock, library=tiny_limits.library())
    call("throttle_set", "x", {"rate": 1000, "burst": 10})
    for number in range(8):
        put(call, f"j{number}", user=f"u{number}", throttles=["x"], costs={"x": 2 + number % 2})
    call("throttle_set", "x", {"rate": 1000, "burst": 1})
    assert rest(call, ["q"]) == []

    call("throttle_set", "x", {"rate": 1000, "burst": 2})
    came: list[str] = []
    for _ in range(10):
        came += rest(call, ["q"])
        clock.advance(1)

    assert sorted(came) == ["j0", "j2", "j4", "j6"]


def test_priority_and_age_hold_inside_one_user(call: Scripts, clock: Clock) -> None:
    put(call, "a1", user="ada")
    put(call, "a2", user="ada", priority=1)
    put(call, "b1", user="bob", priority=100)
    clock.advance(1)
    put(call, "a3", user="ada", priority=1)
    put(call, "b2", user="bob", priority=50)
    call("priority", "b2", "200")

    order = jids(pop(call, 9))

    assert [jid for jid in order if jid[0] == "a"] == ["a2", "a3", "a1"]
    assert [jid for jid in order if jid[0] == "b"] == ["b2", "b1"]
    assert order[:2] in (["a2", "b2"], ["b2", "a2"])


def test_a_lost_lease_goes_first_inside_its_user(call: Scripts, clock: Clock) -> None:
    put_for(call, "ada", 3)
    take(call)
    put(call, "ada-high", user="ada", priority=9)
    clock.advance(61)
    pop(call, 1, "elsewhere")
    clock.advance(10)

    assert jids(pop(call, 1)) == ["ada-0"]


def test_peek_shows_the_order_of_turns(call: Scripts) -> None:
    call("user_set", "ada", {"weight": 2})
    for user in ("ada", "bob", ""):
        put_for(call, user, 20)
    pop(call, 7)

    shown = jids(call("read/peek", "q", 0, 25))

    assert jids(call("read/peek", "q", 10, 5)) == shown[10:15]
    assert jids(pop(call, 25)) == shown


def test_no_more_jobs_of_a_user_run_than_allowed_in_all_queues(call: Scripts) -> None:
    call("user_set", "ada", {"max_running": 3})
    put_for(call, "ada", 10)
    put(call, "elsewhere", "other", user="ada")
    put_for(call, "bob", 4)

    views = pop(call, 20)

    assert users_of(views) == {"ada": 3, "bob": 4}
    assert pop(call, 9, "other") == []
    woken(call, "other")
    complete(call, next(view for view in views if view["user"] == "ada"))
    assert (woken(call), woken(call, "other")) == (True, True)
    assert jids(pop(call, 9, "other")) == ["elsewhere"]
    assert pop(call, 9) == []


def test_a_user_who_is_held_back_is_not_asked_again_in_vain(call: Scripts) -> None:
    call("user_set", "ada", {"max_running": 1})
    put_for(call, "ada", 500)
    put_for(call, "bob", 60)
    pop(call, 2)
    before = commands(call)
    pop(call, 10)
    cost = commands(call) - before

    put_for(call, "ada2", 0)
    put(call, "ada-more", user="ada", priority=9)
    before = commands(call)
    assert users_of(pop(call, 10)) == {"bob": 10}

    assert abs(commands(call) - before - cost) <= 8
    assert counts(call)["waiting"] == 539


def test_a_crowd_of_users_at_their_limits_hides_nobody_whose_turn_is_later(call: Scripts) -> None:
    call("user_set", "late", {"weight": 0.01})
    put_for(call, "late", 1)
    for number in range(70):
        call("user_set", f"user{number}", {"max_running": 1})
        put_for(call, f"user{number}", 2)
    assert len(pop(call, 71)) == 71
    put(call, "last", user="late")

    reply = call("pop", ["q"], "w", 1, {})
    assert (jids(reply["jobs"]), reply["more"]) == ([], True)
    assert jids(pop(call)) == ["last"]
    assert not call("pop", ["q"], "w", 1, {})["more"]


def test_raising_and_dropping_max_running_lets_jobs_go(call: Scripts) -> None:
    call("user_set", "ada", {"max_running": 1})
    put_for(call, "ada", 10)
    assert len(pop(call, 9)) == 1
    assert pop(call, 9) == []

    assert call("user_set", "ada", {"max_running": 4}) == {"max_running": 4}
    assert len(pop(call, 9)) == 3
    assert call("user_set", "ada", {"max_running": False, "weight": 2}) == {"weight": 2}
    assert len(pop(call, 9)) == 6


def test_the_slots_of_a_user_come_back_with_lost_leases(call: Scripts, clock: Clock) -> None:
    call("user_set", "ada", {"max_running": 1})
    put_for(call, "ada", 2, retries=0)
    take(call)
    assert pop(call) == []

    clock.advance(61)
    assert pop(call) == []
    clock.advance(10)

    assert jids(pop(call)) == ["ada-1"]


def test_a_user_parked_on_a_throttle_keeps_turns_with_others(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    put_for(call, "ada", 20, throttles=["x"])
    put_for(call, "bob", 20, throttles=["x"])
    order: list[str] = []
    while len(order) < 12:
        (view,) = pop(call, 5)
        order.append(view["user"])
        complete(call, view)

    assert Counter(order) == {"ada": 6, "bob": 6}


def test_users_are_listed_with_what_they_have(call: Scripts, clock: Clock) -> None:
    call("user_set", "ada", {"weight": 2, "max_running": 1})
    clock.advance(1)
    call("user_set", "bob", {"max_running": 0})
    put_for(call, "ada", 3)
    put_for(call, "cyd", 2)
    put_for(call, "", 4)
    pop(call, 4)

    assert call("read/users", "", "", 9) == {"total": 2, "users": [
        {"user": "ada", "weight": 2, "max_running": 1, "running": 1},
        {"user": "bob", "weight": 1, "max_running": 0, "running": 0},
    ]}  # fmt: skip
    found = call("read/users", "q", "", 9)
    assert (found["total"], found["others"]) == (2, 2)
    assert {row["user"]: row["waiting"] for row in found["users"]} == {"ada": 2, "cyd": 1}
    assert call("read/user", "ada", "q")["waiting"] == 2
    assert call("user_unset", "bob") is True
    assert call("user_unset", "bob") is False
    assert call("read/users", "", "", 9)["total"] == 1


@pytest.mark.parametrize("options", [
    {}, {"weight": float("nan")}, {"weight": 0}, {"weight": -1}, {"weight": "2"},
    {"weight": 1e300}, {"max_running": -1}, {"max_running": 0.5}, {"strange": 1},
])  # fmt: skip
def test_settings_that_make_no_sense_are_rejected(call: Scripts, options: dict[str, Any]) -> None:
    with pytest.raises(BadArgumentError):
        call("user_set", "ada", options)

    assert call.redis.dbsize() == 0


def test_a_crowd_of_users_costs_a_pop_no_more_than_a_few_do(call: Scripts) -> None:
    def cost_of_a_pop() -> int:
        before = commands(call)
        assert len(pop(call, 5)) == 5
        return commands(call) - before

    for i in range(40):
        put(call, f"few{i}", user=f"few{i}")
    pop(call, 5)
    few = cost_of_a_pop()
    for start in range(0, 1000, 100):
        specs = [{"jid": f"j{i}", "klass": "K", "user": f"u{i}"} for i in range(start, start + 100)]
        call("put_many", "q", specs, *("{}" for _ in specs))
    pop(call, 5)

    assert cost_of_a_pop() <= few + 5


def test_jobs_of_users_show_in_counts_and_listings(call: Scripts, clock: Clock) -> None:
    put(call, "stalls", user="ada")
    take(call)
    put(call, "plain")
    put(call, "mine", user="ada")
    put(call, "later", user="bob", delay=500)
    call("timeout", ["stalls"])
    clock.advance(1)

    assert counts(call) == {"waiting": 3, "stalled": 1}
    listed = call("read/state", "waiting", "q", 0, 9)
    assert (listed["total"], listed["jids"]) == (3, ["plain", "mine", "later"])
    assert call("read/state", "waiting", "q", 1, 1)["jids"] == ["mine"]
    assert call("read/state", "stalled", "q", 0, 9)["jids"] == ["stalls"]
    assert call("read/length", "q") == 4
    assert state(call, "stalls") == "stalled"


def test_depth_and_age_of_the_head_count_jobs_of_users(call: Scripts, clock: Clock) -> None:
    put(call, "old", user="ada")
    clock.advance(120)
    put(call, "new")
    clock.advance(60)
    put(call, "newest", user="bob")

    series = call("read/series", "q", 0, ms(call), "minute")

    assert [(row["depth"], row["head_age"]) for row in series][1:] == [(2, 120_000), (3, 180_000)]


def test_a_queue_without_users_is_taken_in_plain_order(call: Scripts) -> None:
    put(call, "a")
    pop(call)
    before = commands(call)
    put(call, "b")
    pop(call)
    plain = commands(call) - before

    # Another queue with users is no concern of this one.
    put_for(call, "ada", 5, "other")
    before = commands(call)
    put(call, "c")
    pop(call)

    assert commands(call) - before == plain
    assert call.redis.hexists("{ql}:meta", "fair:q") is False
