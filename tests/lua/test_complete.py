"""complete and complete_many: final states, next queues, follow-ups and results."""

from __future__ import annotations

import pytest

from qless_py.errors import (
    AlreadyExistsError,
    BadArgumentError,
    BatchClosedError,
    DataTooLargeError,
    DependencyError,
    LostLeaseError,
)
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, fail, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts


def follow_up(jid: str, **options: object) -> dict[str, object]:
    return {"jid": jid, "klass": "K", "queue": "after", **options}


def test_a_completed_job_is_in_no_queue_and_keeps_its_result(call: Scripts, clock: Clock) -> None:
    put(call, "j", retries=3)
    call("retry", "j", take(call)["lease"], 0, {"group": "g", "message": "m"})
    view = take(call)
    clock.advance(7)

    reply = call("complete", "j", view["lease"], "[]", "\xff\0".encode("latin-1"), {})

    assert reply == {"state": "complete", "jobs": []}
    view = job(call, "j")
    assert (view["state"], view["data"], view["completed_at"]) == ("complete", b"[]", ms(call))
    assert view["result"] == b"\xff\0"
    assert not {"queue", "worker", "lease", "failure", "left", "expires_at"} & view.keys()
    assert whats(call, "j")[-1] == "done"
    assert call("read/state", "complete", "", 0, 10) == {"total": 1, "jids": ["j"]}
    assert call("read/worker", "w", 0, 10, 100)["jobs"] == []


def test_completed_jobs_are_listed_newest_first(call: Scripts, clock: Clock) -> None:
    for jid in ("a", "b", "c"):
        put(call, jid)
        complete(call, take(call))
        clock.advance(1)

    assert call("read/state", "complete", "", 0, 2) == {"total": 3, "jids": ["c", "b"]}
    assert call("read/state", "complete", "", 2, 2)["jids"] == ["a"]


def test_completion_is_published_on_its_channel_first(call: Scripts, published: Published) -> None:
    put(call, "j")
    call("track", "j")
    view = take(call)
    published()

    complete(call, view, next={"queue": "two"})
    assert published() == [("completed", "j"), ("log", "advanced j q two")]
    view = take(call, "two")
    published()
    complete(call, view)

    assert published() == [("completed", "j"), ("log", "completed j two")]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "waiting"),
        ({"delay": 0}, "waiting"),
        ({"delay": 5}, "scheduled"),
        ({"depends": ["parent"]}, "depends"),
        ({"depends": ["nobody"]}, "waiting"),
        ({"depends": ["parent"], "delay": 5000}, "depends"),
    ],
)
def test_a_job_goes_on_in_its_next_queue(
    call: Scripts, options: dict[str, object], expected: str
) -> None:
    put(call, "parent", "elsewhere")
    put(call, "j", priority=3, tags=["t"], retries=1)
    call("retry", "j", take(call)["lease"], 0, {})

    reply = complete(call, take(call), next={"queue": "two", **options})

    assert reply["state"] == expected
    view = job(call, "j")
    assert (view["queue"], view["priority"], view["tags"]) == ("two", 3, ["t"])
    assert "left" not in view
    assert whats(call, "j")[-2:] == ["done", "put"]
    assert [row["name"] for row in call("read/queues", 0, 10)["queues"]] == [
        "elsewhere",
        "q",
        "two",
    ]


def test_a_way_on_with_delay_and_parents_waits_for_both(call: Scripts, clock: Clock) -> None:
    put(call, "parent", "elsewhere")
    put(call, "j")
    complete(call, take(call), next={"queue": "two", "depends": ["parent"], "delay": 5000})
    clock.advance(1)
    complete(call, take(call, "elsewhere"))

    assert state(call, "j") == "scheduled"
    clock.advance(4)
    assert jids(pop(call, 1, "two")) == ["j"]


def test_dependents_wait_while_the_job_goes_on(call: Scripts) -> None:
    put(call, "j")
    put(call, "child", depends=["j"])

    complete(call, take(call), next={"queue": "two"})
    assert state(call, "child") == "depends"
    complete(call, take(call, "two"))

    assert state(call, "child") == "waiting"


def test_a_job_cannot_go_on_to_wait_for_itself_or_for_who_waits_for_it(call: Scripts) -> None:
    put(call, "j")
    put(call, "child", depends=["j"])
    view = take(call)

    for parent in ("j", "child"):
        with pytest.raises(DependencyError):
            complete(call, view, next={"queue": "two", "depends": [parent]})

    assert state(call, "j") == "running"


def test_follow_ups_are_put_with_the_completion(call: Scripts) -> None:
    put(call, "j")

    reply = complete(call, take(call), jobs=[follow_up("a"), follow_up("b", delay=9000)])

    assert reply == {"state": "complete", "jobs": [["a", True], ["b", True]]}
    assert counts(call, "after") == {"waiting": 1, "scheduled": 1}


