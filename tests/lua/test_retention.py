"""How long jobs are kept, and that removal takes bounded steps."""

from __future__ import annotations

from tests.conftest import Clock
from tests.lua.steps import complete, counts, job, pop, put, state, take
from tests.script_runner import Scripts

DAY = 86_400


def finish(call: Scripts, *names: str) -> None:
    """Put and complete jobs, one after the other."""
    for jid in names:
        put(call, jid)
        complete(call, take(call), f"result of {jid}")


def kept(call: Scripts) -> list[str]:
    found: list[str] = call("read/state", "complete", "", 0, 1000)["jids"]
    return found


def settle(call: Scripts, at_most: int = 60) -> int:
    """Tick until nothing is left to be done at once; return the number of ticks."""
    for number in range(at_most):
        if not call("tick")["more"]:
            return number + 1
    message = "there is always more to do"
    raise AssertionError(message)


def keys_of(call: Scripts, jid: str) -> list[str]:
    return sorted(map(str, call.redis.keys(f"{{ql}}:*:{jid}")))


def test_finished_jobs_are_kept_for_their_time(call: Scripts, clock: Clock) -> None:
    call("config_set", "jobs-history", "100")
    finish(call, "a")
    clock.advance(50)
    finish(call, "b")
    clock.advance(49.999)
    finish(call, "c")
    assert kept(call) == ["c", "b", "a"]
    clock.advance(0.001)

    finish(call, "d")

    assert kept(call) == ["d", "c", "b"]
    assert keys_of(call, "a") == []


def test_no_more_finished_jobs_are_kept_than_their_number(call: Scripts) -> None:
    call("config_set", "jobs-history-count", "3")

    finish(call, *"abcde")

    assert kept(call) == ["e", "d", "c"]


def test_a_negative_time_keeps_nothing_not_even_what_ends_now(call: Scripts) -> None:
    call("config_set", "jobs-history", "-1")
    put(call, "j", data="x" * 2000, tags=["t"])
    for _ in range(20):
        call("log", "j", "", "note", "")
    view = take(call)
    call("progress", "j", view["lease"], "half")

    complete(call, view, "result")

    assert call("read/job", "j") is False
    assert (keys_of(call, "j"), kept(call), call("read/tags", 0, 9, 1)) == ([], [], [])


def test_old_jobs_go_also_when_no_other_job_completes(call: Scripts, clock: Clock) -> None:
    finish(call, "a")
    clock.advance(30 * DAY + 60)

    call("tick")

    assert kept(call) == []


def test_a_lowered_limit_is_made_good_in_bounded_steps(call: Scripts, clock: Clock) -> None:
    for start in range(0, 200, 100):
        for i in range(100):
            put(call, f"j{start + i}")
        views = pop(call, 100)
        call("complete_many", [[view["jid"], view["lease"]] for view in views], *[""] * 100)
    call("config_set", "jobs-history-count", "10")

    finish(call, "last")
    assert 150 < len(kept(call)) < 201
    clock.advance(61)
    ticks = settle(call)

    assert (len(kept(call)), ticks >= 3) == (10, True)


