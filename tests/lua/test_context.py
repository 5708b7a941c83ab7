"""The context of a job: what travels with it apart from its data."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from qless_py.errors import BadArgumentError
from tests.conftest import Clock
from tests.lua.steps import complete, fail, job, pop, put, take
from tests.script_runner import Scripts

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tenant": "a"}


def _traceparent(number: int) -> dict[str, str]:
    return {"traceparent": f"00-{number:032x}-{number:016x}-01"}


def test_a_context_stays_through_retries_moves_and_failures(call: Scripts, clock: Clock) -> None:
    put(call, "j", context=TRACE, retries=5)
    assert job(call, "j")["context"] == TRACE

    view = take(call)
    assert view["context"] == TRACE
    call("retry", "j", view["lease"], 0, {})
    call("snooze", "j", take(call)["lease"], 1000)
    clock.advance(1)
    complete(call, take(call), next={"queue": "q2"})
    fail(call, take(call, "q2"))
    call("requeue", "q", "j", "", "", {})

    assert take(call)["context"] == TRACE


def test_a_put_with_the_jid_keeps_replaces_or_removes_the_context(call: Scripts) -> None:
    put(call, "j", context=TRACE)
    put(call, "j", priority=1)
    assert job(call, "j")["context"] == TRACE

    put(call, "j", context={"tenant": "b"})
    assert job(call, "j")["context"] == {"tenant": "b"}

    put(call, "j", context={})
    assert "context" not in job(call, "j")


def test_a_job_without_a_context_takes_no_more_bytes(call: Scripts, redis: Redis) -> None:
    put(call, "plain")
    put(call, "empty", context={})

    one, other = (redis.get(f"{{ql}}:job:{jid}") for jid in ("plain", "empty"))
    assert isinstance(one, bytes)
    assert isinstance(other, bytes)
    assert b"context" not in one + other
    assert b"origins" not in one + other
    assert len(one) == len(other)


def test_follow_ups_and_children_have_the_context_they_are_put_with(
    call: Scripts, clock: Clock
) -> None:
    put(call, "j")
    follow_up = {"jid": "next", "klass": "K", "queue": "q", "context": TRACE}
    complete(call, take(call), jobs=[follow_up])
    assert take(call)["context"] == TRACE

    call("recur", "q", "r", "K", "{}", 1000, 0, {"context": {"tenant": "r"}})
    assert take(call)["context"] == {"tenant": "r"}
    call("recur_update", "r", "", {"context": {}})
    clock.advance(1)
    assert "context" not in take(call)


def test_a_context_is_refused_by_name(call: Scripts) -> None:
    call("recur", "q", "r", "K", "{}", 1000, 0, {})
    for context, why in (
        ({"a": "x" * 1024}, "context has 1025 bytes; the limit is 1024"),
        ({"a": "b\n"}, "context holds a, which is not printable ASCII text"),
        ({"a": 5}, "context holds a, which is not printable ASCII text"),
        ({"a b": "c"}, "context holds a name that is not 1 to 64"),
        ([1], "context holds the unknown field"),
    ):
        with pytest.raises(BadArgumentError, match=why):
            put(call, "j", context=context)
        with pytest.raises(BadArgumentError, match=why):
            call("recur_update", "r", "", {"context": context})


def test_a_callback_has_the_origins_of_the_members(call: Scripts) -> None:
    done: dict[str, Any] = {"queue": "back", "jid": "done", "klass": "K", "data": 1}
    call("batch_open", "b", {"on_complete": {**done, "context": {"tenant": "a"}}}, "{}")
    for number in range(1, 21):  # More than are kept; every second origin is that of two jobs.
        put(call, f"a{number}", batch="b", context=_traceparent(number))
        if number % 2:
            put(call, f"b{number}", batch="b", context=_traceparent(number))
    put(call, "plain", batch="b")
    call("batch_close", "b", "")
    for view in pop(call, 100):
        complete(call, view)

    callback = take(call, "back")
    assert callback["context"] == {"tenant": "a"}
    assert callback["origins"].split() == [
        _traceparent(number)["traceparent"] for number in range(1, 17)
    ]


def test_jobs_that_join_a_batch_later_count_among_its_origins(call: Scripts) -> None:
    done: dict[str, Any] = {"queue": "q", "jid": "done", "klass": "K", "data": 1}
    call("batch_open", "b", {"on_success": done}, "{}")
    put(call, "added", context=_traceparent(1))
    put(call, "held", context=_traceparent(2), unique={"key": "k", "scope": "running"})
    call("batch_add", "b", ["added"])
    put(call, "asks", batch="b", unique={"key": "k", "scope": "running"})
    call("batch_close", "b", "")
    for view in pop(call, 2):
        complete(call, view)

    known = [_traceparent(number)["traceparent"] for number in (1, 2)]
    assert take(call)["origins"].split() == known
