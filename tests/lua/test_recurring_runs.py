"""What a recurring job remembers of its last runs, and ticks that come while a child still runs."""

from __future__ import annotations

from typing import Any

from tests.conftest import Clock
from tests.lua.steps import complete, fail, jids, ms, pop, take
from tests.script_runner import Scripts


def recur(call: Scripts, **options: Any) -> None:
    """Make the recurring job `r`, which ticks every 60 s, now for the first time."""
    call("recur", "q", "r", "K", "{}", 60_000, 0, options)


def runs(call: Scripts) -> list[list[int]]:
    found: list[list[int]] = call("read/job", "r").get("runs", [])
    return found


def test_the_last_twenty_runs_are_remembered(call: Scripts, clock: Clock) -> None:
    recur(call)
    start = ms(call)
    for number in range(1, 26):
        assert jids(pop(call, 9)) == [f"r-{number}"]
        clock.advance(60)

    assert runs(call) == [[number, start + (number - 1) * 60_000] for number in range(6, 26)]


def test_a_manual_run_is_one_of_them_and_a_replaced_schedule_keeps_them(
    call: Scripts, clock: Clock
) -> None:
    recur(call)
    take(call)
    clock.advance(5)
    assert call("recur_run", "r") == "r-2"
    known = runs(call)
    assert [number for number, _ in known] == [1, 2]
    assert known[1][1] - known[0][1] == 5000

    recur(call, priority=3)

    assert runs(call) == known


def test_with_overlap_skip_no_child_is_put_while_one_has_not_ended(
    call: Scripts, clock: Clock
) -> None:
    recur(call, overlap="skip", limit=3)
    first = take(call)
    started = ms(call)
    for _ in range(3):
        clock.advance(60)
        assert pop(call) == []
        call("heartbeat", "r-1", first["lease"], "")
    assert runs(call) == [[1, started], [0, started + 180_000, 3]]
    assert call("read/job", "r")["count"] == 1

    complete(call, first)
    clock.advance(60)
    second = take(call)
    assert second["jid"] == "r-2"
    fail(call, second)
    clock.advance(60)
    assert take(call)["jid"] == "r-3"

    # Ticks without a child do not count towards the limit.
    assert [number for number, *_ in runs(call)] == [1, 0, 2, 3]
    assert call("read/job", "r")["over"] is True


def test_a_waiting_child_has_not_ended_and_the_option_can_be_changed(
    call: Scripts, clock: Clock
) -> None:
    recur(call)
    call("tick")
    call("recur_update", "r", "", {"overlap": "skip"})
    clock.advance(60)
    call("tick")
    assert [number for number, *_ in runs(call)] == [1, 0]

    call("recur_update", "r", "", {"overlap": "allow"})
    clock.advance(60)
    call("tick")

    assert "overlap" not in call("read/job", "r")
    assert [number for number, *_ in runs(call)] == [1, 0, 2]
