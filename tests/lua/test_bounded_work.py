"""One call does a bounded amount of work and leaves the rest to later calls."""

from __future__ import annotations

import pytest

from qless_py.errors import BadArgumentError, DependencyError
from tests.conftest import Clock
from tests.lua.steps import counts, fail, pop, put
from tests.lua.test_retention import settle
from tests.script_runner import Scripts


def put_many(call: Scripts, number: int, queue: str = "q", **options: object) -> None:
    """Put any number of jobs in calls of a hundred."""
    for start in range(0, number, 100):
        size = min(100, number - start)
        specs = [{"jid": f"{queue}-{start + i}", "klass": "K", **options} for i in range(size)]
        call("put_many", queue, specs, *("{}" for _ in specs))


def test_many_due_jobs_are_promoted_over_several_calls(call: Scripts, clock: Clock) -> None:
    put_many(call, 120, delay=1000)
    clock.advance(1)

    replies = [call("pop", ["elsewhere"], "w", 1, {}) for _ in range(3)]

    assert [(reply["more"], reply["next"]) for reply in replies[:2]] == [(True, 0), (True, 0)]
    assert (replies[2]["more"], counts(call)) == (False, {"waiting": 120})
    assert call.redis.zcard("{ql}:queue:q:scheduled") == 0


def test_due_jobs_count_as_waiting_before_and_after(call: Scripts, clock: Clock) -> None:
    put_many(call, 120, delay=1000)
    clock.advance(1)
    call("tick")

    assert 0 < call.redis.zcard("{ql}:queue:q:scheduled") < 120
    assert counts(call) == {"waiting": 120}


def test_the_duties_of_many_queues_are_done_in_turn(call: Scripts, clock: Clock) -> None:
    for number in range(35):
        put_many(call, 8, f"q{number}", delay=1000)
    clock.advance(1)

    ticks = settle(call)

    assert 4 <= ticks <= 20
    assert all(call.redis.zcard(f"{{ql}}:queue:q{n}:waiting") == 8 for n in range(35))


def test_a_queue_with_endless_work_does_not_starve_the_duties_of_others(
    call: Scripts, clock: Clock
) -> None:
    call("recur", "busy", "often", "K", "{}", 1, 0, {})
    put(call, "j", delay=60_000)
    clock.advance(60)

    for _ in range(3):
        call("tick")

    assert call.redis.zcard("{ql}:queue:q:waiting") == 1
    call("recur_cancel", "often")


def test_failures_by_the_hundred_bring_their_dependents_along_in_steps(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "grace-period", "0")
    put_many(call, 100, retries=0)
    for i in range(100):
        put(call, f"child{i}", "children", depends=[f"q-{i}"], on_parent_failed="fail")
    pop(call, 100)
    clock.advance(60)

    settle(call)

    groups = {row[0]: row[1] for row in call("read/groups", 0, 10)["groups"]}
    assert groups == {"failed-retries-q": 100, "parent-failed": 100}


def test_a_job_with_more_dependents_than_a_call_can_name_is_not_canceled(call: Scripts) -> None:
    put(call, "hub")
    put_many(call, 150, depends=["hub"])

    with pytest.raises(DependencyError):
        call("cancel", ["hub", *(f"q-{i}" for i in range(99))], "")

    assert counts(call) == {"waiting": 1, "depends": 150}


def test_a_job_may_have_any_number_of_dependents_that_do_not_mind(call: Scripts) -> None:
    put(call, "hub", "h")
    put_many(call, 500, depends=["hub"], on_parent_failed="run")

    fail(call, pop(call, 1, "h")[0])
    ticks = settle(call)

    assert (counts(call), 8 <= ticks <= 12) == ({"waiting": 500}, True)


