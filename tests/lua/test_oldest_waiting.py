"""How long the oldest waiting job of a queue has been ready."""

from __future__ import annotations

from tests.conftest import Clock
from tests.lua.steps import pop, put
from tests.script_runner import Scripts


def age(call: Scripts, queue: str = "q") -> int:
    """Return the age that all queries show."""
    counts = call("read/counts", queue)
    found: int = counts["head_age"]
    rows = [*call("read/queues", 0, 10)["queues"], *call("read/queue_totals", 0, 10)["queues"]]
    assert {row["head_age"] for row in rows if row["name"] == queue} <= {found}
    return found


def test_the_head_of_each_subqueue_shows_how_long_it_waits(call: Scripts, clock: Clock) -> None:
    put(call, "first")
    clock.advance(5)
    put(call, "second")
    clock.advance(2)

    assert [age(call, queue) for queue in ("q", "empty")] == [7000, -1]


def test_the_next_in_line_counts_once_the_first_is_taken(call: Scripts, clock: Clock) -> None:
    put(call, "first")
    clock.advance(5)
    put(call, "second")
    pop(call, 1)
    clock.advance(2)

    assert age(call) == 2000


def test_a_due_job_stands_in_line_before_any_pop(call: Scripts, clock: Clock) -> None:
    put(call, "later", delay=10_000)
    clock.advance(9)
    before = age(call)
    clock.advance(4)

    assert before == -1
    assert age(call) == 3000


def test_jobs_of_users_stand_in_line_too(call: Scripts, clock: Clock) -> None:
    put(call, "of-ann", user="ann")
    clock.advance(3)

    assert age(call) == 3000
