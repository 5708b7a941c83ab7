"""A queue with a large backlog leaves time for the maintenance of all other queues."""

from __future__ import annotations

from tests.conftest import Clock
from tests.lua.steps import counts, put, state, take
from tests.script_runner import Scripts


def test_large_backlogs_do_not_keep_other_queues_waiting(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    for number in range(15):
        call("recur", f"busy{number}", f"r{number}", "K", "{}", 10, 10, {})
    put(call, "lost", "a")
    take(call, "a")
    put(call, "later", "b", delay=3000)
    clock.advance(3600)

    for _ in range(5):
        assert call("tick")["more"]

    assert state(call, "lost") == "waiting"
    assert counts(call, "b") == {"waiting": 1}
    assert state(call, "later") == "waiting"


def test_a_queue_in_line_is_not_forgotten_when_the_clock_is_set_back(
    call: Scripts, clock: Clock
) -> None:
    for number in range(200):
        put(call, f"j{number}", delay=1000)
    clock.advance(7200)
    call("tick")
    assert counts(call)["waiting"] == 200
    assert call.redis.zcard("{ql}:queue:q:scheduled") > 100

    clock.advance(-3600)
    for _ in range(20):
        call("tick")

    assert call.redis.zcard("{ql}:queue:q:scheduled") == 0