def test_a_rejected_completion_puts_nothing(call: Scripts) -> None:
    put(call, "j")
    view = take(call)

    with pytest.raises(BadArgumentError):
        complete(call, view, jobs=[follow_up("a"), follow_up("b", priority="x")])
    with pytest.raises(LostLeaseError):
        complete(call, view | {"lease": "1.x"}, jobs=[follow_up("a")])

    assert state(call, "j") == "running"
    assert call("read/job", "a") is False


def test_a_follow_up_that_is_there_already_is_left_alone(call: Scripts) -> None:
    put(call, "there", "q", "old", priority=4)
    put(call, "j", priority=9)

    reply = complete(call, take(call), jobs=[follow_up("there"), follow_up("new")])

    assert reply["jobs"] == [["there", False], ["new", True]]
    assert (job(call, "there")["queue"], job(call, "there")["data"]) == ("q", b"old")


HELD = {"key": "k", "scope": "running"}


@pytest.mark.parametrize(
    ("jid", "rule"),
    [
        ("holder", {"on_conflict": "ignore"}),
        ("new", {"unique": HELD, "unique_conflict": "ignore"}),
        ("new", {"unique": HELD, "unique_conflict": "replace"}),
    ],
)
def test_a_conflict_of_a_follow_up_does_not_refuse_the_completion(
    call: Scripts, jid: str, rule: dict[str, object]
) -> None:
    put(call, "holder", "other", unique=HELD)
    pop(call, 1, "other")
    put(call, "j")

    reply = complete(call, take(call), jobs=[follow_up(jid, **rule)])

    assert reply == {"state": "complete", "jobs": [["holder", False]]}
    assert state(call, "holder") == "running"


@pytest.mark.parametrize(
    ("jid", "rule"),
    [
        ("holder", {"on_conflict": "raise"}),
        ("schedule", {"on_conflict": "raise"}),
        ("new", {"unique": HELD, "unique_conflict": "raise"}),
    ],
)
def test_a_follow_up_that_asks_to_be_refused_refuses_the_completion(
    call: Scripts, jid: str, rule: dict[str, object]
) -> None:
    call("recur", "q", "schedule", "K", "{}", 3_600_000, 3_600_000, {})
    put(call, "holder", "other", unique=HELD)
    put(call, "j")

    with pytest.raises(AlreadyExistsError):
        complete(call, take(call), jobs=[follow_up("fine"), follow_up(jid, **rule)])

    assert state(call, "j") == "running"
    assert call("read/job", "fine") is False


def test_a_job_that_puts_itself_again_completes_and_waits(call: Scripts) -> None:
    put(call, "j", priority=3, unique=HELD)
    put(call, "after", "later", depends=["j"])
    again = {"jid": "j", "klass": "K", "queue": "q", "delay": 5000}

    reply = complete(call, take(call), "done", jobs=[follow_up("a"), again, follow_up("b")])

    assert reply == {"state": "complete", "jobs": [["a", True], ["j", True], ["b", True]]}
    view = job(call, "j")
    assert (view["state"], view["priority"], view["retries"]) == ("scheduled", 3, 5)
    assert whats(call, "j")[-2:] == ["done", "put"]
    assert state(call, "after") == "waiting"
    assert call("read/results", ["j"]) == [["j", "json", "done"]]
    assert counts(call, "after") == {"waiting": 2}
    assert put(call, "other", unique=HELD) == ["j", False]


def test_a_job_may_wait_for_what_waited_for_it_when_it_puts_itself_again(call: Scripts) -> None:
    put(call, "j")
    put(call, "after", "later", depends=["j"])

    complete(call, take(call), jobs=[{"jid": "j", "klass": "K", "queue": "q", "depends": ["after"]}])
    assert (state(call, "after"), state(call, "j")) == ("waiting", "depends")
    complete(call, take(call, "later"))

    assert jids(pop(call)) == ["j"]


@pytest.mark.parametrize(("policy", "answer"), [("ignore", False), ("revive", False)])
def test_a_job_that_would_ignore_itself_just_completes(
    call: Scripts, policy: str, answer: bool
) -> None:
    put(call, "j")

    reply = complete(call, take(call), jobs=[follow_up("j", on_conflict=policy)])

    assert reply == {"state": "complete", "jobs": [["j", answer]]}
    assert state(call, "j") == "complete"


def test_a_job_cannot_put_itself_again_in_two_ways(call: Scripts) -> None:
    put(call, "j")
    view = take(call)

    with pytest.raises(BadArgumentError, match="next queue"):
        complete(call, view, next={"queue": "two"}, jobs=[follow_up("j")])
    with pytest.raises(BadArgumentError, match="twice"):
        complete(call, view, jobs=[follow_up("j"), follow_up("j")])
    with pytest.raises(AlreadyExistsError):
        complete(call, view, jobs=[follow_up("j", on_conflict="raise")])

    assert state(call, "j") == "running"


