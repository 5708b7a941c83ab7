"""The history keeps how each attempt ended from which the job runs again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Clock
from tests.lua.steps import job, ms, pop, put, take
from tests.script_runner import Scripts


def last(call: Scripts, what: str) -> dict[str, Any]:
    """Return the details of the last entry of a kind."""
    entries = [entry for entry in job(call, "j")["history"] if entry[0] == what]
    details: dict[str, Any] = entries[-1][2]
    return details


def test_a_retry_keeps_its_error_and_when_the_job_runs_again(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    text = "Traceback (most recent call last):\n  ...\nValueError: no\n"
    options = {"group": "K:ValueError", "message": text, "error": "ValueError: no", "tries": "1"}
    call("retry", "j", view["lease"], 4000, {**options, "apart": True})

    assert last(call, "retried") == {
        "worker": "w", "group": "K:ValueError", "error": "ValueError: no", "due": ms(call) + 4000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("one\ntwo", "one"),
        ("\n\nlate", "late"),
        ("x" * 500, "x" * 200),
        ("x" + "é" * 300, "x" + "é" * 99),
        ("\n", None),
    ],
)
def test_one_bounded_line_of_a_message_is_kept(
    call: Scripts, message: str, kept: str | None
) -> None:
    put(call, "j")
    call("retry", "j", take(call)["lease"], 0, {"group": "g", "message": message})

    assert last(call, "retried").get("error") == kept


def test_a_retry_without_a_reason_is_kept_too(call: Scripts) -> None:
    put(call, "j")
    call("retry", "j", take(call)["lease"], 0, {})

    assert last(call, "retried") == {"worker": "w"}


def test_lost_leases_timeouts_crashes_and_snoozes_are_kept(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "0")
    put(call, "j")
    take(call)
    clock.advance(60)
    call("tick")
    assert last(call, "timed-out") == {"worker": "w", "reason": "lost lease"}

    take(call)
    call("timeout", ["j"])
    assert last(call, "timed-out") == {"worker": "w", "reason": "timeout"}

    call("job_died", "j", take(call)["lease"], "killed")
    assert last(call, "crashed") == {"worker": "w", "cause": "killed"}

    call("snooze", "j", take(call)["lease"], 1000)
    assert last(call, "snoozed") == {"due": ms(call) + 1000}


def test_the_history_of_a_job_that_is_retried_for_ever_is_bounded(call: Scripts) -> None:
    call("config_set", "max-job-history", "20")
    put(call, "j", retries=1000)
    for number in range(60):
        (view,) = pop(call)
        call("retry", "j", view["lease"], 0, {"group": "g", "message": f"error {number}"})

    history = job(call, "j")["history"]
    assert len(history) == 20
    assert history[0][0] == "put"
    assert last(call, "retried")["error"] == "error 59"
    # The record itself, which each pop reads, holds none of the errors.
    assert len(call.redis.get("{ql}:job:j") or b"") < 1000


def _fail(call: Scripts, message: str) -> None:
    (view,) = pop(call)
    call("fail", "j", view["lease"], "g", message, "")
    call("unfail", "q", "g", 1)


def test_the_messages_of_a_few_earlier_failures_are_kept_until_the_job_completes(
    call: Scripts, clock: Clock
) -> None:
    put(call, "j")
    for number in range(7):
        clock.advance(1)
        _fail(call, f"error {number}")

    view = call("read/job", "j")
    assert view["failure"]["message"] == "error 6"
    assert [one["message"] for one in view["earlier"]] == [f"error {n}" for n in range(2, 6)]
    assert view["earlier"][-1]["when"] == view["failure"]["when"] - 1000
    # What workers and lists read of a job does not grow.
    assert "earlier" not in call("read/jobs", ["j"])[0]["failure"]
    popped = take(call)
    assert set(popped["failure"]) == {"group", "message", "when", "worker"}
    call("complete", "j", popped["lease"], "", "", {})
    assert "earlier" not in call("read/job", "j")


def test_a_long_message_of_an_earlier_failure_keeps_its_beginning_and_its_end(
    call: Scripts,
) -> None:
    put(call, "j")
    _fail(call, "first line\n" + "é" * 5000 + "\nValueError: last line")
    _fail(call, "short")

    (earlier,) = call("read/job", "j")["earlier"]
    assert len(earlier["message"].encode()) <= 2010
    assert earlier["message"].startswith("first line\né")
    assert earlier["message"].endswith("é\nValueError: last line")
    assert "\n[...]\n" in earlier["message"]


def test_lost_leases_are_counted_since_the_put(call: Scripts, clock: Clock) -> None:
    call("config_set", "grace-period", "10")
    put(call, "j")
    for number in (1, 2):
        take(call)
        clock.advance(60)
        call("tick")
        clock.advance(10)
        call("tick")
        assert job(call, "j")["stalls"] == number

    call("requeue", "q", "j", "", "", {})
    assert "stalls" not in job(call, "j")
