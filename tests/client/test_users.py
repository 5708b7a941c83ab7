"""Users: weights, limits, and their shares of a queue."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from qless_py import BadArgumentError, Client, Share, UserState
from tests.client.test_queue import taken


def put(client: Client, queue: str = "q", **numbers: int) -> None:
    """Put so many jobs of each user; `nobody` is none."""
    for user, number in numbers.items():
        whose: Any = {} if user == "nobody" else {"user": user}
        for start in range(0, number, 100):
            specs: Any = [{"klass": "k", **whose}] * min(100, number - start)
            client.queues[queue].put_many(specs)


def handed_out(client: Client, number: int) -> Counter[str]:
    """Pop jobs and count them by user."""
    found: Counter[str] = Counter()
    while number > 0:
        jobs = client.queues["q"].pop(min(number, 100))
        found.update(job.user or "nobody" for job in jobs)
        number -= len(jobs)
        with client.pipeline() as pipeline:
            for job in jobs:
                pipeline.complete(job)
    return found


def test_users_share_a_queue_alike(client: Client) -> None:
    put(client, alice=300, bob=30, nobody=30)

    assert handed_out(client, 60) == {"alice": 20, "bob": 20, "nobody": 20}
    assert handed_out(client, 60) == {"alice": 40, "bob": 10, "nobody": 10}


def test_weights_say_how_much_each_gets(client: Client) -> None:
    state = client.users["alice"].set(weight=3)
    client.users["bob"].weight = 0.5
    put(client, alice=200, bob=200, carol=200)

    assert state == UserState("alice", weight=3.0)
    assert client.users["bob"].weight == 0.5
    assert handed_out(client, 90) == {"alice": 60, "bob": 10, "carol": 20}


def test_priority_decides_inside_a_user_only(client: Client) -> None:
    queue = client.queues["q"]
    for jid, user, priority in (("a1", "alice", 0), ("a2", "alice", 9), ("b1", "bob", -5)):
        queue.put("k", jid=jid, user=user, priority=priority)

    order = [job.jid for job in queue.pop(3)]

    assert order.index("a2") < order.index("a1")
    assert order.index("b1") < 2


def test_a_user_may_run_so_many_jobs(client: Client) -> None:
    user = client.users["alice"]
    user.max_running = 2
    put(client, alice=5, bob=1)
    put(client, "other", alice=1)

    assert Counter(job.user for job in client.queues["q"].pop(9)) == {"alice": 2, "bob": 1}
    assert client.queues["other"].pop() is None
    assert (user.max_running, user.running) == (2, 2)
    assert (user.waiting("q"), user.waiting("other")) == (3, 1)
    assert user.throttle.get().concurrency == 2

    user.max_running = None
    assert user.max_running is None
    assert len(client.queues["q"].pop(9)) == 3


def test_settings_are_listed_changed_one_by_one_and_undone(client: Client) -> None:
    user = client.users["alice"]
    assert user.get() == UserState("alice", 1.0, None, 0)
    assert user.set(weight=2, max_running=3) == UserState("alice", 2.0, 3, 0)
    assert user.set(max_running=False) == UserState("alice", 2.0, None, 0)
    assert user.set(max_running=0, weight=False) == UserState("alice", 1.0, 0, 0)
    client.users["bob"].weight = 5

    assert [one.name for one in client.users.all] == ["alice", "bob"]
    assert [one.name for one in client.users] == ["alice", "bob"]
    assert "alice" in client.users
    assert user.unset() is True
    assert user.unset() is False
    assert "alice" not in client.users
    assert user.get() == UserState("alice", 1.0, None, 0)
    assert repr(user) == "<User alice>"


def test_users_of_a_queue_are_read_in_pages_with_shares_where_all_are_known(
    client: Client,
) -> None:
    queue = client.queues["q"]
    queue.put_many([{"klass": "K", "user": f"u{number:03}"} for number in range(100)])
    queue.put_many([{"klass": "K", "user": f"v{number:03}"} for number in range(100)])
    queue.put_many([{"klass": "K", "user": f"w{number:03}"} for number in range(60)])
    queue.put("K")
    for number in range(5):
        client.users[f"u{number:03}"].set(weight=2)
    pages = [queue.user_page(count=130)]
    pages.append(queue.user_page(pages[0].cursor, count=130))
    whole = queue.users()

    names = [one.name for page in pages for one in page.users]
    assert (len(names), len(set(names)), pages[0].total) == (261, 261, 260)
    assert pages[1].cursor is None
    assert {one.share for page in pages for one in page.users} == {None}
    assert sum(one.share or 0 for one in whole) == pytest.approx(1)
    assert [one.share for one in whole[:2]] == [2 / 266, 2 / 266]
    assert [one.name for one in client.users.page(count=2).users] == ["u000", "u001"]
    assert client.users.page(client.users.page(count=4).cursor).users == [
        client.users["u004"].get()
    ]


def test_a_queue_shows_the_shares_of_its_users(client: Client) -> None:
    client.users["alice"].set(weight=2, max_running=1)
    put(client, alice=4, bob=2, nobody=3)
    job = taken(client)
    while job.user != "alice":
        job = taken(client)

    shares = client.queues["q"].users()

    assert shares[0] == Share("alice", 2.0, 1, 1, 3, 0.5)
    assert [(one.name, one.share) for one in shares[1:]] == [("", 0.25), ("bob", 0.25)]
    assert (
        sum(one.waiting for one in shares)
        == len(client.queues["q"]) - client.queues["q"].counts["running"]
    )
    assert client.queues["nowhere"].users() == []


def test_thousands_of_users(client: Client) -> None:
    for start in range(0, 2100, 100):
        client.queues["q"].put_many(
            [{"klass": "k", "user": f"user-{number}"} for number in range(start, start + 100)]
        )

    shares = client.queues["q"].users()

    assert len({one.name for one in shares}) == 2100
    assert shares[0].share == pytest.approx(1 / 2100)
    assert set(handed_out(client, 200).values()) == {1}


def test_a_weight_given_late_counts_from_the_next_job(client: Client) -> None:
    put(client, alice=100, bob=100)
    assert handed_out(client, 20) == {"alice": 10, "bob": 10}

    client.users["alice"].weight = 9

    found = handed_out(client, 50)
    assert 43 <= found["alice"] <= 46


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither"),
        ({"weight": 0}, "weight"),
        ({"weight": -1}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"weight": float("inf")}, "weight"),
        ({"weight": 2e6}, "weight"),
        ({"weight": "3"}, "weight"),
        ({"weight": True}, "weight"),
        ({"max_running": -1}, "max_running"),
        ({"max_running": 1.5}, "max_running"),
        ({"max_running": True}, "max_running"),
        ({"weight": 2, "max_running": "many"}, "max_running"),
    ],
)
def test_an_invalid_setting_is_rejected(
    client: Client, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadArgumentError, match=message):
        client.users["alice"].set(**options)

    assert client.users.all == []


@pytest.mark.parametrize("user", ["", "a b", "a/b", 5, True, ["alice"]])
def test_an_invalid_user_is_rejected(client: Client, user: Any) -> None:
    with pytest.raises(BadArgumentError, match="user"):
        client.users[user]
    with pytest.raises(BadArgumentError, match="user"):
        client.queues["q"].put("k", user=user)

    assert len(client.queues["q"]) == 0
