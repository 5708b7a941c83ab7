"""complete_many has the same effects as one complete per job."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, pop, put
from tests.script_runner import Scripts


def _end_many(call: Scripts, views: list[dict[str, Any]], results: list[str]) -> Any:
    return call("complete_many", [[view["jid"], view["lease"]] for view in views], *results)


@pytest.mark.parametrize("result", ["", '{"a": 1}'])
def test_a_job_that_ends_with_others_is_as_one_that_ends_alone(
    call: Scripts, clock: Clock, result: str
) -> None:
    for jid in ("alone", "one", "other"):
        put(call, jid, tags=["t"], priority=3)
    views = {view["jid"]: view for view in pop(call, 3)}
    clock.advance(2)

    complete(call, views["alone"], result)
    _end_many(call, [views["one"], views["other"]], [result, ""])

    alone, one, other = call("read/jobs", ["alone", "one", "other"])
    own = ("jid", "generation", "order", "lease")
    assert {k: v for k, v in one.items() if k not in own} == {
        k: v for k, v in alone.items() if k not in own
    }
    assert (other.get("result"), other["state"]) == (None, "complete")


def test_what_hangs_on_a_job_is_dealt_with_though_it_ends_with_plain_ones(
    call: Scripts, clock: Clock
) -> None:
    call("throttle_set", "api", {"concurrency": 1})
    put(call, "plain")
    put(call, "throttled", throttles=["api"], user="ann")
    put(call, "unique", unique={"key": "k", "scope": "running"})
    put(call, "kept", keep=60_000, on_conflict="raise")
    put(call, "parent")
    put(call, "child", depends=["parent"])
    views = pop(call, 9)
    clock.advance(1)

    answers = _end_many(call, views, [""] * len(views))

    assert answers == ["complete"] * 5
    assert [view["jid"] for view in pop(call, 9)] == ["child"]
    assert call("read/throttle", "api", 0, 5)["holding"] == 0
    put(call, "again", unique={"key": "k", "scope": "running"}, unique_conflict="raise")


def test_a_rejected_one_does_not_keep_the_others(call: Scripts) -> None:
    for jid in ("a", "b", "c"):
        put(call, jid)
    views = pop(call, 3)
    call("timeout", ["b"])

    answers = _end_many(call, views, ["", "", ""])

    assert answers[0] == answers[2] == "complete"
    assert answers[1].startswith("LOSTLEASE")


def test_each_end_is_published(call: Scripts, published: Published) -> None:
    for jid in ("a", "b"):
        put(call, jid)
    call("track", "b")
    views = pop(call, 2)
    published()

    _end_many(call, views, ["", ""])

    assert sorted(published()) == [
        ("completed", "b"), ("log", "completed a q"), ("log", "completed b q"),
    ]  # fmt: skip


def test_jobs_of_several_queues_and_workers_end_together(call: Scripts) -> None:
    put(call, "a")
    put(call, "b", queue="other")
    views = [*pop(call, 1, worker="w1"), *pop(call, 1, queue="other", worker="w2")]

    assert _end_many(call, views, ["", ""]) == ["complete"] * 2
    assert call("read/worker", "w1", 0, 5, 100)["jobs"] == []
    assert call("read/stats", "other", "")["run"]["count"] == 1
