"""Unique keys: who holds one, for how long, and what a second put gets."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import AlreadyExistsError, BadArgumentError, DependencyError
from tests.conftest import Clock
from tests.lua.steps import complete, counts, fail, job, pop, put, state, take
from tests.script_runner import Scripts

QUEUED = {"key": "k", "scope": "queued"}
RUNNING = {"key": "k", "scope": "running"}
WINDOW = {"key": "k", "scope": "window", "window": 60_000}


def is_free(call: Scripts) -> bool:
    """Return whether a job could take the key now, and leave things as they were."""
    taken = put(call, "probe", "probes", unique=QUEUED)[1]
    if taken:
        call("cancel", ["probe"], "")
    return bool(taken)


def test_a_second_put_gets_the_holder_and_does_nothing(call: Scripts) -> None:
    put(call, "first", data="one", unique=QUEUED)

    assert put(call, "second", data="two", unique=QUEUED) == ["first", False]
    with pytest.raises(AlreadyExistsError, match="first holds the unique key k"):
        put(call, "second", unique=QUEUED, unique_conflict="raise")

    assert call("read/job", "second") is False
    assert job(call, "first")["data"] == b"one"


def test_the_holder_may_be_put_again(call: Scripts) -> None:
    put(call, "first", unique=QUEUED)

    assert put(call, "first", "other", unique=QUEUED, unique_conflict="raise") == ["first", True]
    assert not is_free(call)


@pytest.mark.parametrize("data", ["short", "long" * 1000])
def test_a_conflict_may_replace_a_holder_that_waits_with_all_of_the_put(
    call: Scripts, data: str
) -> None:
    put(call, "first", data="x" * 2000, unique=RUNNING, tags=["kept"], retries=2)

    reply = call(
        "put", "other", "second", "L", data,
        {"codec": "text", "unique": RUNNING, "unique_conflict": "replace", "priority": 7,
         "delay": 5000, "user": "u"},
    )  # fmt: skip

    assert reply == ["first", True]
    view = job(call, "first")
    assert (view["data"], view["codec"], view["klass"]) == (data.encode(), "text", "L")
    assert (view["queue"], view["state"], view["priority"]) == ("other", "scheduled", 7)
    assert (view["user"], view["tags"], view["retries"]) == ("u", ["kept"], 2)
    assert call("read/job", "second") is False


def test_a_holder_that_has_started_is_not_replaced(call: Scripts) -> None:
    put(call, "first", unique=RUNNING)
    take(call)

    with pytest.raises(AlreadyExistsError):
        put(call, "second", unique=RUNNING, unique_conflict="replace")

    assert state(call, "first") == "running"


def test_a_holder_that_is_replaced_keeps_its_place_in_its_queue(
    call: Scripts, clock: Clock
) -> None:
    put(call, "first", unique=RUNNING)
    clock.advance(5)
    put(call, "young")
    clock.advance(5)

    put(call, "second", data="new", unique=RUNNING, unique_conflict="replace")

    assert [(view["jid"], view["data"]) for view in pop(call, 2)] == [
        ("first", b"new"), ("young", b"{}"),
    ]  # fmt: skip


def test_a_replaced_holder_waits_for_the_parents_of_the_put(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "first", unique=RUNNING)
    put(call, "second", unique=RUNNING, unique_conflict="replace", depends=["parent"])

    assert job(call, "first")["dependencies"] == ["parent"]
    with pytest.raises(DependencyError):
        put(call, "third", unique=RUNNING, unique_conflict="replace", depends=["first"])


@pytest.mark.parametrize(
    ("scope", "in_each_state"),
    [
        ("queued", {"waiting": True, "running": False, "scheduled": True, "stalled": True}),
        ("running", {"waiting": True, "running": True, "scheduled": True, "stalled": True}),
    ],
)
def test_a_key_is_held_in_the_states_of_its_scope(
    call: Scripts, scope: str, in_each_state: dict[str, bool]
) -> None:
    put(call, "j", unique={"key": "k", "scope": scope})
    for wanted, held in in_each_state.items():
        if wanted == "running":
            take(call)
        elif wanted == "scheduled":
            put(call, "j", delay=9000)
        elif wanted == "stalled":
            put(call, "j")
            take(call)
            call("timeout", ["j"])

        assert (wanted, is_free(call)) == (wanted, not held)


@pytest.mark.parametrize("scope", ["queued", "running"])
@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "force_finish", "exhaust"])
def test_every_end_gives_the_key_back(call: Scripts, scope: str, end: str) -> None:
    put(call, "j", retries=0, unique={"key": "k", "scope": scope})
    view = take(call)

    if end == "complete":
        complete(call, view)
    elif end == "fail":
        fail(call, view)
    elif end == "cancel":
        call("cancel", ["j"], "")
    elif end == "force_finish":
        call("force_finish", "j", "")
    else:
        call("retry", "j", view["lease"], 0, {})

    assert is_free(call)
    assert not call.redis.exists("{ql}:unique:k")


WAYS_BACK = ["retry", "release", "snooze", "timeout", "unfail", "requeue", "lapse", "crash", "next"]


def come_back(call: Scripts, clock: Clock, way: str, view: dict[str, Any]) -> None:
    match way:
        case "retry":
            call("retry", "j", view["lease"], 0, {})
        case "release":
            call("release", "j", view["lease"])
        case "snooze":
            call("snooze", "j", view["lease"], 1000)
        case "timeout":
            call("timeout", ["j"])
        case "unfail":
            fail(call, view)
            call("unfail", "q", "g", 1)
        case "requeue":
            call("requeue", "q", "j", "", "", {})
        case "lapse":
            clock.advance(60)
            call("tick")
        case "crash":
            call("worker_died", "w", "w", "", "killed")
        case "next":
            complete(call, view, next={"queue": "two"})


@pytest.mark.parametrize("way", WAYS_BACK)
def test_a_job_that_comes_back_takes_its_key_again_if_it_is_free(
    call: Scripts, clock: Clock, way: str
) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j", unique=QUEUED)
    view = take(call)
    assert is_free(call)

    come_back(call, clock, way, view)

    assert state(call, "j") in ("waiting", "scheduled", "stalled")
    assert put(call, "k", unique=QUEUED) == ["j", False]


@pytest.mark.parametrize("way", WAYS_BACK)
def test_a_job_that_comes_back_is_never_rejected_and_takes_the_key_from_nobody(
    call: Scripts, clock: Clock, way: str
) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j", unique=QUEUED)
    view = take(call)
    put(call, "other", "elsewhere", unique=QUEUED)

    come_back(call, clock, way, view)

    assert state(call, "j") in ("waiting", "scheduled", "stalled")
    assert put(call, "third", unique=QUEUED) == ["other", False]
    call("cancel", ["j"], "")
    assert put(call, "third", unique=QUEUED) == ["other", False]


def test_a_dependent_that_waits_holds_its_key(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "j", depends=["parent"], unique=QUEUED)
    assert not is_free(call)

    complete(call, take(call, "p"))

    assert not is_free(call)


def test_a_put_may_change_the_key_or_its_scope(call: Scripts) -> None:
    put(call, "j", unique=QUEUED)
    put(call, "j", unique={"key": "other", "scope": "queued"})
    assert is_free(call)

    put(call, "j", unique=WINDOW)
    assert not is_free(call)
    assert call.redis.exists("{ql}:unique:other") == 0

    put(call, "j", unique=RUNNING)
    assert call.redis.zcard("{ql}:windows") == 0


def test_a_window_lasts_its_time_whatever_becomes_of_the_job(call: Scripts, clock: Clock) -> None:
    call("config_set", "jobs-history", "0")
    put(call, "j", unique=WINDOW)
    complete(call, take(call))
    assert call("read/job", "j") is False
    clock.advance(59.999)

    assert put(call, "late", unique=WINDOW) == ["j", False]
    with pytest.raises(AlreadyExistsError):
        put(call, "late", unique=WINDOW, unique_conflict="replace")
    clock.advance(0.001)

    assert put(call, "late", unique=WINDOW) == ["late", True]


def test_a_window_ends_when_its_job_is_canceled(call: Scripts) -> None:
    put(call, "j", unique=WINDOW)
    call("cancel", ["j"], "")

    assert is_free(call)
    assert call.redis.zcard("{ql}:windows") == 0


def test_a_put_without_the_key_neither_prolongs_nor_steals_a_window(
    call: Scripts, clock: Clock
) -> None:
    put(call, "j", unique=WINDOW)
    clock.advance(40)
    put(call, "j")
    clock.advance(20)
    assert put(call, "other", unique=WINDOW) == ["other", True]

    put(call, "j")

    assert put(call, "third", unique=QUEUED) == ["other", False]


def test_a_window_that_is_over_is_swept(call: Scripts, clock: Clock) -> None:
    put(call, "j", unique=WINDOW)
    clock.advance(120)

    call("tick")

    assert not call.redis.exists("{ql}:unique:k")
    assert call.redis.zcard("{ql}:windows") == 0


def test_a_key_that_a_window_left_can_be_held_by_a_job_without_one(
    call: Scripts, clock: Clock
) -> None:
    put(call, "j", unique=WINDOW)
    clock.advance(60)
    put(call, "other", unique=QUEUED)
    clock.advance(60)
    call("tick")

    assert put(call, "third", unique=QUEUED) == ["other", False]


def test_keys_are_checked(call: Scripts) -> None:
    for wrong in (
        {"key": "k"},
        {"scope": "queued"},
        {**QUEUED, "window": 5},
        {**WINDOW, "window": 0},
    ):
        with pytest.raises(BadArgumentError):
            put(call, "j", unique=wrong)
    assert counts(call) == {}
    assert pop(call) == []


def test_a_window_whose_job_was_put_anew_without_the_key_goes_on(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "jobs-history-count", "0")
    put(call, "j", unique=WINDOW)
    complete(call, take(call))
    clock.advance(1)
    put(call, "j", data='{"own": 1}')
    view = take(call)

    follow_up = {"jid": "next", "klass": "K", "queue": "q", "unique": WINDOW}
    assert complete(call, view, jobs=[follow_up])["jobs"] == [["j", False]]

    put(call, "j", data='{"own": 2}')
    with pytest.raises(AlreadyExistsError):
        put(call, "next", unique=WINDOW, unique_conflict="replace")
    assert job(call, "j")["data"] == b'{"own": 2}'
