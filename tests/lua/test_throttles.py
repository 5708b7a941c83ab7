"""Throttles: concurrency, rates, several at once, blocks, and slots that are returned."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import BadArgumentError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts


def limit(call: Scripts, throttle: str, **options: Any) -> Any:
    return call("throttle_set", throttle, options)


def read(call: Scripts, throttle: str) -> dict[str, Any]:
    found: dict[str, Any] = call("read/throttle", throttle, 0, 100)
    return found


def put_some(call: Scripts, number: int, *throttles: str, **options: Any) -> None:
    for i in range(number):
        put(call, f"j{i}", throttles=list(throttles), **options)


def next_in(call: Scripts, queue: str = "q") -> int | None:
    """Check that nothing can be popped; return the time until the next check."""
    reply = call("pop", [queue], "w", 1, {"nonce": "w"})
    assert reply["jobs"] == []
    found: int | None = reply.get("next")
    return found


def test_no_more_run_at_once_than_the_concurrency(call: Scripts) -> None:
    limit(call, "x", concurrency=2)
    put_some(call, 5, "x")

    views = pop(call, 5)

    assert jids(views) == ["j0", "j1"]
    assert pop(call, 5) == []
    assert counts(call) == {"running": 2, "throttled": 3}
    complete(call, views[1])
    assert jids(pop(call, 5)) == ["j2"]


def test_a_throttle_without_limits_holds_nothing_back_and_still_knows_its_holders(
    call: Scripts,
) -> None:
    put_some(call, 3, "x", user="ada")
    assert len(pop(call, 2)) == 2

    limit(call, "x", concurrency=2)
    call("user_set", "ada", {"max_running": 2})

    assert pop(call, 9) == []
    assert read(call, "x")["holding"] == 2
    assert read(call, "user:ada")["holding"] == 2


def test_one_job_of_several_throttles_needs_all_of_them(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    limit(call, "y", concurrency=1)
    put(call, "holds-y", throttles=["y"])
    held = take(call)
    put(call, "both", throttles=["x", "y"])
    assert pop(call) == []

    # It took nothing of x, so that is there for others.
    put(call, "free", throttles=["x"])
    assert jids(pop(call)) == ["free"]
    assert read(call, "x")["holding"] == 1
    complete(call, held)
    assert pop(call) == []
    assert state(call, "both") == "throttled"


def test_the_slot_of_a_dead_holder_comes_back_when_its_lease_is_lost(
    call: Scripts, clock: Clock
) -> None:
    limit(call, "x", concurrency=1)
    put(call, "dead", throttles=["x"], retries=0)
    put(call, "next", throttles=["x"])
    take(call)

    clock.advance(61)
    assert pop(call) == []
    clock.advance(10)

    assert jids(pop(call)) == ["next"]
    assert state(call, "dead") == "failed"


def test_a_reported_death_gives_the_slot_back_at_once(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    put_some(call, 2, "x")
    take(call, worker="dies")

    call("worker_died", "dies", "dies", "j0", "killed")

    # What was lost goes first.
    assert jids(pop(call, 2)) == ["j0"]


@pytest.mark.parametrize("verb", ["complete", "fail", "retry", "release", "snooze", "timeout",
                                  "cancel", "force_finish", "put"])  # fmt: skip
def test_whatever_ends_a_run_gives_the_slot_back(call: Scripts, verb: str) -> None:
    limit(call, "x", concurrency=1)
    put_some(call, 2, "x")
    view = take(call)
    held = [view["jid"], view["lease"]]
    arguments: dict[str, list[Any]] = {
        "complete": [*held, "", "", {}], "fail": [*held, "g", "m", ""], "retry": [*held, "5", {}],
        "release": held, "snooze": [*held, "5"], "timeout": [["j0"]], "cancel": [["j0"], ""],
        "force_finish": ["j0", ""], "put": ["other", "j0", "K", "{}", {}],
    }  # fmt: skip

    call(verb, *arguments[verb])

    assert read(call, "x")["holding"] == 0
    assert len(pop(call, 2)) == 1


def test_a_queue_has_a_throttle_of_its_own(call: Scripts) -> None:
    limit(call, "queue:q", concurrency=2)
    put_some(call, 4)
    put(call, "other", "elsewhere")

    views = pop(call, 4)

    assert (jids(views), counts(call)) == (["j0", "j1"], {"running": 2, "waiting": 2})
    assert next_in(call) == 60_000
    assert len(pop(call, 1, "elsewhere")) == 1
    complete(call, views[0])
    assert call.redis.exists("{ql}:queue:q:wake") == 1
    assert jids(pop(call, 4)) == ["j2"]


def test_a_rate_lets_the_burst_start_and_then_one_at_a_time(call: Scripts, clock: Clock) -> None:
    limit(call, "x", rate=2, burst=3)
    put_some(call, 9, "x")

    assert jids(pop(call, 9)) == ["j0", "j1", "j2"]
    assert next_in(call) == 500
    clock.advance(0.499)
    assert next_in(call) == 1
    clock.advance(0.001)
    assert jids(pop(call, 9)) == ["j3"]
    clock.advance(100)
    assert len(pop(call, 9)) == 3


def test_no_window_of_time_sees_more_than_burst_and_rate_allow(call: Scripts, clock: Clock) -> None:
    limit(call, "x", rate=7, per=1000, burst=4)
    put_some(call, 60, "x")
    starts: list[float] = []

    while len(starts) < 60:
        reply = call("pop", ["q"], "w", 5, {"nonce": "w"})
        starts += [clock.now] * len(reply["jobs"])
        clock.advance(0.001 * (1 + len(starts) * 37 % 400))

    for first in range(60):
        for last in range(first, 60):
            assert last - first + 1 <= 4 + 7 * (starts[last] - starts[first]) + 1e-6


def test_a_job_takes_what_it_costs(call: Scripts, clock: Clock) -> None:
    limit(call, "x", rate=1, burst=10)
    put_some(call, 3, "x", costs={"x": 4})

    assert len(pop(call, 3)) == 2
    assert read(call, "x")["tokens"] == 2
    assert next_in(call) == 2000
    clock.advance(2)
    assert len(pop(call, 3)) == 1


def test_a_queue_and_a_user_have_rates_too(call: Scripts, clock: Clock) -> None:
    limit(call, "queue:q", rate=1, burst=3)
    limit(call, "user:ada", rate=1, per=10_000)
    put_some(call, 2, user="ada")
    put_some(call, 0)
    put(call, "free1")
    put(call, "free2")
    put(call, "free3")

    assert sorted(jids(pop(call, 9))) == ["free1", "free2", "j0"]
    assert next_in(call) == 1000
    clock.advance(1)
    assert jids(pop(call, 9)) == ["free3"]
    assert next_in(call) == 9000
    clock.advance(9)
    assert jids(pop(call, 9)) == ["j1"]


def test_costs_beyond_the_burst_are_rejected(call: Scripts) -> None:
    limit(call, "x", rate=1, burst=5)
    before = call.redis.execute_command("DEBUG", "DIGEST")

    with pytest.raises(BadArgumentError, match="costs 10 of throttle x, which holds at most 5"):
        put(call, "j", throttles=["x"], costs={"x": 10})

    assert call.redis.execute_command("DEBUG", "DIGEST") == before


@pytest.mark.parametrize("options", [
    {"costs": {"x": 1}}, {"throttles": ["y"], "costs": {"x": 1}},
    {"throttles": ["x"], "costs": {"x": float("nan")}}, {"throttles": ["queue:q"]},
    {"user": True}, {"user": "a b"},
])  # fmt: skip
def test_claims_that_make_no_sense_are_rejected(call: Scripts, options: dict[str, Any]) -> None:
    with pytest.raises(BadArgumentError):
        put(call, "j", **options)

    assert call.redis.dbsize() == 0


@pytest.mark.parametrize("options", [
    {}, {"concurrency": -1}, {"concurrency": 1.5}, {"concurrency": float("nan")}, {"rate": 0},
    {"rate": -1}, {"rate": float("inf")}, {"burst": 5}, {"concurrency": 1, "per": 5},
    {"rate": 1, "burst": 0}, {"rate": 1, "per": 0}, {"strange": 1},
])  # fmt: skip
def test_limits_that_make_no_sense_are_rejected(call: Scripts, options: dict[str, Any]) -> None:
    with pytest.raises(BadArgumentError):
        limit(call, "x", **options)

    assert call.redis.dbsize() == 0


def test_what_a_put_does_not_give_is_kept_and_what_it_gives_replaces(call: Scripts) -> None:
    put(call, "j", throttles=["x", "y"], costs={"x": 2, "y": 3}, user="ada")

    put(call, "j")
    assert (job(call, "j")["throttles"], job(call, "j")["user"]) == (["x", "y"], "ada")
    put(call, "j", throttles=["y"])
    assert job(call, "j")["costs"] == {"y": 3}
    put(call, "j", throttles=[], user=False)

    left = job(call, "j")
    assert {"throttles", "costs", "user"} & left.keys() == set()
    assert jids(pop(call)) == ["j"]


def test_a_changed_limit_counts_what_runs_and_keeps_what_the_bucket_holds(call: Scripts) -> None:
    limit(call, "x", concurrency=5, rate=1, burst=6)
    put_some(call, 8, "x")
    assert len(pop(call, 4)) == 4

    shown = limit(call, "x", concurrency=5, rate=1, burst=10)
    assert (shown["tokens"], shown["burst"], shown["holding"]) == (2, 10, 4)
    assert len(pop(call, 9)) == 1
    assert limit(call, "x", concurrency=9, rate=1, burst=0.5)["tokens"] == 0.5
    assert pop(call, 9) == []
    assert "rate" not in limit(call, "x", concurrency=9)
    assert len(pop(call, 9)) == 3


def test_concurrency_zero_stops_everything(call: Scripts) -> None:
    limit(call, "x", concurrency=0)
    put_some(call, 2, "x")

    assert next_in(call) == 60_000
    limit(call, "x", concurrency=1)
    assert len(pop(call, 2)) == 1


def test_a_slot_taken_by_force_lets_another_start(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    put_some(call, 3, "x")
    view = take(call)

    assert call("throttle_release", "x", ["j0", "j1", "nobody"]) == 1
    assert call("throttle_release", "x", ["j0"]) == 0

    assert jids(pop(call, 9)) == ["j1"]
    assert job(call, "j0")["excused"] == ["x"]
    complete(call, view)
    # It had no slot to give back.
    assert pop(call, 9) == []


def test_a_job_can_be_excused_from_the_limit_of_its_queue(call: Scripts) -> None:
    limit(call, "queue:q", concurrency=1)
    put_some(call, 3)
    first = take(call)

    assert call("throttle_release", "queue:q", ["j0", "j1"]) == 1
    assert jids(pop(call, 9)) == ["j1"]
    assert read(call, "queue:q")["holders"] == [["j1", ms(call) + 60_000]]
    complete(call, first)

    assert pop(call, 9) == []
    assert call.redis.exists("{ql}:throttle:queue:q:excused") == 0


def test_a_block_lets_nothing_start_until_its_end(call: Scripts, clock: Clock) -> None:
    put_some(call, 2, "x")

    assert call("throttle_block", "x", "5000") == ms(call) + 5000
    assert next_in(call) == 5000
    clock.advance(4.999)
    assert next_in(call) == 1
    clock.advance(0.001)

    assert len(pop(call, 9)) == 2
    assert call("read/throttles", "", 9)["total"] == 0


def test_a_block_can_be_lifted(call: Scripts) -> None:
    limit(call, "x", concurrency=1)
    call("throttle_block", "x", "5000")
    put_some(call, 2, "x")
    assert pop(call) == []

    assert call("throttle_block", "x", "0") == 0

    assert len(pop(call, 9)) == 1
    assert "blocked_until" not in read(call, "x")


def test_a_job_backs_off_for_all_that_share_its_throttle(call: Scripts, clock: Clock) -> None:
    put(call, "first", throttles=["api"], priority=1)
    put_some(call, 2, "api")
    put(call, "free")
    view = take(call)

    assert call("back_off", "first", view["lease"], "3000", "") == ["api"]

    assert jids(pop(call, 9)) == ["free"]
    assert next_in(call) == 3000
    clock.advance(3)
    assert jids(pop(call, 9)) == ["first", "j0", "j1"]
    assert job(call, "first")["retries"] == 5
    assert "left" not in job(call, "first")
    assert "backed-off" in whats(call, "first")


def test_a_job_without_throttles_backs_off_for_its_queue(call: Scripts, clock: Clock) -> None:
    put(call, "a")
    put(call, "b")
    view = take(call)

    assert call("back_off", "a", view["lease"], "3000", "") == ["queue:q"]

    assert next_in(call) == 3000
    clock.advance(3)
    assert jids(pop(call, 9)) == ["a", "b"]


def test_a_shorter_block_does_not_end_a_longer_one(call: Scripts) -> None:
    put_some(call, 2, "api", user="ada")
    first, second = pop(call, 2)
    call("back_off", "j0", first["lease"], "9000", "api")

    call("back_off", "j1", second["lease"], "1000", "api")

    assert read(call, "api")["blocked_until"] == ms(call) + 9000


@pytest.mark.parametrize("throttle", ["other", "user:bob", "queue:other", "user:ada/"])
def test_a_job_backs_off_for_its_own_throttles_only(call: Scripts, throttle: str) -> None:
    put(call, "j", throttles=["api"], user="ada")
    view = take(call)

    with pytest.raises(BadArgumentError):
        call("back_off", "j", view["lease"], "1000", throttle)
    assert state(call, "j") == "running"
    assert call("back_off", "j", view["lease"], "1000", "user:ada") == ["user:ada"]


def test_throttles_can_be_inspected(call: Scripts, clock: Clock) -> None:
    limit(call, "x", concurrency=1)
    clock.advance(1)
    limit(call, "y", rate=5, per=60_000)
    put_some(call, 3, "x")
    pop(call, 2)

    found = read(call, "x")
    assert (found["concurrency"], found["holding"], found["parked"]) == (1, 1, 2)
    assert (found["holders"], found["waiting"]) == ([["j0", ms(call)]], ["j1", "j2"])
    assert call("read/throttle", "x", 1, 1)["waiting"] == ["j2"]
    listed = call("read/throttles", "", 10)
    assert (listed["total"], [row["throttle"] for row in listed["throttles"]]) == (2, ["x", "y"])
    assert listed["throttles"][1]["burst"] == 5
    assert read(call, "unknown") == {
        "throttle": "unknown", "holding": 0, "parked": 0, "holders": [], "waiting": []
    }  # fmt: skip


def test_changes_of_throttles_are_published(call: Scripts, published: Published) -> None:
    limit(call, "x", concurrency=1)
    call("throttle_block", "x", "50")
    call("throttle_release", "x", ["nobody"])
    call("throttle_delete", "x")
    call("user_set", "ada", {"weight": 2})
    call("user_unset", "ada")

    assert [text for _, text in published()] == [
        "throttle_set", "throttle_blocked", "throttle_released", "throttle_deleted", "user_set",
        "user_unset",
    ]  # fmt: skip


def test_a_clock_set_back_stops_neither_rates_nor_blocks_for_long(
    call: Scripts, clock: Clock
) -> None:
    limit(call, "x", rate=1, burst=1)
    call("throttle_block", "y", "5000")
    put_some(call, 3, "x")
    put(call, "blocked", throttles=["y"])
    assert jids(pop(call, 9)) == ["j0"]

    clock.advance(-86_400)
    for _ in range(5):
        call("tick")
    clock.advance(1)
    assert jids(pop(call, 9)) == ["j1"]
    clock.advance(4)
    assert sorted(jids(pop(call, 9))) == ["blocked", "j2"]
