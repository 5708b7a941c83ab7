"""Recurring jobs by cron: clients compute the ticks, the store keeps them."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import BadArgumentError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import counts, jids, ms, pop, put
from tests.script_runner import Scripts

MINUTE = 60_000
DAY = 86_400_000


def every(call: Scripts, step: int, count: int, after: int | None = None) -> list[int]:
    """Return instants in ms, one every `step`."""
    since = ms(call) if after is None else after
    return [since + step * number for number in range(1, count + 1)]


def cron(call: Scripts, ticks: list[int], jid: str = "c", **options: Any) -> None:
    """Make a cron job with these ticks."""
    given = {
        "cron": "* * * * *", "zone": "UTC", "zone_version": "2025b", "after": ms(call),
        "ticks": ticks, **options,
    }  # fmt: skip
    call("recur", "q", jid, "K", "{}", 0, 0, given)


def questions(call: Scripts) -> list[Any]:
    """Pop from a queue without jobs and give what was asked."""
    found: list[Any] = call("pop", ["elsewhere"], "w", 1, {}).get("refill", [])
    return found


def refill(call: Scripts, question: Any, ticks: list[int], **options: Any) -> bool:
    """Answer a question with ticks that follow what is there."""
    after = options.pop("after", question["horizon"])
    taken: bool = call(
        "recur_refill", question["jid"], question["generation"], after, ticks, options
    )
    return taken


def slots(views: list[Any]) -> list[int]:
    return [view["put_at"] for view in views]


def test_every_tick_makes_one_child_at_its_own_time(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 128)
    cron(call, ticks, tags=["t"], priority=2)

    assert pop(call, 9) == []
    clock.advance(60)
    first = pop(call, 9)
    assert pop(call, 9, worker="other") == []
    clock.advance(120)
    others = pop(call, 9)

    assert (jids(first), slots(first)) == (["c-1"], ticks[:1])
    assert (jids(others), slots(others)) == (["c-2", "c-3"], ticks[1:3])
    assert (first[0]["tags"], first[0]["priority"], first[0]["spawned_from"]) == (["t"], 2, "c")


def test_a_cron_job_shows_its_fields(call: Scripts) -> None:
    ticks = every(call, MINUTE, 128)
    cron(call, ticks, misfire="one", limit=500)

    view = call("read/job", "c")

    assert (view["state"], view["cron"], view["zone"]) == ("recur", "* * * * *", "UTC")
    assert (view["next"], view["ticks"], view["ahead"]) == (ticks[0], ticks[:10], 128)
    assert (view["misfire"], view["limit"], view["zone_version"]) == ("one", 500, "2025b")
    assert counts(call) == {"recurring": 1}
    assert call("read/recurring", "q", 0, 9)["jobs"][0]["next"] == ticks[0]


def test_a_pop_asks_for_ticks_when_there_are_few_and_only_then(call: Scripts, clock: Clock) -> None:
    cron(call, every(call, MINUTE, 97))
    assert questions(call) == []
    clock.advance(120)

    call("tick")
    (question,) = questions(call)

    assert (question["jid"], question["ahead"]) == ("c", 95)
    assert question["horizon"] == every(call, MINUTE, 95)[-1]
    assert (question["cron"], question["zone"]) == ("* * * * *", "UTC")


def test_one_client_is_asked_and_another_one_when_it_has_not_answered(
    call: Scripts, clock: Clock
) -> None:
    cron(call, every(call, MINUTE, 3))

    assert [len(questions(call)) for _ in range(3)] == [1, 0, 0]
    clock.advance(10)
    assert [len(questions(call)) for _ in range(2)] == [1, 0]


def test_only_the_first_answer_counts(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 200)
    cron(call, ticks[:3])
    (question,) = questions(call)

    taken = [refill(call, question, ticks[3:110]) for _ in range(2)]

    assert taken == [True, False]
    assert call("read/job", "c")["ahead"] == 110
    clock.advance(240)
    assert slots(pop(call, 9)) == ticks[:4]


def test_an_answer_that_leaves_a_gap_is_not_taken(call: Scripts) -> None:
    ticks = every(call, MINUTE, 20)
    cron(call, ticks[:3])
    (question,) = questions(call)
    before = call("read/job", "c")

    assert refill(call, question, ticks[5:], after=ticks[4]) is False

    assert call("read/job", "c") == before


def test_an_answer_to_a_question_about_another_schedule_is_not_taken(call: Scripts) -> None:
    ticks = every(call, MINUTE, 3)
    cron(call, ticks)
    (question,) = questions(call)
    changed = {"cron": "0 0 * * *", "zone": "UTC", "after": ms(call), "ticks": ticks}
    call("recur_update", "c", "", changed)

    assert refill(call, question, [ticks[-1] + MINUTE]) is False
    call("recur_cancel", "c")
    assert refill(call, question, [ticks[-1] + MINUTE]) is False


def test_a_slot_that_has_fired_never_fires_again(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 10)
    cron(call, ticks)
    clock.advance(120)
    (question, *_) = call("pop", ["elsewhere"], "w", 1, {})["refill"]
    call("tick")
    (question,) = questions_after(call, clock, 10)

    assert refill(call, question, ticks[2:], after=question["covered"]) is True
    cron(call, ticks, after=ticks[0] - MINUTE)
    clock.advance(60)

    assert slots(pop(call, 9)) == ticks[:3]


def questions_after(call: Scripts, clock: Clock, seconds: float) -> list[Any]:
    clock.advance(seconds)
    return questions(call)


def test_running_dry_is_published_once_and_ends_with_the_next_ticks(
    call: Scripts, clock: Clock, published: Published
) -> None:
    ticks = every(call, MINUTE, 300)
    cron(call, ticks[:2])
    clock.advance(300)

    (question,) = questions(call)
    assert slots(pop(call, 9)) == ticks[:2]
    view = call("read/job", "c")
    assert (view["ahead"], view.get("next")) == (0, None)
    clock.advance(30)
    call("tick")
    messages = [message for _, message in published() if "schedule_dry" in message]
    assert messages == ["schedule_dry c"]

    assert refill(call, question, ticks[2:130]) is True
    assert slots(pop(call, 9)) == ticks[2:5]
    assert not [message for _, message in published() if "schedule_dry" in message]


def test_a_schedule_without_further_ticks_is_over_and_asks_for_none(
    call: Scripts, clock: Clock, published: Published
) -> None:
    cron(call, every(call, MINUTE, 2), final=True)
    assert questions(call) == []
    clock.advance(120)

    assert len(pop(call, 9)) == 2

    view = call("read/job", "c")
    assert (view["over"], view.get("next"), questions(call)) == (True, None, [])
    assert call("recur_run", "c") == "c-3"
    assert not [message for _, message in published() if "dry" in message]


def test_ticks_are_looked_at_once_a_day(call: Scripts, clock: Clock) -> None:
    cron(call, every(call, 30 * DAY, 128))
    assert questions(call) == []

    clock.advance(DAY / 1000)
    (question,) = questions(call)
    assert refill(call, question, [], zone_version="2026a") is True

    assert questions_after(call, clock, 3600) == []
    assert len(questions_after(call, clock, DAY / 1000)) == 1


def test_newer_zone_data_replaces_what_is_to_come(call: Scripts, clock: Clock) -> None:
    ticks = every(call, DAY, 128)
    cron(call, ticks)
    (question,) = questions_after(call, clock, DAY / 1000)
    assert slots(pop(call, 9)) == ticks[:1]
    shifted = [tick + 1000 for tick in ticks[1:]]

    taken = refill(call, question, shifted, after=question["covered"], zone_version="2026a")

    view = call("read/job", "c")
    assert (taken, view["zone_version"], view["ticks"][0]) == (True, "2026a", shifted[0])


@pytest.mark.parametrize(
    ("misfire", "expected"), [("all", [0, 1, 2, 3, 4]), ("one", [4]), ("skip", [4])]
)
def test_what_becomes_of_missed_ticks(
    call: Scripts, clock: Clock, misfire: str, expected: list[int]
) -> None:
    ticks = every(call, 2 * MINUTE, 128)
    cron(call, ticks, misfire=misfire)
    clock.advance(10 * 60 + 30)

    assert slots(pop(call, 99)) == [ticks[number] for number in expected]

    clock.advance(90)
    assert slots(pop(call, 99)) == ticks[5:6]


@pytest.mark.parametrize(
    ("misfire", "expected"), [("all", [0, 1, 2, 3, 4, 5]), ("one", [5]), ("skip", [5])]
)
def test_missed_intervals_follow_the_same_rule(
    call: Scripts, clock: Clock, misfire: str, expected: list[int]
) -> None:
    start = ms(call)
    call("recur", "q", "r", "K", "{}", 2 * MINUTE, 0, {"misfire": misfire})
    clock.advance(10 * 60 + 30)

    found = slots(pop(call, 99))

    assert found == [start + number * 2 * MINUTE for number in expected]


@pytest.mark.parametrize("misfire", ["one", "skip"])
def test_slots_that_are_noticed_within_a_minute_were_not_missed(
    call: Scripts, clock: Clock, misfire: str
) -> None:
    ticks = every(call, 1000, 128)
    cron(call, ticks, misfire=misfire)
    call("recur", "i", "r", "K", "{}", 1000, 1000, {"misfire": misfire})
    clock.advance(20)

    assert slots(pop(call, 99)) == ticks[:20]
    assert len(pop(call, 99, "i")) == 20


def test_with_one_nothing_is_made_up_for_after_the_one(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 400)
    cron(call, ticks[:5], misfire="one")
    assert len(questions(call)) == 1
    clock.advance(60 * 100)
    assert len(pop(call, 99)) == 1
    (question,) = questions_after(call, clock, 10)

    assert question["horizon"] == ms(call) - 10_000
    assert refill(call, question, ticks[100:228]) is True
    assert pop(call, 99) == []
    clock.advance(60)
    assert slots(pop(call, 99)) == [ticks[100]]


def test_a_backlog_bounds_what_is_made_up_for(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 128)
    cron(call, ticks, backlog=2)
    clock.advance(600)

    assert slots(pop(call, 99)) == ticks[7:10]


def test_a_limit_ends_it_and_counts_only_children_of_the_schedule(
    call: Scripts, clock: Clock
) -> None:
    cron(call, every(call, MINUTE, 128), limit=3)
    call("recur", "i", "r", "K", "{}", MINUTE, 0, {"limit": 3})
    call("recur_run", "c")
    clock.advance(600)

    assert jids(pop(call, 99)) == ["c-1", "c-2", "c-3", "c-4"]
    assert jids(pop(call, 99, "i")) == ["r-1", "r-2", "r-3"]

    clock.advance(600)
    assert (pop(call, 99), pop(call, 99, "i")) == ([], [])
    assert [call("read/job", jid)["over"] for jid in ("c", "r")] == [True, True]
    for jid in ("c", "r"):
        call("recur_update", jid, "", {"limit": 4})
    clock.advance(60)
    assert (len(pop(call, 99)), len(pop(call, 99, "i"))) == (1, 1)


def test_nothing_fires_before_the_start_or_after_the_end(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 10)
    cron(call, ticks, start=ticks[2], end=ticks[5])
    span = {"start": ticks[2], "end": ticks[5] + 5}
    call("recur", "i", "r", "K", "{}", MINUTE, 0, span)
    clock.advance(900)

    assert slots(pop(call, 99)) == ticks[2:6]
    assert slots(pop(call, 99, "i")) == ticks[2:6]
    assert call("read/job", "r")["over"] is True


def test_a_start_that_is_over_says_on_which_beat_the_slots_lie(call: Scripts, clock: Clock) -> None:
    start = ms(call) - 150_000
    call("recur", "i", "r", "K", "{}", MINUTE, 5000, {"start": start})

    assert call("read/job", "r")["next"] == start + 3 * MINUTE + 5000
    clock.advance(60)
    assert len(pop(call, 9, "i")) == 1


def test_a_pause_lets_ticks_pass(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 128)
    cron(call, ticks)
    call("recur_update", "c", "", {"paused": True})
    clock.advance(150)
    assert (pop(call, 9), questions(call)) == ([], [])

    call("recur_update", "c", "", {"paused": False})

    assert call("read/job", "c")["next"] == ticks[2]
    clock.advance(60)
    assert slots(pop(call, 9)) == ticks[2:3]


def test_a_pause_that_outlasts_the_ticks_ends_with_new_ones(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 300)
    cron(call, ticks[:100])
    call("recur_update", "c", "", {"paused": True})
    clock.advance(60 * 150)
    call("recur_update", "c", "", {"paused": False})

    (question,) = questions(call)
    assert question["horizon"] == ms(call)
    refill(call, question, ticks[150:278])

    clock.advance(60)
    assert slots(pop(call, 9)) == ticks[150:151]


def test_a_client_whose_clock_is_ahead_cannot_make_ticks_get_lost(
    call: Scripts, clock: Clock
) -> None:
    ticks = every(call, MINUTE, 128)
    cron(call, ticks[5:], after=ticks[4])

    (question,) = questions(call)
    assert (question["horizon"], question["ahead"]) == (ms(call), 0)
    refill(call, question, ticks)

    clock.advance(60)
    assert slots(pop(call, 9)) == ticks[:1]


def test_ticks_of_a_client_whose_clock_is_behind_do_not_fire_late(
    call: Scripts, clock: Clock
) -> None:
    past = ms(call) - 5 * MINUTE
    ticks = every(call, MINUTE, 128, past)
    cron(call, ticks, after=past)

    assert call("read/job", "c")["next"] == ticks[5]
    clock.advance(60)
    assert slots(pop(call, 9)) == ticks[5:6]


def test_a_cron_job_goes_on_from_the_present_when_the_clock_is_set_back(
    call: Scripts, clock: Clock
) -> None:
    """It would stand still otherwise; each of its new ticks fires once."""
    cron(call, every(call, MINUTE, 128))
    clock.advance(600)
    assert len(pop(call, 99)) == 10

    clock.advance(-500)
    put(call, "other", "elsewhere")
    asked: list[Any] = []
    for _ in range(20):
        clock.advance(1)
        asked += questions(call)
    ticks = every(call, MINUTE, 128)
    assert refill(call, asked[0], ticks) is True

    assert pop(call, 99) == []
    clock.advance(60)
    assert slots(pop(call, 99)) == ticks[:1]
    clock.advance(600)
    assert slots(pop(call, 99)) == ticks[1:11]


def test_a_schedule_that_never_fires_is_rejected_and_changes_nothing(call: Scripts) -> None:
    cron(call, every(call, MINUTE, 128))
    before = call("read/job", "c")

    refused: list[dict[str, Any]] = [
        {"final": True, "ticks": []},
        {"final": True, "ticks": [ms(call) + 1], "start": ms(call) + 2},
        {"final": True, "ticks": [ms(call) + 1], "end": ms(call)},
        {"start": 5, "end": 4},
    ]
    for options in refused:
        ticks = options.pop("ticks", every(call, MINUTE, 5))
        with pytest.raises(BadArgumentError):
            cron(call, ticks, **options)
    with pytest.raises(BadArgumentError):
        call("recur", "q", "i", "K", "{}", MINUTE, 0, {"end": ms(call) - 1})

    assert call("read/job", "c") == before
    assert call("read/job", "i") is False


def test_an_interval_becomes_a_cron_expression_and_back(call: Scripts, clock: Clock) -> None:
    ticks = every(call, 7000, 128)
    call("recur", "q", "c", "K", "{}", MINUTE, 0, {})
    pop(call, 9)
    changed = {"cron": "*/7 * * * * *", "zone": "UTC", "after": ms(call), "ticks": ticks}

    call("recur_update", "c", "", changed)
    clock.advance(15)
    assert slots(pop(call, 9)) == ticks[:2]
    call("recur_update", "c", "", {"interval": 5000})

    view = call("read/job", "c")
    assert (view["interval"], view.get("cron"), view["next"]) == (5000, None, ms(call) + 5000)
    assert questions_after(call, clock, DAY / 1000) == []


def test_a_new_start_of_a_cron_job_needs_new_ticks(call: Scripts) -> None:
    cron(call, every(call, MINUTE, 128))

    with pytest.raises(BadArgumentError, match="together with cron and ticks"):
        call("recur_update", "c", "", {"end": ms(call) + DAY})


def test_a_resent_refill_is_answered_as_before(call: Scripts) -> None:
    ticks = every(call, MINUTE, 128)
    cron(call, ticks[:3])
    (question,) = questions(call)
    arguments: tuple[Any, ...] = ("c", question["generation"], question["horizon"], ticks[3:], {})

    answers = [call("recur_refill", *arguments, request="series:1:0") for _ in range(2)]

    assert answers == [True, True]
    assert call("read/job", "c")["ahead"] == 128


def test_a_full_server_takes_ticks_and_makes_children(call: Scripts, clock: Clock) -> None:
    ticks = every(call, MINUTE, 128)
    cron(call, ticks[:2])
    call.redis.config_set("maxmemory", 1)

    clock.advance(60)
    (question,) = call("pop", ["elsewhere"], "w", 1, {})["refill"]
    taken = refill(call, question, ticks[2:])
    views = pop(call, 9)
    call.redis.config_set("maxmemory", 0)

    assert (taken, slots(views)) == (True, ticks[:1])
