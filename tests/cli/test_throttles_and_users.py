"""Commands for throttles and users, and `job explain`."""

from __future__ import annotations

import time

import pytest

from qless_py import Client
from tests.cli.conftest import Program


def test_limits_are_set_shown_and_dropped(program: Program, live: Client) -> None:
    words = ("throttles", "set", "api", "--concurrency", "1", "--rate", "10", "--per", "1m")
    answer = program.json(*words)
    for jid in ("one", "two"):
        live.queues["mail"].put("app.Send", jid=jid, throttles=["api"])
    live.queues["mail"].pop(2, worker="me")

    shown = program.json("throttles", "show", "api")
    (listed,) = program.json("throttles", "list")["throttles"]

    assert (answer["concurrency"], answer["rate"], answer["per"]) == (1, 10, 60)
    assert (shown["holders"], shown["parked"]) == (["one"], ["two"])
    assert (listed["id"], listed["holding"], listed["waiting"]) == ("api", 1, 1)
    assert "api" in program("throttles", "list").stdout

    live.throttles["db"].set(concurrency=1)
    page = program.json("throttles", "list", "--count", "1")
    rest = program.json("throttles", "list", "--cursor", page["cursor"])
    assert (page["total"], [one["id"] for one in rest["throttles"]]) == (2, ["db"])
    assert f"--cursor {page['cursor']}" in program("throttles", "list", "--count", "1").stderr
    program("throttles", "list", "--cursor", "x", code=2)
    live.throttles["db"].delete()

    program("throttles", "delete", "api")
    program("throttles", "delete", "api", code=3)
    assert live.throttles.all == []


def test_a_slot_is_released(program: Program, live: Client) -> None:
    live.throttles["api"].set(concurrency=1)
    live.queues["mail"].put("app.Send", jid="one", throttles=["api"])
    live.queues["mail"].pop(worker="me")

    answer = program.json("throttles", "release", "api", "one", "none")

    assert answer == {"throttle": "api", "released": 1}
    assert live.throttles["api"].get().holding == 0


def test_a_throttle_is_blocked_for_a_time(program: Program, live: Client) -> None:
    answer = program.json("throttles", "block", "queue:mail", "15m")

    assert answer["blocked_until"] == pytest.approx(time.time() + 900, abs=60)
    assert program.json("throttles", "block", "queue:mail", "0")["blocked_until"] is None
    assert not live.queues["mail"].throttle.get().is_limited


def test_users_have_weights_and_shares(program: Program, live: Client) -> None:
    program("users", "set", "ann", "--weight", "3", "--max-running", "2")
    live.queues["mail"].put("app.Send", user="ann")
    live.queues["mail"].put("app.Send", user="bob")

    (answer,) = program.json("users", "list")["users"]
    shares = program.json("users", "list", "--queue", "mail")["users"]

    assert (answer["name"], answer["weight"], answer["max_running"]) == ("ann", 3, 2)
    assert [(one["name"], one["share"]) for one in shares] == [("ann", 0.75), ("bob", 0.25)]
    assert program.json("users", "show", "ann")["weight"] == 3
    program("users", "unset", "ann")
    program("users", "unset", "ann", code=3)
    assert program.json("users", "show", "ann")["weight"] == 1


def test_it_is_explained_why_a_job_does_not_run(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="one")
    live.queues["mail"].pause("no mail server")

    answer = program.json("job", "explain", "one")

    assert (answer["state"], answer["ready"]) == ("waiting", False)
    assert "Paused" in {reason["kind"] for reason in answer["reasons"]}
    assert "no mail server" in program("job", "explain", "one").stdout
    program("job", "explain", "none", code=3)


@pytest.mark.parametrize(
    "words",
    [
        ["throttles", "set", "api"],
        ["throttles", "set", "a b", "--concurrency", "1"],
        ["throttles", "block", "api", "soon"],
        ["users", "set", "ann"],
        ["users", "set", "a b", "--weight", "1"],
    ],
)
def test_wrong_limits_are_rejected(program: Program, live: Client, words: list[str]) -> None:
    program(*words, code=2)

    assert live.throttles.all == []
    assert live.users.all == []
