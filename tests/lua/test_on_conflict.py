"""on_conflict and keep: a put whose jid is already known."""

from __future__ import annotations

import pytest

from qless_py.errors import AlreadyExistsError
from tests.conftest import Clock
from tests.lua.steps import complete, fail, job, put, state, take
from tests.script_runner import Scripts


@pytest.mark.parametrize("wanted", ["waiting", "running", "failed", "complete"])
def test_an_existing_job_is_replaced_left_or_rejected_as_requested(call: Scripts, wanted: str) -> None:
    put(call, "j", data="old")
    if wanted != "waiting":
        view = take(call)
        if wanted == "failed":
            fail(call, view)
        elif wanted == "complete":
            complete(call, view)

    assert put(call, "j", data="new", on_conflict="ignore") == ["j", False]
    with pytest.raises(AlreadyExistsError, match="Job j already exists"):
        put(call, "j", data="new", on_conflict="raise")
    assert (state(call, "j"), job(call, "j")["data"]) == (wanted, b"old")

    assert put(call, "j", data="new", on_conflict="replace") == ["j", True]
    assert (state(call, "j"), job(call, "j")["data"]) == ("waiting", b"new")


def test_an_unknown_jid_is_no_conflict(call: Scripts) -> None:
    assert put(call, "a", on_conflict="ignore") == ["a", True]
    assert put(call, "b", on_conflict="raise") == ["b", True]


@pytest.mark.parametrize("end", ["complete", "cancel"])
def test_a_jid_is_remembered_for_its_own_time_after_the_end(
    call: Scripts, clock: Clock, end: str
) -> None:
    call("config_set", "jobs-history", "0")
    put(call, "j", keep=90_000)
    clock.advance(1000)
    _ = complete(call, take(call)) if end == "complete" else call("cancel", ["j"], "")
    assert call("read/job", "j") is False
    clock.advance(89.999)
    call("tick")

    assert put(call, "j", on_conflict="ignore") == ["j", False]
    with pytest.raises(AlreadyExistsError):
        put(call, "j", on_conflict="raise")
    clock.advance(0.001)

    assert put(call, "j", on_conflict="raise") == ["j", True]


def test_a_remembered_jid_can_be_put_anew_on_purpose(call: Scripts) -> None:
    call("config_set", "jobs-history", "0")
    put(call, "j", keep=90_000)
    complete(call, take(call))

    assert put(call, "j") == ["j", True]
    assert put(call, "j", on_conflict="ignore") == ["j", False]


def test_the_memory_does_not_depend_on_how_many_jobs_finish(call: Scripts) -> None:
    call("config_set", "jobs-history-count", "1")
    put(call, "j", keep=90_000)
    complete(call, take(call))
    for i in range(10):
        put(call, f"other{i}")
        complete(call, take(call))
    assert call("read/job", "j") is False

    assert put(call, "j", on_conflict="ignore") == ["j", False]


def test_memories_that_are_over_are_swept(call: Scripts, clock: Clock) -> None:
    call("config_set", "jobs-history", "0")
    for i in range(60):
        put(call, f"j{i}", keep=1000)
        complete(call, take(call))
    assert call.redis.zcard("{ql}:tombstones") == 60
    clock.advance(61)

    for _ in range(10):
        call("tick")

    assert call.redis.zcard("{ql}:tombstones") == 0