def test_no_call_takes_more_than_a_hundred(call: Scripts) -> None:
    names = [f"n{i}" for i in range(101)]
    refused: dict[str, list[object]] = {
        "put_many": ["q", [{"jid": name, "klass": "K"} for name in names], *("{}" for _ in names)],
        "pop": [names, "w", 1, {}],
        "cancel": [names],
        "bulk": ["cancel", names, {}],
        "timeout": [names],
        "heartbeat_many": [[[name, "1.w"] for name in names]],
        "complete_many": [[[name, "1.w"] for name in names], *("" for _ in names)],
        "pause": [names, {}],
        "tag": ["j", names],
        "read/jobs": [names],
        "read/rows": [names, 4096],
        "read/results": [names],
    }
    put(call, "j")

    for name, arguments in refused.items():
        with pytest.raises(BadArgumentError):
            call(name, *arguments)
    complete = {"set": "complete"}
    for dear in (["read/throttles", "", 251], ["read/users", "q", "", 251],
                 ["read/search", [complete], "", 0, 101, 1, []],
                 ["read/search", [complete] * 26, "", 0, 1, 1, []],
                 ["read/sizes", [complete] * 251]):  # fmt: skip
        with pytest.raises(BadArgumentError):
            call(*dear)
    with pytest.raises(BadArgumentError):
        call("pop", ["q"], "w", 101, {})
    with pytest.raises(BadArgumentError):
        call("unfail", "q", "g", 101)
    with pytest.raises(BadArgumentError):
        put(call, "k", depends=names)

    assert counts(call) == {"waiting": 1}


def test_the_tags_of_one_job_are_bounded(call: Scripts) -> None:
    put(call, "j")
    for start in range(0, 1000, 100):
        call("tag", "j", [f"t{start + i}" for i in range(100)])

    with pytest.raises(BadArgumentError, match="at most 1000 tags"):
        call("tag", "j", ["one-more"])
    assert call("bulk", "tag", ["j"], {"tags": ["one-more"]}) == [
        "BADARG a job has at most 1000 tags"
    ]
    assert len(call("tag", "j", ["t0", "t999"])) == 1000
    call("untag", "j", ["t0"])
    assert len(call("tag", "j", ["one-more"])) == 1000


def test_the_tags_of_one_recurring_job_are_bounded(call: Scripts) -> None:
    call("recur", "q", "r", "K", "{}", 3_600_000, 3_600_000, {})
    for start in range(0, 1000, 100):
        call("recur_update", "r", "", {"add_tags": [f"t{start + i}" for i in range(100)]})

    with pytest.raises(BadArgumentError, match="at most 1000 tags"):
        call("recur_update", "r", "", {"add_tags": ["one-more"]})


def test_the_parents_of_one_job_are_bounded_however_they_are_added(call: Scripts) -> None:
    put_many(call, 1001, "p")
    put(call, "j", depends=["p-0"])
    for start in range(0, 1000, 100):
        names = [f"p-{start + i}" for i in range(100)]
        put(call, "j", depends=names, adds=True)

    with pytest.raises(BadArgumentError, match="at most 1000 parents"):
        put(call, "j", depends=["p-1000"], adds=True)
    with pytest.raises(BadArgumentError, match="at most 1000 parents"):
        call("depends_on", "j", ["p-0", "p-1000"], {})
    assert call("depends_on", "j", ["p-0", "p-999"], {}) == 1000
    put(call, "j", depends=["p-1000"])
    assert call("read/job", "j")["dependencies"] == ["p-1000"]


def test_the_open_batches_of_one_job_are_bounded(call: Scripts) -> None:
    put(call, "owner")
    held = {"owner": "owner", "lease": pop(call)[0]["lease"]}
    for number in range(100):
        call("batch_open", f"b{number}", held)

    with pytest.raises(BadArgumentError, match="at most 100 open batches"):
        call("batch_open", "one-more", held)
    call("batch_open", "b7", held)
    call("batch_close", "b7")
    call("batch_open", "one-more", held)
    assert len(call("read/job", "owner")["owns"]) == 100


def test_a_packed_argument_is_measured_before_it_is_unpacked(call: Scripts) -> None:
    huge = b"\xdd" + (1 << 20).to_bytes(4, "big") + b"\1" * (1 << 20)

    with pytest.raises(BadArgumentError, match="1048581 packed bytes; the limit is 1048576"):
        call("cancel", huge, "")
