"""put and requeue: a job is created, moved or replaced."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import BadArgumentError, DataTooLargeError, JobNotFoundError, LostLeaseError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, fail, jids, job, ms, pop, put, state, take, whats
from tests.script_runner import Scripts

STATES = ("waiting", "scheduled", "depends", "running", "stalled", "failed", "complete")


def bring(call: Scripts, wanted: str, **options: Any) -> None:
    """Put the job `j` into one of the states."""
    if wanted == "depends":
        put(call, "parent", "elsewhere")
        options["depends"] = ["parent"]
    if wanted == "scheduled":
        options["delay"] = 1000
    put(call, "j", "old", **options)
    if wanted in ("waiting", "scheduled", "depends"):
        return
    view = take(call, "old", "owner")
    if wanted == "stalled":
        call("timeout", ["j"])
    elif wanted == "failed":
        fail(call, view)
    elif wanted == "complete":
        complete(call, view, "result")


def test_a_new_job_has_the_defaults(call: Scripts) -> None:
    assert put(call, "j") == ["j", True]

    view = job(call, "j")

    assert (view["klass"], view["queue"], view["state"]) == ("K", "q", "waiting")
    assert (view["retries"], view["data"]) == (5, b"{}")
    assert not {"priority", "tags", "left", "codec", "worker", "lease"} & view.keys()
    assert view["history"] == [["put", ms(call), {"queue": "q"}]]
    assert (view["dependencies"], view["dependents"]) == ([], [])


@pytest.mark.parametrize("wanted", STATES)
def test_a_put_moves_and_replaces_a_job_in_any_state(call: Scripts, wanted: str) -> None:
    bring(call, wanted)

    reply = call("put", "new", "j", "Other", "[]", {})

    assert reply == ["j", True]
    view = job(call, "j")
    assert (view["klass"], view["data"]) == ("Other", b"[]")
    assert (view["queue"], view["state"]) == (
        "new",
        "depends" if wanted == "depends" else "waiting",
    )
    assert counts(call, "old") == {}
    assert call("read/worker", "owner", 0, 10, 100)["jobs"] == []
    assert call("read/state", "complete", "", 0, 10)["total"] == 0
    assert call("read/groups", 0, 10)["total"] == 0


@pytest.mark.parametrize("wanted", STATES)
def test_a_put_keeps_what_it_does_not_name(call: Scripts, wanted: str) -> None:
    bring(call, wanted, priority=7, tags=["a", "b"], retries=2)

    put(call, "j", "new")

    view = job(call, "j")
    assert (view["priority"], view["tags"], view["retries"]) == (7, ["a", "b"], 2)


@pytest.mark.parametrize("wanted", STATES)
def test_a_put_replaces_what_it_names(call: Scripts, wanted: str) -> None:
    bring(call, wanted, priority=7, tags=["a", "b"], retries=2)

    put(call, "j", "new", priority=0, tags=["b", "c"], retries=0)

    view = job(call, "j")
    assert (view.get("priority", 0), view["tags"], view["retries"]) == (0, ["b", "c"], 0)
    assert call("read/tagged", "a", 0, 10)["total"] == 0
    assert call("read/tagged", "c", 0, 10)["jids"] == ["j"]


def test_a_put_gives_the_retries_back(call: Scripts) -> None:
    put(call, "j", retries=3)
    view = take(call)
    call("retry", "j", view["lease"], 0, {})
    assert job(call, "j")["left"] == 2

    put(call, "j")

    assert "left" not in job(call, "j")


def test_an_earlier_failure_stays_visible_until_completion(call: Scripts) -> None:
    put(call, "j")
    fail(call, take(call), "broken", "it broke")

    put(call, "j")
    assert job(call, "j")["failure"]["message"] == "it broke"
    view = take(call)
    assert view["failure"]["group"] == "broken"
    complete(call, view)

    assert "failure" not in job(call, "j")


def test_a_put_takes_a_running_job_from_its_worker(call: Scripts) -> None:
    put(call, "j")
    view = take(call)

    put(call, "j")

    with pytest.raises(LostLeaseError):
        complete(call, view)


def test_only_another_putter_warns_the_worker(call: Scripts, published: Published) -> None:
    put(call, "j")
    take(call, worker="owner")
    published()

    put(call, "j", worker="owner")
    assert published() == [("log", "put j q")]
    take(call, worker="owner")
    put(call, "j", worker="other")

    lost = "lock_lost j q owner"
    assert published() == [("log", "put j q"), ("worker:owner", lost), ("log", lost)]


def test_the_memory_of_a_run_goes_with_a_put(call: Scripts) -> None:
    put(call, "j")
    view = take(call)
    call("progress", "j", view["lease"], "half")
    complete(call, view, "result")

    put(call, "j")

    view = job(call, "j")
    assert not {"progress", "result", "has_result", "has_progress"} & view.keys()


def test_a_delayed_job_is_handed_out_when_its_time_has_come(call: Scripts, clock: Clock) -> None:
    put(call, "j", delay=5000)
    assert (state(call, "j"), pop(call)) == ("scheduled", [])

    clock.advance(4.999)
    assert pop(call) == []
    clock.advance(0.001)

    assert jids(pop(call)) == ["j"]


def test_a_delay_of_zero_is_none(call: Scripts) -> None:
    put(call, "j", delay=0)

    assert state(call, "j") == "waiting"


def test_unknown_and_complete_parents_count_as_met(call: Scripts) -> None:
    put(call, "done")
    complete(call, take(call))

    put(call, "j", depends=["done", "nobody"])

    assert (state(call, "j"), job(call, "j")["dependencies"]) == ("waiting", [])


def test_a_put_without_parents_keeps_them_and_one_with_parents_replaces_them(
    call: Scripts,
) -> None:
    for parent in ("a", "b", "c"):
        put(call, parent, "elsewhere")
    put(call, "j", depends=["a", "b"])

    put(call, "j", depends=[])
    assert sorted(job(call, "j")["dependencies"]) == ["a", "b"]
    put(call, "j", depends=["b", "c"])

    assert sorted(job(call, "j")["dependencies"]) == ["b", "c"]
    assert [job(call, one)["dependents"] for one in ("a", "b", "c")] == [[], ["j"], ["j"]]


def test_parents_that_are_met_set_the_job_free(call: Scripts) -> None:
    put(call, "a", "elsewhere")
    put(call, "j", depends=["a"])

    put(call, "j", depends=["nobody"])

    assert (state(call, "j"), job(call, "a")["dependents"]) == ("waiting", [])


def test_data_lies_where_its_size_says_and_comes_back_byte_for_byte(call: Scripts) -> None:
    for data in (b"", b"x" * 1024, b"\xff\0" * 513, b"x" * 1025, b"[]"):
        call("put", "q", "j", "K", data, {})

        assert job(call, "j")["data"] == data
        view = take(call)
        assert view["data"] == data
        call("release", "j", view["lease"])


def test_data_over_the_limit_is_rejected(call: Scripts) -> None:
    call("config_set", "max-data-size", "10")

    put(call, "j", data="x" * 10)
    with pytest.raises(DataTooLargeError):
        put(call, "j", data="x" * 11)

    assert job(call, "j")["data"] == b"x" * 10


def test_requeue_wants_a_job_that_exists(call: Scripts) -> None:
    with pytest.raises(JobNotFoundError):
        call("requeue", "q", "nobody", "K", "{}", {})
    put(call, "j")
    call("cancel", ["j"], "")

    with pytest.raises(JobNotFoundError):
        call("requeue", "q", "j", "K", "{}", {})


@pytest.mark.parametrize("data", ["short", "long" * 1000])
def test_requeue_keeps_klass_data_and_codec_when_none_are_given(call: Scripts, data: str) -> None:
    call("put", "q", "j", "K", data, {"codec": "msgpack", "tags": ["t"]})

    assert call("requeue", "new", "j", "", "", {}) == ["j", False]
    kept = job(call, "j")
    call("requeue", "new", "j", "Other", "{}", {})

    assert (kept["klass"], kept["data"], kept["codec"]) == ("K", data.encode(), "msgpack")
    changed = job(call, "j")
    assert (changed["klass"], changed["data"], changed.get("codec")) == ("Other", b"{}", None)
    assert (changed["queue"], changed["tags"]) == ("new", ["t"])


def test_requeue_brings_a_failed_job_back(call: Scripts) -> None:
    put(call, "j")
    fail(call, take(call))

    call("requeue", "q", "j", "", "", {})

    assert whats(call, "j") == ["put", "popped", "failed", "put"]
    assert jids(pop(call)) == ["j"]


def test_a_job_cannot_put_itself_on_its_own_behalf(call: Scripts) -> None:
    put(call, "j")
    view = take(call)

    with pytest.raises(BadArgumentError):
        put(call, "j", "later", parent="j", lease=view["lease"])

    assert state(call, "j") == "running"


def test_a_put_on_behalf_of_a_job_needs_its_lease(call: Scripts) -> None:
    put(call, "parent")
    view = take(call)
    call("timeout", ["parent"])

    with pytest.raises(LostLeaseError):
        put(call, "child", parent="parent", lease=view["lease"])
    with pytest.raises(JobNotFoundError):
        put(call, "child", parent="nobody", lease=view["lease"])

    assert call("read/job", "child") is False


def test_a_second_run_puts_nothing_twice_on_behalf_of_its_job(call: Scripts) -> None:
    put(call, "parent")
    put(call, "child", "other", parent="parent", lease=take(call)["lease"])
    complete(call, take(call, "other"))
    call("cancel", ["child"], "")
    call("timeout", ["parent"])

    reply = put(call, "child", "other", parent="parent", lease=take(call)["lease"])

    assert (reply, counts(call, "other")) == (["child", False], {})
