"""Recurring jobs: their slots, their children, and every change to them."""

from __future__ import annotations

import pytest

from qless_py.errors import AlreadyExistsError, BadArgumentError, JobNotFoundError
from tests.conftest import Clock
from tests.lua.steps import complete, counts, jids, job, ms, pop, put, take
from tests.script_runner import Scripts


def recur(call: Scripts, interval: int = 60, offset: int = 0, **options: object) -> None:
    """Make the recurring job `r`; times in seconds."""
    call("recur", "q", "r", "K", '{"n":1}', interval * 1000, offset * 1000, options)


def drain(call: Scripts, queue: str = "q") -> list[str]:
    """Pop and complete every ready job."""
    views = pop(call, 100, queue)
    for view in views:
        complete(call, view)
    return jids(views)


def test_children_have_what_the_recurring_job_says(call: Scripts, clock: Clock) -> None:
    recur(call, offset=10, priority=3, tags=["t"], codec="msgpack")
    assert pop(call) == []
    clock.advance(10)

    view = take(call)

    assert (view["jid"], view["klass"], view["data"]) == ("r-1", "K", b'{"n":1}')
    assert (view["priority"], view["tags"], view["retries"]) == (3, ["t"], 0)
    assert (view["codec"], view["spawned_from"]) == ("msgpack", "r")


def test_a_recurring_job_shows_its_fields(call: Scripts) -> None:
    recur(call, 60, 5, backlog=2, retries=4)

    view = call("read/job", "r")

    assert (view["state"], view["queue"], view["interval"]) == ("recur", "q", 60_000)
    assert (view["count"], view["backlog"], view["retries"]) == (0, 2, 4)
    assert view["next"] == ms(call) + 5000
    assert counts(call) == {"recurring": 1}
    page = call("read/recurring", "q", 0, 10)
    assert (page["total"], jids(page["jobs"])) == (1, ["r"])
    assert call("read/state", "recurring", "q", 0, 10)["jids"] == ["r"]


def test_every_interval_makes_one_child_however_many_pop(call: Scripts, clock: Clock) -> None:
    recur(call)

    assert [jids(pop(call, 9, worker=name)) for name in ("a", "b")] == [["r-1"], []]
    clock.advance(59.999)
    assert pop(call) == []
    clock.advance(0.001)

    assert jids(pop(call, 9)) == ["r-2"]


def test_missed_intervals_are_made_up_for_at_their_own_times(call: Scripts, clock: Clock) -> None:
    recur(call)
    start = ms(call)
    clock.advance(599)

    views = pop(call, 100)

    assert jids(views) == [f"r-{n}" for n in range(1, 11)]
    assert [view["put_at"] for view in views] == [start + n * 60_000 for n in range(10)]
    assert [view["history"][0][1] for view in views] == [view["put_at"] for view in views]


def test_a_backlog_bounds_what_is_made_up_for(call: Scripts, clock: Clock) -> None:
    recur(call, backlog=1)
    start = ms(call)
    clock.advance(600)

    views = pop(call, 100)

    assert [(view["jid"], view["put_at"] - start) for view in views] == [
        ("r-1", 540_000),
        ("r-2", 600_000),
    ]


def test_an_age_of_missed_intervals_is_made_up_for_in_bounded_steps(
    call: Scripts, clock: Clock
) -> None:
    recur(call, interval=1)
    clock.advance(120)

    replies = [call("tick") for _ in range(3)]

    assert [reply["more"] for reply in replies] == [True, True, False]
    assert counts(call)["waiting"] == 121


def test_a_child_waits_since_its_slot(call: Scripts, clock: Clock) -> None:
    recur(call)
    clock.advance(30)
    put(call, "put-later")

    assert jids(pop(call, 9)) == ["r-1", "put-later"]
    assert call("read/stats", "q", "")["wait"]["mean"] == 15_000


