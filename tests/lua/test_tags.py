"""tag, untag, and the index of tags."""

from __future__ import annotations

import pytest

from qless_py.errors import JobNotFoundError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, job, put, take
from tests.script_runner import Scripts


def test_tags_keep_the_order_of_their_adding_each_once(call: Scripts) -> None:
    put(call, "j", tags=["b"])

    assert call("tag", "j", ["z", "b", "a"]) == ["b", "z", "a"]
    assert call("tag", "j", ["a"]) == ["b", "z", "a"]
    assert call("untag", "j", ["z", "never"]) == ["b", "a"]
    assert call("untag", "j", ["a", "b"]) == []

    assert "tags" not in job(call, "j")


@pytest.mark.parametrize("verb", ["tag", "untag"])
def test_tags_of_an_unknown_job_are_rejected(call: Scripts, verb: str) -> None:
    with pytest.raises(JobNotFoundError):
        call(verb, "nobody", ["t"])


def test_jobs_of_a_tag_are_listed_by_the_time_of_tagging_then_jid(
    call: Scripts, clock: Clock
) -> None:
    put(call, "z", tags=["t"])
    put(call, "y", tags=["t"])
    put(call, "a")
    clock.advance(1)
    call("tag", "a", ["t"])
    clock.advance(1)
    call("tag", "z", ["t"])

    assert call("read/tagged", "t", 0, 10) == {"total": 3, "jids": ["y", "z", "a"]}
    assert call("read/tagged", "t", 1, 1) == {"total": 3, "jids": ["z"]}
    assert call("read/tagged", "t", 0, 0) == {"total": 3, "jids": []}
    assert call("read/tagged", "none", 0, 10) == {"total": 0, "jids": []}


def test_tags_are_ranked_by_use_and_rare_ones_can_be_left_out(call: Scripts) -> None:
    for number, tags in enumerate((["often", "twice"], ["often", "twice"], ["often", "once"])):
        put(call, f"j{number}", tags=tags)

    assert call("read/tags", 0, 10, 2) == [["often", 3], ["twice", 2]]
    assert call("read/tags", 2, 10, 1) == [["once", 1]]


def test_counts_of_tags_do_not_drift(call: Scripts) -> None:
    put(call, "j", tags=["t"])
    put(call, "k", tags=["t"])
    call("tag", "j", ["t"])
    call("untag", "k", ["t"])
    call("untag", "k", ["t"])
    put(call, "j", tags=["t", "u"])

    assert call("read/tags", 0, 10, 1) == [["u", 1], ["t", 1]]


def test_canceled_and_expired_jobs_leave_their_tags(call: Scripts) -> None:
    call("config_set", "jobs-history", "-1")
    put(call, "a", tags=["t"])
    put(call, "b", tags=["t"])
    complete(call, take(call))
    call("cancel", ["b"], "")

    assert call("read/tags", 0, 10, 1) == []
    assert call("read/tagged", "t", 0, 10)["total"] == 0


def test_tags_and_priorities_are_changed_in_silence(call: Scripts, published: Published) -> None:
    put(call, "j")
    call("track", "j")
    published()

    call("tag", "j", ["t"])
    call("untag", "j", ["t"])
    call("priority", "j", "5")

    assert published() == []
