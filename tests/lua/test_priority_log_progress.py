"""priority, log, progress, and how much history is kept."""

from __future__ import annotations

import pytest

from qless_py.errors import (
    AlreadyFinishedError,
    BadArgumentError,
    JobNotFoundError,
    LostLeaseError,
)
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts


def test_a_new_priority_moves_a_waiting_job_and_keeps_its_age(call: Scripts, clock: Clock) -> None:
    for jid in ("a", "b", "c", "d"):
        put(call, jid)
        clock.advance(1)

    assert call("priority", "d", "2.5") == "2.5"
    call("priority", "c", "1")
    call("priority", "b", "1")
    call("priority", "c", "0")
    call("priority", "b", "0")

    assert jids(pop(call, 4)) == ["d", "a", "b", "c"]


@pytest.mark.parametrize("wanted", ["scheduled", "depends", "running", "complete"])
def test_a_priority_can_be_given_in_any_state(call: Scripts, wanted: str) -> None:
    put(call, "parent", "p")
    if wanted == "depends":
        put(call, "j", depends=["parent"])
    else:
        put(call, "j", delay=1000 if wanted == "scheduled" else 0)
    view = take(call) if wanted in ("running", "complete") else None
    if view and wanted == "complete":
        complete(call, view)

    call("priority", "j", "-3")

    assert (state(call, "j"), job(call, "j")["priority"]) == (wanted, -3)


def test_a_job_in_front_of_every_priority_stays_there(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    for jid in ("lost", "timed-out"):
        put(call, jid)
        take(call)
        clock.advance(40)
    call("tick")
    call("timeout", ["timed-out"])
    put(call, "other", priority=3)

    call("priority", "lost", "-9")
    call("priority", "timed-out", "-9")

    assert jids(pop(call, 9)) == ["timed-out", "lost", "other"]


def test_a_priority_wants_a_finite_number_and_a_job(call: Scripts) -> None:
    put(call, "j")
    for wrong in ("", "x", "nan", "inf", "1e301"):
        with pytest.raises(BadArgumentError):
            call("priority", "j", wrong)
    with pytest.raises(JobNotFoundError):
        call("priority", "nobody", "1")

    assert "priority" not in job(call, "j")


def test_the_log_takes_entries_with_opaque_data(call: Scripts) -> None:
    put(call, "j")

    call("log", "j", "", "looked at", '{"by":"ada"}')
    call("log", "j", "", "again", "")

    assert job(call, "j")["history"][1:] == [
        ["looked at", ms(call), {"data": '{"by":"ada"}'}],
        ["again", ms(call)],
    ]


def test_an_entry_with_a_lease_is_rejected_once_the_lease_is_gone(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    call("log", "j", view["lease"], "mine", "")
    call("release", "j", view["lease"])

    with pytest.raises(LostLeaseError):
        call("log", "j", view["lease"], "late", "")
    with pytest.raises(JobNotFoundError):
        call("log", "nobody", "", "late", "")
    complete(call, take(call))
    with pytest.raises(AlreadyFinishedError):
        call("log", "j", view["lease"], "late", "")

    assert "late" not in whats(call, "j")


@pytest.mark.parametrize("limit", [1, 5, 9, 10, 30])
def test_the_first_entry_stays_and_of_the_others_the_newest(
    call: Scripts, clock: Clock, limit: int
) -> None:
    call("config_set", "max-job-history", str(limit))
    start = ms(call)

    for _ in range(100):
        put(call, "j")
        clock.advance(1)

    whens = [(entry[1] - start) // 1000 for entry in job(call, "j")["history"]]
    assert whens == [0, *range(101 - limit, 100)]


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_of_nothing_is_none(call: Scripts, limit: str) -> None:
    call("config_set", "max-job-history", limit)
    for _ in range(150):
        put(call, "j")

    assert len(job(call, "j")["history"]) == 150


@pytest.mark.parametrize("limit", [1, 2, 4, 9, 10, 12])
def test_a_limit_that_was_lowered_drops_the_oldest_but_the_first(call: Scripts, limit: int) -> None:
    put(call, "j")
    for number in range(60):
        call("log", "j", "", f"step {number}", "")

    call("config_set", "max-job-history", str(limit))
    shown = whats(call, "j")
    call("log", "j", "", "last", "")

    assert shown == ["put", *(f"step {number}" for number in range(61 - limit, 60))]
    assert whats(call, "j") == ["put", *shown[2:], "last"][:limit]


@pytest.mark.parametrize("limit", [1, 2, 4, 8, 9, 10, 12])
@pytest.mark.parametrize("puts", [9, 10, 15, 16, 60])
def test_a_limit_that_was_lowered_leaves_no_gap(
    call: Scripts, clock: Clock, limit: int, puts: int
) -> None:
    start = ms(call)
    for _ in range(puts):
        put(call, "j")
        clock.advance(1)

    call("config_set", "max-job-history", str(limit))
    shown = [(entry[1] - start) // 1000 for entry in job(call, "j")["history"]]
    put(call, "j")

    assert shown == [0, *range(puts + 1 - len(shown), puts)]
    whens = [(entry[1] - start) // 1000 for entry in job(call, "j")["history"]]
    assert whens == [0, *range(max(puts + 2 - limit, 1), puts + 1)]


def test_progress_is_kept_and_published(call: Scripts, published: Published) -> None:
    put(call, "j")
    view = take(call)
    published()

    call("progress", "j", view["lease"], "a third")
    call("progress", "j", view["lease"], "half")

    assert published() == [("log", "progress j q")] * 2
    assert job(call, "j")["progress"] == "half"


def test_progress_outlives_the_run_but_not_a_put(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    call("progress", "j", view["lease"], "half")
    complete(call, view)
    assert job(call, "j")["progress"] == "half"

    put(call, "j")

    assert "progress" not in job(call, "j")


def test_only_the_holder_reports_progress(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    call("timeout", ["j"])

    with pytest.raises(LostLeaseError):
        call("progress", "j", view["lease"], "half")
    with pytest.raises(JobNotFoundError):
        call("progress", "nobody", "1.w", "half")
    complete(call, take(call))
    with pytest.raises(AlreadyFinishedError):
        call("progress", "j", view["lease"], "half")

    assert "progress" not in job(call, "j")