def test_failed_jobs_are_kept_until_somebody_looks(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    view = take(call)
    call("fail", "j", view["lease"], "g", "m", "")
    clock.advance(100 * DAY)
    settle(call)

    assert state(call, "j") == "failed"


def test_a_result_outlives_its_job_while_a_dependent_needs_it(call: Scripts, clock: Clock) -> None:
    call("config_set", "jobs-history", "100")
    put(call, "parent", "p")
    put(call, "first", depends=["parent"])
    put(call, "second", depends=["parent"])
    complete(call, take(call, "p"), "result")
    clock.advance(200)
    call("tick")
    assert call("read/job", "parent") is False
    assert call("read/results", ["parent"]) == [["parent", "json", "result"]]

    complete(call, take(call))
    assert call("read/results", ["parent"]) == [["parent", "json", "result"]]
    call("cancel", ["second"], "")

    assert keys_of(call, "parent") == []


def test_a_result_is_held_for_dependents_that_are_not_let_go_yet(call: Scripts) -> None:
    call("config_set", "jobs-history", "-1")
    put(call, "parent", "p")
    for i in range(120):
        put(call, f"c{i}", depends=["parent"])
    complete(call, take(call, "p"), "result")
    assert call("read/job", "parent") is False
    assert call("read/results", ["parent"]) == [["parent", "json", "result"]]
    settle(call)
    assert counts(call) == {"waiting": 120}
    assert call("read/results", ["parent"]) == [["parent", "json", "result"]]

    for _ in range(2):
        views = pop(call, 100)
        call("complete_many", [[view["jid"], view["lease"]] for view in views],
             *[""] * len(views))  # fmt: skip

    assert keys_of(call, "parent") == []


def test_a_result_that_a_dependent_needs_outlives_a_second_run_of_its_job(call: Scripts) -> None:
    put(call, "parent", "p")
    put(call, "child", depends=["parent"])
    complete(call, take(call, "p"), "first")

    put(call, "parent", "p")
    assert call("read/results", ["parent"]) == [["parent", "json", "first"]]
    assert "result" not in job(call, "parent")
    complete(call, take(call, "p"), "second")
    complete(call, take(call))

    assert job(call, "parent")["result"] == "second"


def test_without_dependents_a_second_run_begins_without_a_result(call: Scripts) -> None:
    finish(call, "j")

    put(call, "j")

    assert not call.redis.exists("{ql}:result:j")


def test_the_result_of_a_canceled_job_goes_with_it_or_with_its_last_dependent(
    call: Scripts,
) -> None:
    put(call, "parent", "p")
    put(call, "child", depends=["parent"])
    complete(call, take(call, "p"), "result")
    put(call, "parent", "p")
    call("cancel", ["parent"], "")
    assert call("read/results", ["parent"]) == [["parent", "json", "result"]]

    complete(call, take(call))

    assert keys_of(call, "parent") == []


def test_tracked_entries_of_jobs_that_are_gone_expire(call: Scripts, clock: Clock) -> None:
    put(call, "gone")
    put(call, "there", delay=90 * DAY * 1000)
    call("track", "gone")
    call("track", "there")
    call("cancel", ["gone"], "")
    clock.advance(30 * DAY + 60)

    settle(call)

    page = call("read/tracked", 0, 10, "")
    assert (page["expired"], [view["jid"] for view in page["jobs"]]) == ([], ["there"])


def test_a_tracked_job_that_is_forgotten_is_not_tracked_any_more(call: Scripts) -> None:
    call("config_set", "jobs-history", "-1")
    put(call, "j")
    call("track", "j")
    complete(call, take(call))

    assert call("read/tracked", 0, 10, "") == {"total": 0, "jobs": [], "expired": []}


def test_workers_expire_once_they_hold_nothing(call: Scripts, clock: Clock) -> None:
    call("config_set", "q-heartbeat", "200000")
    put(call, "j")
    view = take(call, worker="busy")
    call("worker_beat", "idle", "info")
    clock.advance(DAY + 60)
    settle(call)
    assert call.redis.zrange("{ql}:workers", 0, -1) == [b"busy"]
    assert not call.redis.exists("{ql}:worker:idle:info")

    complete(call, view)
    clock.advance(61)
    settle(call)

    assert call.redis.zcard("{ql}:workers") == 0


def test_reported_deaths_are_forgotten_after_an_hour(call: Scripts, clock: Clock) -> None:
    call("worker_died", "w", "n", "", "killed")
    clock.advance(3661)

    settle(call)

    assert call.redis.zcard("{ql}:dead") == 0


def test_finished_batches_expire_and_open_ones_with_members_do_not(
    call: Scripts, clock: Clock
) -> None:
    call("batch_open", "over", {})
    call("batch_close", "over")
    call("batch_open", "open", {})
    put(call, "j", batch="open", delay=90 * DAY * 1000)
    clock.advance(31 * DAY)

    settle(call)

    assert call("read/batch", "over") is False
    assert call("read/batch", "open")["pending"] == 1


def test_keeping_no_jobs_does_not_make_a_batch_expire_before_it_has_members(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "jobs-history", "0")
    call("batch_open", "b", {})
    for _ in range(3):
        clock.advance(61)
        settle(call)

    assert put(call, "j", batch="b") == ["j", True]


def test_keeping_no_jobs_leaves_a_quiet_namespace_with_nothing_to_do(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "jobs-history", "0")
    for i in range(60):
        put(call, f"j{i}")
        call("track", f"j{i}")
        call("batch_open", f"b{i}", {})
        put(call, f"j{i}", batch=f"b{i}")
    clock.advance(61)

    settle(call, 10)

    assert call("read/tracked", 0, 1, "")["total"] == 60


def test_series_and_days_expire(call: Scripts, clock: Clock) -> None:
    finish(call, "old")
    clock.advance(60)
    finish(call, "newer")
    clock.advance(31 * DAY)
    for _ in range(5):
        call("tick")
        clock.advance(61)

    left = {
        name: call.redis.zcard(f"{{ql}}:queue:q:{name}") for name in ("minutes", "tens", "days")
    }
    assert left == {"minutes": 0, "tens": 0, "days": 0}