def test_a_repeated_recur_replaces_all_but_the_number_of_children(
    call: Scripts, clock: Clock
) -> None:
    recur(call, tags=["t"], priority=2)
    drain(call)

    call("recur", "other", "r", "Other", "[]", 10_000, 0, {"retries": 1})

    assert counts(call) == {}
    view = take(call, "other")
    assert (view["jid"], view["klass"], view["data"]) == ("r-2", "Other", b"[]")
    assert (view["retries"], view.get("tags"), view.get("priority")) == (1, None, None)
    clock.advance(10)
    assert jids(pop(call, 9, "other")) == ["r-3"]


def test_a_child_never_overwrites_a_job_that_exists(call: Scripts, clock: Clock) -> None:
    recur(call)
    live = take(call)
    call("recur_cancel", "r")
    recur(call)

    (second,) = pop(call, 9)

    assert second["jid"] != "r-1"
    complete(call, live)
    clock.advance(60)
    assert len({second["jid"], *jids(pop(call, 9))}) == 2


def test_a_jid_of_a_job_cannot_recur_and_must_leave_room_for_a_number(call: Scripts) -> None:
    put(call, "r")

    with pytest.raises(AlreadyExistsError):
        recur(call)
    with pytest.raises(BadArgumentError):
        call("recur", "q", "r" * 101, "K", "{}", 1000, 0, {})

    call("recur", "q", "r" * 100, "K", "{}", 1000, 0, {})
    assert len(jids(pop(call, 9))) == 2


def test_the_jid_of_a_recurring_job_is_taken(call: Scripts) -> None:
    recur(call, offset=5)
    spec = {"jid": "r", "klass": "K", "queue": "q"}

    with pytest.raises(AlreadyExistsError, match="Recurring job r exists"):
        put(call, "r")
    with pytest.raises(AlreadyExistsError):
        call("put_many", "q", [{"jid": "a", "klass": "K"}, spec], "{}", "{}")
    assert put(call, "r", on_conflict="ignore") == ["r", False]
    put(call, "other", "o")
    assert complete(call, take(call, "o"), jobs=[spec])["jobs"] == [["r", False]]

    assert counts(call) == {"recurring": 1}
    assert call("read/job", "r")["state"] == "recur"


def test_a_child_never_takes_the_jid_of_a_recurring_job(call: Scripts) -> None:
    call("recur", "other", "r-1", "K", "{}", 60_000, 60_000, {})
    recur(call)

    (child,) = pop(call, 9)

    assert child["jid"] != "r-1"
    assert call("read/job", "r-1")["state"] == "recur"


def test_an_update_touches_only_children_to_come(call: Scripts, clock: Clock) -> None:
    recur(call, tags=["a", "b"])
    call("tick")
    changes = {"priority": 5, "retries": 2, "klass": "Other", "backlog": 3,
               "add_tags": ["c"], "remove_tags": ["a"]}  # fmt: skip

    assert call("recur_update", "r", "[]", changes) is True

    assert (job(call, "r-1")["klass"], job(call, "r-1")["tags"]) == ("K", ["a", "b"])
    clock.advance(60)
    call("tick")
    view = job(call, "r-2")
    assert (view["klass"], view["data"], view["priority"]) == ("Other", b"[]", 5)
    assert (view["retries"], view["tags"]) == (2, ["b", "c"])
    assert call("read/job", "r")["backlog"] == 3


def test_an_update_that_says_nothing_changes_nothing(call: Scripts) -> None:
    recur(call, offset=9, codec="msgpack", tags=["t"], priority=1)
    before = call("read/job", "r")

    call("recur_update", "r", "", {})

    assert call("read/job", "r") == before


def test_a_new_interval_moves_the_next_slot_by_the_difference(call: Scripts, clock: Clock) -> None:
    recur(call)
    drain(call)
    call("recur_update", "r", "", {"interval": 10_000})
    clock.advance(60)

    assert len(pop(call, 100)) == 6


def test_an_update_can_move_the_job_to_another_queue(call: Scripts, clock: Clock) -> None:
    recur(call)
    drain(call)

    call("recur_update", "r", "", {"queue": "other"})

    assert (counts(call), counts(call, "other")) == ({}, {"recurring": 1})
    assert "other" in [row["name"] for row in call("read/queues", 0, 10)["queues"]]
    clock.advance(60)
    assert (pop(call), jids(pop(call, 9, "other"))) == ([], ["r-2"])


