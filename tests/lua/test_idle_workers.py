"""Idle workers are woken for releases that a call leaves for the next pop."""

from __future__ import annotations

import pytest
import redis as redis_py

from tests.conftest import Clock
from tests.lua.steps import complete, fail, pop, put, state, take
from tests.properties import tiny_limits
from tests.script_runner import Scripts


@pytest.fixture
def tiny(redis: redis_py.Redis, clock: Clock) -> Scripts:
    """Scripts that release two dependents in one call, and a worker that waits at "after"."""
    call = Scripts(redis, clock, library=tiny_limits.library())
    put(call, "first", "after")
    take(call, "after")
    assert call("pop", ["after"], "idle", 1, {})["jobs"] == []
    redis.delete("{ql}:queue:after:wake")
    return call


def is_left_and_woken(call: Scripts) -> bool:
    """Whether releases are left that the idle worker will carry out."""
    return call.redis.exists("{ql}:releases", "{ql}:queue:after:wake") == 2


def test_a_worker_is_woken_for_dependents_that_one_call_could_not_release(tiny: Scripts) -> None:
    """The first ones wait for another parent, too, so their release wakes nobody."""
    put(tiny, "other", delay=60_000)
    put(tiny, "parent")
    for number in range(6):
        more = ["other"] if number < 3 else []
        put(tiny, f"d{number}", "after", depends=["parent", *more])

    complete(tiny, take(tiny))

    assert is_left_and_woken(tiny)


def test_a_worker_is_woken_for_what_a_failed_dependent_releases(tiny: Scripts) -> None:
    """A dependent that others wait for fails with its parent, and one of them runs then."""
    put(tiny, "parent")
    put(tiny, "middle", "nobody", depends=["parent"], on_parent_failed="cancel")
    put(tiny, "waits", "nobody", depends=["middle"])
    put(tiny, "runs", "after", depends=["middle"], on_parent_failed="run")

    tiny("cancel", ["parent"], "")

    assert is_left_and_woken(tiny)
    pop(tiny, 1, "after", "idle")
    assert state(tiny, "runs") in ("waiting", "running")


def test_a_worker_is_woken_for_a_callback_that_one_call_could_not_put(tiny: Scripts) -> None:
    callback = {"queue": "after", "jid": "callback", "klass": "K", "data": 1}
    tiny("batch_open", "b", {"on_complete": callback}, "{}")
    put(tiny, "parent")
    put(tiny, "member", batch="b")
    tiny("batch_close", "b")
    for number in range(3):
        put(tiny, f"d{number}", "nobody", depends=["parent"])

    tiny("complete_many", [[view["jid"], view["lease"]] for view in pop(tiny, 2)], "", "")

    assert is_left_and_woken(tiny)


def test_a_worker_is_woken_for_a_job_put_with_a_parent_that_has_failed(tiny: Scripts) -> None:
    put(tiny, "parent")
    fail(tiny, take(tiny))

    put(tiny, "d", "after", depends=["parent"], on_parent_failed="run")

    assert is_left_and_woken(tiny)
    pop(tiny, 1, "after", "idle")
    assert state(tiny, "d") == "running"


def test_a_worker_is_woken_for_a_new_parent_that_has_failed(tiny: Scripts) -> None:
    put(tiny, "parent")
    fail(tiny, take(tiny))
    put(tiny, "other", delay=60_000)
    put(tiny, "d", "after", depends=["other"])

    tiny("depends_on", "d", ["parent"], {"on_parent_failed": "fail"})

    assert is_left_and_woken(tiny)


def test_a_worker_is_woken_for_releases_that_a_pop_leaves_to_others(tiny: Scripts) -> None:
    """The worker of that pop has got its job, and may be busy for long."""
    put(tiny, "parent")
    for number in range(6):
        put(tiny, f"d{number}", "nobody", depends=["parent"])
    complete(tiny, take(tiny))
    put(tiny, "next")
    tiny.redis.delete("{ql}:queue:after:wake")

    take(tiny)

    assert is_left_and_woken(tiny)


def test_a_worker_of_patterns_is_woken_for_releases(tiny: Scripts) -> None:
    tiny("pop", ["af*", "!other*"], "idle", 1, {})
    put(tiny, "parent")
    for number in range(3):
        put(tiny, f"d{number}", "nobody", depends=["parent"])
    view = take(tiny)
    tiny.redis.delete("{ql}:queues:new")

    complete(tiny, view)

    assert tiny.redis.exists("{ql}:releases", "{ql}:queues:new") == 2
