"""Which queues a pop takes from, and in which order: patterns, exclusions, four orders."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from qless_py.errors import BadArgumentError
from tests.conftest import Clock
from tests.lua.steps import complete, jids, pop, put
from tests.script_runner import Scripts

NEW = "{ql}:queues:new"


def wake(queue: str) -> str:
    return f"{{ql}}:queue:{queue}:wake"


def fill(call: Scripts, *queues: str, number: int = 1) -> None:
    for queue in queues:
        for count in range(number):
            put(call, f"{queue}:{count}"[-128:], queue)


def taken(call: Scripts, entries: list[str], count: int = 100, **options: Any) -> list[str]:
    """Pop jobs and return the queues they came from."""
    views = call("pop", entries, "w", count, options)["jobs"]
    return [str(view["queue"]) for view in views]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["mail-*"], ["mail-a", "mail-b", "mail-slow"]),
        (["mail-*", "!mail-slow"], ["mail-a", "mail-b"]),
        (["!mail-slow", "mail-*"], ["mail-a", "mail-b"]),
        (["*", "!*-*"], ["web"]),
        (["web", "mail-*"], ["web", "mail-a", "mail-b", "mail-slow"]),
        (["*", "mail-b"], ["fax-a-2", "mail-a", "mail-slow", "web", "mail-b"]),
        (["*-a*"], ["fax-a-2", "mail-a"]),
        (["*a*a*"], ["fax-a-2", "mail-a"]),
        (["*a-*", "m*b", "m*"], ["fax-a-2", "mail-b", "mail-a", "mail-slow"]),
        (["w*b", "web"], ["web"]),
        (["web", "!w*"], []),
        (["we*eb", "mail", "*x*x*"], []),
        (["mail-**"], ["mail-a", "mail-b", "mail-slow"]),
        (["*-a-", "fax-a-*-2"], []),
    ],
)
def test_patterns_are_resolved_in_the_call(
    call: Scripts, entries: list[str], expected: list[str]
) -> None:
    fill(call, "web", "mail-slow", "mail-b", "fax-a-2", "mail-a")

    assert taken(call, entries) == expected


def test_a_dot_in_a_pattern_is_a_dot(call: Scripts) -> None:
    fill(call, "a.b-1", "axb-1")

    assert taken(call, ["a.b*"]) == ["a.b-1"]


def test_a_pattern_with_many_stars_takes_no_time_to_fail(call: Scripts) -> None:
    queue = "a" * 127 + "b"
    put(call, "j", queue)

    assert taken(call, ["*a" * 60 + "*c"]) == []
    assert taken(call, ["*a" * 60 + "*"]) == [queue]


def test_a_named_queue_need_not_be_known(call: Scripts) -> None:
    reply = call("pop", ["yet-to-come", "mail-*"], "w", 1, {})

    assert (reply["jobs"], reply["wake"]) == ([], [wake("yet-to-come"), NEW])


def test_the_rest_of_a_pop_is_as_for_plain_names(call: Scripts, clock: Clock) -> None:
    call("config_set", "b-heartbeat", "0.5")
    fill(call, "a", "b", "c")
    put(call, "later", "c", delay=9000)
    call("pause", ["a"], {})

    reply = call("pop", ["*"], "w", 9, {"nonce": "n"}, request="lane:1:0")
    again = call("pop", ["*"], "w", 9, {"nonce": "n"}, request="lane:1:0")

    assert jids(reply["jobs"]) == ["b:0", "c:0"]
    now = round(clock() * 1000)
    assert [view["expires_at"] - now for view in reply["jobs"]] == [500, 60_000]
    assert [view["lease"].partition(".")[2] for view in reply["jobs"]] == ["n", "n"]
    assert (reply["more"], reply["next"]) == (False, 9000)
    assert reply == again


def test_a_job_that_comes_due_with_the_pop_is_found(call: Scripts, clock: Clock) -> None:
    put(call, "later", "mail-a", delay=9000)
    clock.advance(9)

    assert taken(call, ["mail-*"]) == ["mail-a"]


def test_a_pattern_finds_jobs_of_users_and_jobs_that_were_parked(call: Scripts) -> None:
    call("throttle_set", "t", {"concurrency": 1})
    put(call, "of-a-user", "mail-a", user="alice")
    put(call, "holds", "mail-b", throttles=["t"])
    put(call, "parked", "mail-b", throttles=["t"])

    views = call("pop", ["mail-*"], "w", 9, {"order": "round-robin"})["jobs"]
    assert jids(views) == ["of-a-user", "holds"]
    assert taken(call, ["mail-*"]) == []
    complete(call, views[1])
    assert taken(call, ["*-b"]) == ["mail-b"]
    complete(call, views[0])
    put(call, "again", "mail-a", user="alice")
    assert taken(call, ["mail-*"]) == ["mail-a"]


def test_round_robin_gives_each_queue_with_work_its_turn(call: Scripts) -> None:
    fill(call, "a", "c", "d", number=3)
    call("pause", ["d"], {})
    entries = ["a", "b", "c", "d"]

    found = [taken(call, entries, 1, order="round-robin", turn=turn)[0] for turn in range(6)]

    assert found == ["a", "c", "a", "c", "a", "c"]


def test_round_robin_goes_on_where_the_last_queue_has_run_dry(call: Scripts) -> None:
    fill(call, "a", "b", "c")

    assert taken(call, ["a", "b", "c"], 3, order="round-robin", turn=2) == ["c", "a", "b"]


def test_round_robin_over_a_pattern(call: Scripts) -> None:
    fill(call, "m-2", "m-1", "other", number=2)

    found = [taken(call, ["m-*"], 1, order="round-robin", turn=turn)[0] for turn in range(4)]

    assert found == ["m-1", "m-2", "m-1", "m-2"]


def draws(call: Scripts, entries: list[str], number: int, **options: Any) -> Counter[str]:
    """Count which queue came first, each job put back at once."""
    random = Random(1)
    found: Counter[str] = Counter()
    for _ in range(number):
        turn = random.getrandbits(31)
        view = call("pop", entries, "w", 1, {"turn": turn, **options})["jobs"][0]
        found[view["queue"]] += 1
        call("release", view["jid"], view["lease"])
    return found


def test_shuffled_begins_with_each_queue_as_often(call: Scripts) -> None:
    fill(call, "a", "b", "c")

    found = draws(call, ["a", "b", "c", "empty"], 600, order="shuffled")

    assert all(150 <= found[queue] <= 250 for queue in "abc")


def test_a_shuffle_depends_on_its_turn(call: Scripts) -> None:
    def shuffle(turn: int) -> list[str]:
        views = call("pop", ["*"], "w", 100, {"order": "shuffled", "turn": turn})["jobs"]
        for view in views:
            call("release", view["jid"], view["lease"])
        return [view["queue"] for view in views]

    fill(call, *"abcdefgh")

    assert shuffle(5) == shuffle(5) != shuffle(6)
    assert sorted(shuffle(7)) == list("abcdefgh")


def test_weighted_begins_with_each_queue_as_its_weight_says(call: Scripts) -> None:
    fill(call, "a", "b-1", "b-2", "c")

    found = draws(call, ["a", "b-*", "c"], 800, order="weighted", weights={"a": 4, "b-*": 1.5})

    shares = {"a": 400, "b-1": 150, "b-2": 150, "c": 100}
    assert all(abs(found[queue] - share) < 60 for queue, share in shares.items())


def test_a_put_into_a_new_queue_wakes_who_waits_with_a_pattern(call: Scripts) -> None:
    fill(call, "mail-a")
    call.redis.delete(NEW)
    reply = call("pop", ["mail-*", "!mail-a"], "w", 1, {})
    assert reply["wake"] == [NEW]

    put(call, "known-already", "mail-a")
    assert not call.redis.exists(NEW)
    put(call, "j", "mail-b", delay=5000)

    assert call.redis.zpopmin(NEW) == [(b"work", 0.0)]
    assert call("pop", ["mail-*"], "w", 1, {})["wake"] == [wake("mail-a"), wake("mail-b"), NEW]


@pytest.mark.parametrize("how", ["recur", "recur_update", "complete", "put_many", "requeue"])
def test_a_queue_that_becomes_known_in_any_way_wakes(call: Scripts, how: str) -> None:
    fill(call, "q")
    call("recur", "q", "often", "K", "{}", 60_000, 99_000, {})
    view = pop(call)[0]
    call.redis.delete(NEW)

    if how == "recur":
        call("recur", "new", "r", "K", "{}", 60_000, 99_000, {})
    elif how == "recur_update":
        call("recur_update", "often", "", {"queue": "new"})
    elif how == "complete":
        complete(call, view, next={"queue": "new"})
    elif how == "put_many":
        call("put_many", "new", [{"jid": "j", "klass": "K"}], "{}")
    else:
        call("requeue", "new", view["jid"], "", "", {})

    assert call.redis.exists(NEW)


def test_while_work_is_left_another_worker_is_woken(call: Scripts) -> None:
    fill(call, "a", "b", number=2)
    call.redis.delete(wake("a"), wake("b"), NEW)

    taken(call, ["*"], 1)
    assert call.redis.exists(wake("a"), wake("b"), NEW) == 3
    taken(call, ["*"], 3)
    call.redis.delete(wake("a"), wake("b"), NEW)
    taken(call, ["*"], 1)

    assert call.redis.exists(wake("a"), wake("b"), NEW) == 0


def test_thousands_of_queues_are_looked_at_in_turn(call: Scripts, clock: Clock) -> None:
    names = {f"tenant-{number:05}": number for number in range(12_000)}
    call("tick")
    call.redis.zadd("{ql}:queues", names)
    fill(call, "tenant-00001", "tenant-04999", "tenant-05000", "tenant-11999", number=2)

    reply = call("pop", ["tenant-11999", "tenant-*"], "w", 1, {})
    assert (len(reply["wake"]), reply["wake"][-1]) == (100, NEW)
    assert reply["jobs"][0]["queue"] == "tenant-11999"

    # A call checks five thousand of them, and a worker that pops now and then sees them all.
    seen = []
    for _ in range(9):
        found = taken(call, ["tenant-*"])
        assert set(found) in (
            {*()},
            {"tenant-00001", "tenant-04999"},
            {"tenant-05000"},
            {"tenant-11999"},
        )
        seen += found
        clock.advance(2)
    assert len(seen) == 7


def test_thousands_of_queues_with_work_share_their_turns(call: Scripts) -> None:
    names = [f"q{number:04}" for number in range(1500)]
    for start in range(0, 1500, 100):
        specs = [{"jid": name, "klass": "K", "queue": name} for name in names[start : start + 100]]
        call("put_many", "q", specs, *("{}" for _ in specs))

    found = [taken(call, ["q*"], 1, order="round-robin", turn=3 * turn)[0] for turn in range(40)]

    assert len(set(found)) == 40


def test_a_queue_whose_users_take_turns_is_found_among_thousands_of_such(call: Scripts) -> None:
    call("tick")
    others = {f"tenant-{number:05}": number for number in range(5_000)}
    call.redis.zadd("{ql}:queues:fair", others)
    put(call, "first", "mine", user="ada")
    put(call, "second", "mine", user="ada")

    assert taken(call, ["mine", "none"], 1, order="round-robin") == ["mine"]
    assert taken(call, ["mi*"], 1) == ["mine"]

    call.redis.zrem("{ql}:queues:fair", *others)


@pytest.mark.parametrize(
    ("entries", "options"),
    [
        (["!mail"], {}), (["!*"], {}), (["!"], {}), (["!!a"], {}), (["a b*"], {}), (["-a*"], {}),
        (["a*", "a*"], {}), (["a", "a", "!b"], {}), (["*", 5], {}), ([["*"]], {}), ({"*": 1}, {}),
        (["*" * 129], {}), (["a" * 129, "*"], {}), (["!" + "a" * 129, "*"], {}), (["a/*"], {}),
        ([f"a{number}*" for number in range(21)], {}),
        (["*", *(f"!a{number}*" for number in range(20))], {}),
        ([f"a{number}" for number in range(101)], {"order": "shuffled"}),
        (["a"], {"order": "backwards"}), (["a"], {"order": 5}), (["a"], {"order": ["ordered"]}),
        (["a"], {"turn": -1}), (["a"], {"turn": 2**31}), (["a"], {"turn": 1.5}),
        (["a"], {"turn": "1"}), (["a"], {"turn": float("nan")}),
        (["a"], {"weights": 5}), (["a"], {"weights": {"b": 1}}), (["a"], {"weights": ["a"]}),
        (["a"], {"weights": {"a": 0}}), (["a"], {"weights": {"a": -1}}),
        (["a"], {"weights": {"a": "1"}}), (["a"], {"weights": {"a": float("nan")}}),
        (["a"], {"weights": {"a": float("inf")}}), (["a", "!b"], {"weights": {"b": 1}}),
        (["a*"], {"strange": 1}), (["a*"], {"nonce": "a b"}),
    ],
)  # fmt: skip
def test_what_says_nothing_sensible_is_rejected(
    call: Scripts, entries: Any, options: dict[str, Any]
) -> None:
    fill(call, "a")
    before = call.redis.dump("{ql}:workers"), call.redis.hgetall("{ql}:meta")

    with pytest.raises(BadArgumentError):
        call("pop", entries, "w", 1, options)

    assert (call.redis.dump("{ql}:workers"), call.redis.hgetall("{ql}:meta")) == before