@pytest.mark.parametrize("stays", [True, False])
def test_a_member_that_puts_itself_again_stays_in_the_batch_if_it_says_so(
    call: Scripts, stays: bool
) -> None:
    call("batch_open", "b", {})
    put(call, "j", batch="b")
    call("batch_close", "b")

    complete(call, take(call), jobs=[follow_up("j", **({"batch": "b"} if stays else {}))])

    shown = call("read/batch", "b")
    numbers = [shown[name] for name in ("total", "pending", "completed")]
    assert (shown["state"], numbers) == (("closed", [1, 1, 0]) if stays else ("finished", [1, 0, 1]))
    complete(call, take(call, "after"))
    assert call("read/batch", "b")["state"] == "finished"
    assert call("read/batch", "b")["completed"] == 1


def test_follow_ups_may_wait_for_each_other_and_find_the_job_itself_complete(
    call: Scripts,
) -> None:
    put(call, "j")

    complete(
        call, take(call), jobs=[follow_up("a", depends=["j"]), follow_up("b", depends=["a", "j"])]
    )

    assert (state(call, "a"), state(call, "b")) == ("waiting", "depends")
    assert job(call, "b")["dependencies"] == ["a"]


def test_a_follow_up_of_a_job_that_goes_on_waits_for_its_last_completion(call: Scripts) -> None:
    put(call, "j")

    complete(call, take(call), next={"queue": "two"}, jobs=[follow_up("a", depends=["j"])])
    assert state(call, "a") == "depends"
    complete(call, take(call, "two"))

    assert state(call, "a") == "waiting"


def test_a_follow_up_that_replaces_a_dependent_leaves_the_result_alone(call: Scripts) -> None:
    put(call, "j")
    put(call, "other", delay=60_000)
    for jid in ("replaced", "waits"):
        put(call, jid, "after", depends=["j"])
    replacement = follow_up("replaced", depends=["other"], on_conflict="replace")

    complete(call, take(call), "precious", jobs=[replacement])

    assert job(call, "j")["result"] == "precious"
    assert (state(call, "replaced"), state(call, "waits")) == ("depends", "waiting")


def test_a_follow_up_and_its_job_cannot_wait_for_each_other(call: Scripts) -> None:
    put(call, "other", "elsewhere")
    put(call, "j")
    replaced = follow_up("other", depends=["j"], on_conflict="replace")

    with pytest.raises(DependencyError):
        complete(call, take(call), next={"queue": "two", "depends": ["other"]}, jobs=[replaced])

    assert state(call, "j") == "running"


def test_a_follow_up_that_names_its_job_is_put_once_over_two_runs(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    put(call, "early", "after", parent="j", lease=view["lease"])
    call("cancel", ["early"], "")
    held = {"parent": "j", "lease": view["lease"]}

    reply = complete(call, view, jobs=[follow_up("early", **held), follow_up("late", **held)])

    assert reply["jobs"] == [["early", False], ["late", True]]
    assert "followups" not in job(call, "j")


def test_a_follow_up_for_a_closed_batch_refuses_the_completion(call: Scripts) -> None:
    call("batch_open", "b", {})
    call("batch_close", "b")
    put(call, "j")

    with pytest.raises(BatchClosedError):
        complete(call, take(call), jobs=[follow_up("a", batch="b")])

    assert state(call, "j") == "running"


def test_a_result_over_the_limit_is_rejected(call: Scripts) -> None:
    call("config_set", "max-data-size", "10")
    put(call, "j")
    view = take(call)

    with pytest.raises(DataTooLargeError):
        complete(call, view, "r" * 11)
    with pytest.raises(DataTooLargeError):
        call("complete_many", [["j", view["lease"]]], "r" * 11)

    assert state(call, "j") == "running"


def test_a_crash_count_ends_with_a_completion(call: Scripts) -> None:
    put(call, "j")
    take(call, worker="old")
    call("worker_died", "old", "old", "j", "killed")
    assert job(call, "j")["crashes"] == 1

    complete(call, take(call), next={"queue": "two"})

    assert "crashes" not in job(call, "j")


def test_many_jobs_end_in_one_call_each_answered_for_itself(call: Scripts) -> None:
    for jid in ("a", "b", "lost", "failed"):
        put(call, jid)
    put(call, "child", depends=["a", "b"])
    views = {view["jid"]: view for view in pop(call, 4)}
    call("release", "lost", views["lost"]["lease"])
    fail(call, views["failed"])

    pairs = [[jid, views[jid]["lease"]] for jid in ("a", "lost", "b", "failed")]
    replies = call("complete_many", [*pairs, ["nobody", "1.w"]], "", "x", "result", "", "")

    assert [reply.split()[0] for reply in replies] == [
        "complete", "LOSTLEASE", "complete", "LOSTLEASE", "NOJOB",
    ]  # fmt: skip
    assert (job(call, "b")["result"], job(call, "a").get("result")) == ("result", None)
    assert state(call, "child") == "waiting"


def test_dependents_beyond_the_bounds_of_one_call_are_let_go_by_the_next_ones(
    call: Scripts,
) -> None:
    put(call, "j")
    for i in range(120):
        put(call, f"c{i}", "after", depends=["j"])

    complete(call, take(call))
    some = counts(call, "after")["waiting"]
    replies = [call("tick") for _ in range(2)]

    assert 0 < some < 120
    assert [reply["more"] for reply in replies] == [True, False]
    assert counts(call, "after") == {"waiting": 120}
