"""put_many: up to 100 jobs in one call, all or none."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.errors import AlreadyExistsError, BadArgumentError, DependencyError
from tests.lua.steps import complete, fail, jids, job, pop, put, state, take
from tests.script_runner import Scripts


def put_many(call: Scripts, *jobs: dict[str, object]) -> object:
    specs = [{"klass": "K", **spec} for spec in jobs]
    return call("put_many", "q", specs, *("{}" for _ in specs))


def put_numbered(call: Scripts, *jobs: dict[str, object]) -> object:
    """Put jobs each of which has its position as its data."""
    specs = [{"klass": "K", **spec} for spec in jobs]
    return call("put_many", "q", specs, *(str(at) for at in range(len(specs))))


def test_jobs_are_put_in_their_order_each_with_its_own_data(call: Scripts) -> None:
    specs = [{"jid": f"j{i:02}", "klass": "K"} for i in range(100)]

    reply = call("put_many", "q", specs, *(str(i) for i in range(100)))

    assert reply == [[f"j{i:02}", True] for i in range(100)]
    views = pop(call, 100)
    assert [(view["jid"], view["data"]) for view in views] == [
        (f"j{i:02}", str(i).encode()) for i in range(100)
    ]


def test_a_job_may_name_its_own_queue(call: Scripts) -> None:
    put_many(call, {"jid": "a"}, {"jid": "b", "queue": "other"})

    assert (job(call, "a")["queue"], job(call, "b")["queue"]) == ("q", "other")


def test_jobs_of_all_kinds_keep_the_order_of_the_call_in_their_queues(call: Scripts) -> None:
    put(call, "c")
    queues = zip("abcdefg", "qqqrqrq", strict=True)
    specs: list[dict[str, object]] = [{"jid": jid, "queue": queue} for jid, queue in queues]
    specs[1]["tags"] = ["x"]

    reply = put_many(call, *specs)

    assert reply == [[jid, True] for jid in "abcdefg"]
    assert jids(pop(call, 10)) == ["a", "b", "c", "e", "g"]
    assert jids(pop(call, 10, "r")) == ["d", "f"]


@pytest.mark.corrupts
def test_keys_of_another_type_are_set_aside(call: Scripts) -> None:
    for jid in "bd":
        call.redis.rpush(f"{{ql}}:job:{jid}", "junk")

    put_many(call, {"jid": "a"}, {"jid": "b"}, {"jid": "c"}, {"jid": "d"})

    assert jids(pop(call, 10)) == ["a", "b", "c", "d"]
    assert call.redis.lrange("{ql}:quarantine:job:b", 0, -1) == [b"junk"]
    assert call.redis.lrange("{ql}:quarantine:job:d", 0, -1) == [b"junk"]


def test_one_bad_job_refuses_all(call: Scripts) -> None:
    put(call, "there")

    with pytest.raises(AlreadyExistsError):
        put_many(call, {"jid": "a"}, {"jid": "there", "on_conflict": "raise"})
    with pytest.raises(BadArgumentError):
        put_many(call, {"jid": "a"}, {"jid": "b", "priority": "high"})
    with pytest.raises(BadArgumentError):
        put_many(call, {"jid": "a"}, {"jid": "a"})
    with pytest.raises(BadArgumentError):
        call("put_many", "q", [{"jid": "a", "klass": "K"}, {"jid": "b", "klass": "K"}], "{}")

    assert call("read/job", "a") is False


def test_a_job_may_depend_on_an_earlier_one_of_the_call(call: Scripts) -> None:
    put_many(call, {"jid": "a"}, {"jid": "b", "depends": ["a"]}, {"jid": "c", "depends": ["b"]})

    assert [state(call, jid) for jid in "abc"] == ["waiting", "depends", "depends"]
    for jid in "abc":
        view = take(call)
        assert view["jid"] == jid
        complete(call, view)


def test_a_parent_that_the_call_puts_anew_is_waited_for(call: Scripts) -> None:
    put(call, "a")
    complete(call, take(call))

    put_many(call, {"jid": "a"}, {"jid": "b", "depends": ["a"]})

    assert state(call, "b") == "depends"


@pytest.mark.parametrize("existing", [["a", "b"], ["b"]])
def test_a_cycle_within_one_call_is_rejected(call: Scripts, existing: list[str]) -> None:
    for jid in existing:
        put(call, jid)
    first: dict[str, object] = {"jid": "a", "depends": ["b"]}

    with pytest.raises(DependencyError):
        put_many(call, first, {"jid": "b", "depends": ["a"]})
    with pytest.raises(DependencyError):
        put_many(call, first, {"jid": "c", "depends": ["a"]}, {"jid": "b", "depends": ["c"]})

    assert state(call, "b") == "waiting"
    assert call("read/job", "c") is False


def test_a_job_put_twice_in_one_call_takes_effect_once(call: Scripts) -> None:
    put(call, "holder", unique={"key": "k", "scope": "queued"})
    taken_key = {"unique": {"key": "k", "scope": "queued"}}

    reply = put_many(call, {"jid": "j", **taken_key}, {"jid": "j", "tags": ["t"]})

    assert reply == [["holder", False], ["j", True]]
    assert job(call, "j")["tags"] == ["t"]


def test_a_unique_key_goes_to_the_first_of_the_call(call: Scripts) -> None:
    key = {"unique": {"key": "k", "scope": "queued"}}

    assert put_many(call, {"jid": "a", **key}, {"jid": "b", **key}) == [["a", True], ["a", False]]
    with pytest.raises(AlreadyExistsError):
        put_many(call, {"jid": "c"}, {"jid": "d", **key, "unique_conflict": "raise"})

    assert jids(pop(call, 10)) == ["a"]


K: dict[str, Any] = {"unique": {"key": "k", "scope": "queued"}}
REPLACES_K: dict[str, Any] = {**K, "unique_conflict": "replace"}


def test_a_conflict_is_decided_as_if_the_earlier_jobs_were_put_already(call: Scripts) -> None:
    put(call, "old", data="old", **K)
    other = {"unique": {"key": "other", "scope": "queued"}}

    reply = put_numbered(call, {"jid": "old", **other}, {"jid": "new", **REPLACES_K})

    assert reply == [["old", True], ["new", True]]
    assert [job(call, jid)["data"] for jid in ("old", "new")] == [b"0", b"1"]
    assert put(call, "third", **K) == ["new", False]


def test_a_job_of_the_call_may_be_replaced_by_a_later_one(call: Scripts) -> None:
    reply = put_numbered(call, {"jid": "a", **REPLACES_K}, {"jid": "b", **REPLACES_K, "priority": 4})

    assert reply == [["a", True], ["a", True]]
    assert (job(call, "a")["data"], job(call, "a")["priority"]) == (b"1", 4)
    assert call("read/job", "b") is False


def test_a_job_may_be_replaced_as_a_holder_and_named(call: Scripts) -> None:
    put(call, "a", **K)

    reply = put_numbered(call, {"jid": "b", **REPLACES_K}, {"jid": "a", "tags": ["t"]})

    assert reply == [["a", True], ["a", True]]
    assert (job(call, "a")["data"], job(call, "a")["tags"]) == (b"1", ["t"])
    assert call("read/job", "b") is False


def test_a_job_put_again_takes_its_free_key_before_the_next_of_the_call(call: Scripts) -> None:
    put(call, "old", **K)
    fail(call, take(call))

    assert put_many(call, {"jid": "old"}, {"jid": "new", **K}) == [["old", True], ["old", False]]


def test_a_parent_that_puts_several_jobs_keeps_all_of_them_in_mind(call: Scripts) -> None:
    put(call, "parent", "other")
    held = {"parent": "parent", "lease": take(call, "other")["lease"]}

    put_many(call, {"jid": "a", **held}, {"jid": "b", **held})

    assert put_many(call, {"jid": "a", **held}, {"jid": "b", **held}) == [
        ["a", False],
        ["b", False],
    ]


def test_what_an_earlier_job_of_the_call_changed_is_not_written_back(call: Scripts) -> None:
    put(call, "parent")
    lease = take(call)["lease"]

    put_many(call, {"jid": "child", "parent": "parent", "lease": lease}, {"jid": "parent"})

    assert state(call, "parent") == "waiting"
    assert "followups" not in job(call, "parent")