def test_a_paused_one_makes_nothing_and_goes_on_with_the_first_slot_to_come(
    call: Scripts, clock: Clock
) -> None:
    recur(call)
    start = ms(call)
    call("recur_update", "r", "", {"paused": True})
    clock.advance(150)
    assert (pop(call), counts(call)) == ([], {"recurring": 1})
    assert call("read/job", "r")["next"] == start

    call("recur_update", "r", "", {"paused": False})

    assert call("read/job", "r")["next"] == start + 180_000
    assert pop(call) == []
    clock.advance(30)
    assert jids(pop(call, 9)) == ["r-1"]


def test_a_paused_one_resumed_in_time_keeps_its_slot(call: Scripts, clock: Clock) -> None:
    recur(call, offset=30)
    call("recur_update", "r", "", {"paused": True, "queue": "other"})
    call("recur_update", "r", "", {"paused": True, "interval": 70_000})
    clock.advance(10)
    call("recur_update", "r", "", {"paused": False})

    assert call("read/job", "r")["next"] == ms(call) + 30_000


def test_a_child_can_be_put_at_once_beside_the_slots(call: Scripts, clock: Clock) -> None:
    recur(call, offset=5)
    assert call("recur_run", "r") == "r-1"
    assert jids(pop(call, 9)) == ["r-1"]
    call("recur_update", "r", "", {"paused": True})
    assert call("recur_run", "r") == "r-2"
    call("recur_update", "r", "", {"paused": False})
    clock.advance(5)

    assert jids(pop(call, 9)) == ["r-2", "r-3"]


def test_a_canceled_one_leaves_its_children(call: Scripts, clock: Clock) -> None:
    recur(call)
    call("tick")

    assert call("recur_cancel", "r") is True
    assert call("recur_cancel", "r") is False

    clock.advance(1000)
    assert (counts(call), jids(pop(call, 9))) == ({"waiting": 1}, ["r-1"])
    assert call("read/job", "r") is False


@pytest.mark.parametrize("verb", ["recur_update", "recur_run"])
def test_what_does_not_recur_cannot_be_changed_or_run(call: Scripts, verb: str) -> None:
    put(call, "j")
    for jid in ("nobody", "j"):
        with pytest.raises(JobNotFoundError):
            call(verb, jid, *(["", {}] if verb == "recur_update" else []))


def test_a_tracked_child_is_one_that_was_tracked_before(call: Scripts, clock: Clock) -> None:
    recur(call)
    call("tick")
    call("track", "r-1")
    complete(call, take(call))
    clock.advance(60)
    call("tick")

    assert (job(call, "r-1")["tracked"], job(call, "r-2").get("tracked")) == (True, None)


def test_peek_makes_no_children(call: Scripts) -> None:
    recur(call)

    assert call("read/peek", "q", 0, 10) == []
    assert call("read/job", "r")["count"] == 0


def test_a_schedule_whose_limit_is_spent_is_refused_unless_a_deployment_declares_it(
    call: Scripts, clock: Clock
) -> None:
    call("recur", "q", "r", "K", "{}", 1000, 0, {"limit": 2})
    clock.advance(10)
    call("tick")

    with pytest.raises(BadArgumentError, match="its limit of 2 was reached"):
        call("recur", "q", "r", "K", "{}", 1000, 0, {"limit": 2})
    with pytest.raises(BadArgumentError, match="its limit of 1 was reached"):
        call("recur", "q", "r", "K", "{}", 1000, 0, {"limit": 1})

    call("recur", "q", "r", "K", "{}", 1000, 0, {"limit": 2, "upsert": True})
    assert call("read/job", "r")["over"] is True
    call("recur", "q", "r", "K", "{}", 1000, 0, {"limit": 3})
    clock.advance(10)
    call("tick")
    assert call("read/length", "q") == 3
