"""Lists read jobs with at most some bytes of their data, results and progress."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lua.steps import complete, job, pop, put, take
from tests.script_runner import Scripts


def row(call: Scripts, jid: str, most: int) -> dict[str, Any]:
    (shown,) = call("read/rows", [jid], most)
    assert shown, f"there is no job {jid}"
    return dict(shown)


@pytest.mark.parametrize("length", [20, 1024, 1025, 90_000])
def test_a_row_has_the_beginning_of_long_data_and_its_length(call: Scripts, length: int) -> None:
    put(call, "j", data="d" * length)

    cut, nothing, whole = (row(call, "j", most) for most in (10, 0, length))

    assert (cut["data"], cut["cut"]) == (b"d" * 10, {"data": length})
    assert (nothing["data"], nothing["cut"]) == (b"", {"data": length})
    assert (whole["data"], "cut" in whole) == (b"d" * length, False)


def test_a_row_has_the_beginning_of_results_and_progress(call: Scripts) -> None:
    put(call, "j", codec="msgpack")
    view = take(call)
    call("progress", "j", view["lease"], "p" * 30)
    running = row(call, "j", 20)
    complete(call, view, "r" * 40)
    ended = row(call, "j", 20)

    assert (running["progress"], running["cut"]) == ("p" * 20, {"progress": 30})
    assert (ended["result"], ended["cut"]["result"]) == ("r" * 20, 40)
    assert "cut" not in row(call, "j", 40)


def test_a_row_counts_how_often_a_job_was_popped(call: Scripts) -> None:
    put(call, "j")
    for _ in range(12):
        call("release", "j", take(call)["lease"])
    pop(call)

    assert row(call, "j", 0)["popped"] == 13
    assert len(row(call, "j", 0)["history"]) < len(job(call, "j")["history"])


def test_a_row_of_a_recurring_job_has_the_beginning_of_its_data(call: Scripts) -> None:
    call("recur", "q", "r", "K", "d" * 50, 60_000, 0, {})

    shown = row(call, "r", 8)

    assert (shown["data"], shown["cut"]) == (b"d" * 8, {"data": 50})
    assert shown["next"] == job(call, "r")["next"]


def test_tracked_jobs_are_shown_whole_or_as_rows(call: Scripts) -> None:
    put(call, "j", data="d" * 50)
    call("track", "j")

    (whole,) = call("read/tracked", 0, 10, "")["jobs"]
    (cut,) = call("read/tracked", 0, 10, 8)["jobs"]

    assert (whole["data"], cut["data"], cut["cut"]) == (b"d" * 50, b"d" * 8, {"data": 50})
