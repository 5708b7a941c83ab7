"""Popping from several queues: patterns, orders and custom reservers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pytest

from qless_py import (
    BadArgumentError,
    Client,
    OrderedReserver,
    Reserver,
    RoundRobinReserver,
    ShuffledReserver,
    WeightedReserver,
)
from qless_py.protocol.reservers import takes


def fill(client: Client, *queues: str, number: int = 1) -> None:
    for queue in queues:
        client.queues[queue].put_many([{"klass": "k"}] * number)


def queues_of(client: Client, queues: Any, number: int) -> list[str]:
    """Pop jobs one by one and return their queues."""
    jobs = [client.pop(queues) for _ in range(number)]
    return [job.queue_name for job in jobs if job is not None]


def test_a_list_is_tried_in_its_order(client: Client) -> None:
    fill(client, "a", "b", "mail-1", "mail-slow")

    assert queues_of(client, ["b", "mail-*", "!mail-slow", "a"], 9) == ["b", "mail-1", "a"]
    assert client.pop(["a", "b"]) is None
    assert client.pop(["a", "b"], 5) == []
    assert [job.queue_name for job in client.pop(["mail-*"], 5)] == ["mail-slow"]


def test_the_worker_of_a_pop_may_be_named(client: Client) -> None:
    fill(client, "a")

    job = client.pop(["a"], worker="somebody")

    assert job is not None
    assert job.worker_name == "somebody"


def test_round_robin_gives_every_queue_its_turn(client: Client) -> None:
    fill(client, "a", "b", "c", number=2)
    reserver = RoundRobinReserver(["a", "b", "c"], turn=1)

    assert queues_of(client, reserver, 3) == ["b", "c", "a"]


def test_round_robin_begins_anywhere_by_default(client: Client) -> None:
    options = [RoundRobinReserver(["a"]).options()["turn"] for _ in range(4)]
    assert len(set(options)) > 1

    last = RoundRobinReserver(["a"], turn=2**31 - 1)
    fill(client, "a", number=2)
    assert queues_of(client, last, 2) == ["a", "a"]


def test_shuffled_and_weighted_draw_anew_each_time(client: Client) -> None:
    fill(client, "a", "b", number=40)

    shuffled = queues_of(client, ShuffledReserver(["a", "b"]), 20)
    weighted = queues_of(client, WeightedReserver(["a", "b"], {"a": 1e6, "b": 1e-6}), 20)

    assert set(shuffled) == {"a", "b"}
    assert weighted == ["a"] * 20


def test_a_function_is_asked_before_each_pop(client: Client) -> None:
    fill(client, "a", "b", number=2)
    wanted = iter((["a"], ("b", "a"), {"b*"}, ["c"]))

    assert queues_of(client, lambda: next(wanted), 4) == ["a", "b", "b"]


def test_a_custom_reserver(client: Client) -> None:
    class Heaviest(Reserver):
        """The queue with most jobs first."""

        def entries(self) -> Sequence[str]:
            counts = sorted(client.queues.counts, key=lambda row: -row["waiting"])
            return [row["name"] for row in counts]

    class Drawn(Reserver):
        def entries(self) -> Sequence[str]:
            return ["*"]

        def options(self) -> Mapping[str, Any]:
            return {"order": "round-robin", "turn": 1}

    fill(client, "a")
    fill(client, "b", number=3)

    assert queues_of(client, Heaviest(), 2) == ["b", "b"]
    assert queues_of(client, Drawn(), 1) == ["b"]


@pytest.mark.parametrize(
    ("queues", "message"),
    [
        ("mail", "not a list"),
        (b"mail", "not a list"),
        (5, "not a list"),
        ({"mail": 1}, "not a list"),
        ([], "names no queue"),
        (["!mail"], "names no queue"),
        (["a b"], "'a b'"),
        (["a", 5], "5"),
        (["*" * 129], "no name"),
        (["!!a", "b"], "'!!a'"),
        (["a/b*"], "no name"),
        ([f"q{number}" for number in range(101)], "101"),
        ([f"q{number}*" for number in range(21)], "21 patterns"),
    ],
)
def test_what_names_no_queues_is_rejected(client: Client, queues: Any, message: str) -> None:
    for made in (lambda: client.pop(queues), lambda: OrderedReserver(queues)):
        with pytest.raises(BadArgumentError, match=message.replace("*", r"\*")):
            made()


@pytest.mark.parametrize(
    "weights",
    [{"a": float("nan")}, {"a": 0}, {"a": -1}, {"a": 1e7}, {"a": "1"}, {"a": True}, {"b": 1}, 5],
)
def test_an_invalid_weight_is_rejected(weights: Any) -> None:
    with pytest.raises(BadArgumentError, match="weight"):
        WeightedReserver(["a"], weights)


def test_an_invalid_order_is_rejected(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="turn"):
        RoundRobinReserver(["a"], turn=-1)
    with pytest.raises(BadArgumentError, match="count"):
        client.pop(["a"], 101)
    with pytest.raises(BadArgumentError, match="worker"):
        client.pop(["a"], worker="a b")


def test_python_and_the_store_agree_on_what_fits(client: Client) -> None:
    names = ["".join(letters) for size in (1, 2, 3, 4) for letters in product("ab", repeat=size)]
    for start in range(0, len(names), 10):
        with client.pipeline() as pipeline:
            for name in names[start : start + 10]:
                pipeline.put(name, "k")
    patterns = [
        "a", "*", "a*", "*a", "*a*", "a*b", "a*a", "*ab*", "ab*ab", "a*b*a", "*a*b", "*b*b*", "**",
    ]  # fmt: skip

    for pattern in patterns:
        jobs = client.pop([pattern, "!b*b"], 100)
        expected = {name for name in names if takes([pattern, "!b*b"], name)}
        assert {job.queue_name for job in jobs} == expected, pattern
        for job in jobs:
            job.release()


def test_what_entries_take(client: Client) -> None:
    del client
    assert takes(["mail-*", "!mail-slow"], "mail-a")
    assert not takes(["!mail-*", "mail-a"], "mail-a")
    assert not takes(["mail-*", "!mail-slow"], "mail-slow")
    assert not takes(["aa*a"], "aa")
