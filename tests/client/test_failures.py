"""Failure groups: when they were seen, for good, and what their jobs have in common."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis as redis_py

from qless_py import BadArgumentError, Client, aio
from qless_py.client.clusters import fingerprint, search_of
from qless_py.client.search import parse
from tests import servers
from tests.conftest import Clock

HOUR = 3600


def fail(client: Client, group: str, message: str = "no", queue: str = "q", **put: Any) -> str:
    """Put a job and fail it."""
    jid = client.queues[queue].put(put.pop("klass", "app.K"), **put)
    job = client.queues[queue].pop(worker="w")
    assert job is not None
    job.fail(group, message)
    return jid


def test_first_and_last_failure_outlive_retries_and_cancels(client: Client, clock: Clock) -> None:
    first = fail(client, "g", queue="a", klass="app.A")
    began = clock()
    clock.advance(HOUR)
    second = fail(client, "g", queue="b", klass="app.B")
    clock.advance(HOUR)
    client.job(first).requeue()
    client.cancel(first, second)

    assert client.failures.groups().groups == []
    (group,) = client.failures.groups(seen=True).groups
    assert (group.failed, group.count, group.oldest_at) == (0, 2, None)
    assert (group.first_at, group.last_at) == (began, began + HOUR)
    assert (group.queues, group.klasses) == (("a", "b"), ("app.A", "app.B"))
    assert group.hours(clock())[-3:] == [1, 1, 0]
    assert sum(group.hours(clock())) == 2
    fail(client, "g", queue="a")
    clock.advance(23 * HOUR)
    fail(client, "g", queue="a")
    (again,) = client.failures.groups().groups
    assert (again.first_at, again.count) == (began, 4)
    assert again.hours(clock())[0] == 1, "hours older than a day are dropped"
    assert sum(again.hours(clock())) == 2


def test_every_way_to_fail_is_counted(client: Client, clock: Clock) -> None:
    client.queues["q"].put("K", retries=0, jid="parent")
    client.queues["q"].put("K", depends=["parent"], on_parent_failed="fail", jid="child")
    client.queues["q"].put("K", expires=5, jid="late")
    job = client.queues["q"].pop()
    assert job is not None
    job.retry()
    clock.advance(10)
    assert client.queues["q"].pop() is None

    counts = {one.group: one.count for one in client.failures.groups(seen=True).groups}
    assert counts == {"failed-retries-q": 1, "parent-failed": 1, "expired": 1}


def test_groups_are_filtered_searched_and_sorted(client: Client, clock: Clock) -> None:
    fail(client, "old", klass="app.Old")
    client.deploys.mark("v1")
    clock.advance(10)
    fail(client, "many")
    fail(client, "many")
    clock.advance(2 * HOUR)
    fail(client, "newest", queue="mail")
    found = client.failures.groups()
    newest = found.groups[0]

    def names(**given: Any) -> list[str]:
        return [one.group for one in client.failures.groups(**given).groups]

    assert names() == names(sort="first") == ["newest", "many", "old"]
    assert names(sort="count") == ["many", "newest", "old"]
    assert names(since=clock() - HOUR) == names(text="MAIL") == ["newest"]
    assert names(text="app.old") == ["old"]
    assert names(new=True) == ["newest", "many"]
    assert (found.total, found.new, found.deploy and found.deploy.name) == (3, 2, "v1")
    assert found.is_new(newest)
    client.deploys.mark("v2")
    assert names(new=True) == []
    with pytest.raises(BadArgumentError, match="sort 'size' is none of last, first, count"):
        client.failures.groups(sort="size")  # type: ignore[arg-type]


def test_the_500_groups_that_failed_last_are_remembered(client: Client, clock: Clock) -> None:
    client.queues["q"].put("K", jid="j", retries=0)
    for number in range(503):
        clock.advance(1)
        job = client.queues["q"].pop()
        assert job is not None
        job.fail(f"g{number}", "m")
        if number % 100 == 0:
            fail(client, "again")
        client.job("j").requeue()

    found = client.failures.groups(seen=True)
    assert found.total == 500
    assert found.groups[-1].group == "g4"
    assert "again" in {one.group for one in found.groups}


def test_a_keyspace_of_older_code_shows_its_oldest_failed_job(
    client: Client, clock: Clock, redis: redis_py.Redis
) -> None:
    fail(client, "g")
    began = clock()
    clock.advance(60)
    fail(client, "g")
    redis.delete("{ql}:groups", "{ql}:groups:records")

    (group,) = client.failures.groups().groups
    assert (group.first_at, group.last_at, group.count) == (began, clock(), 2)
    clock.advance(60)
    fail(client, "g")
    (group,) = client.failures.groups(seen=True).groups
    assert (group.first_at, group.count, group.failed) == (began, 3, 3)


def test_like_messages_are_clustered_and_can_be_searched_for(client: Client) -> None:
    for number in (4711, 12):
        fail(client, "g", f"Timeout: order {number} of 'ann@x.org' took 3.5 s", queue="a")
    fail(client, "g", 'Traceback (most recent call last):\n  File "/a/b.py", line 3, in f\n    x\n'
         "KeyError: 'user'", queue="b", klass="app.B")  # fmt: skip

    found = client.failures.group("g")

    assert [(one.pattern, one.count) for one in found.clusters] == [
        ("Timeout: order … of … took … s", 2),
        ("KeyError: …", 1),
    ]
    assert (found.total, found.examined) == (3, 3)
    assert found.klasses == [("app.K", 2), ("app.B", 1)]
    assert (found.queues, found.workers) == ([("a", 2), ("b", 1)], [("w", 3)])
    for one in found.clusters:
        assert {job.jid for job in client.jobs.search(one.search).jobs} == set(one.jids)
    assert client.failures.group("nobody").clusters == []
    assert client.failures.group("g", sample=1).examined == 1


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("", ""),
        ("Timeout after 30 s", "Timeout after … s"),
        ("cannot open /var/data/7/x.csv: 2", "cannot open …"),
        ("no user 'ann' in \"eu\"", "no user … in …"),
        ("can't reach host, won't retry", "can't reach host, won't retry"),
        ("GET https://x.org/a?b=1 gave 503", "GET … gave …"),
        ("id 6f1ed002-ab55-4c33-8f6b-2d1c5b6c7d8e is gone", "id … is gone"),
        ("object at 0x7fa687644710", "object at …"),
        ("commit deadbeef12 not found", "commit … not found"),
        ("order-17-b failed for jid a1b2c3", "… failed for jid …"),
        ("bad value -1.5e3, 12:30:05", "bad value …"),
        ("wide\u2028line " + "x" * 500, "wide"),
    ],
)
def test_what_varies_in_a_message_is_left_out(message: str, pattern: str) -> None:
    assert fingerprint(message).startswith(pattern)
    assert bool(pattern) == bool(fingerprint(message))


def test_a_search_for_a_cluster_can_be_parsed_whatever_it_holds() -> None:
    terms = parse(search_of('a "quoted" \\ group', 'un"even… \\… * star… and the last words'))

    assert [one.field for one in terms][:2] == ["state", "group"]
    assert [one.value for one in terms][2:] == ['un"even', "* star", "and the last words"]


def test_long_messages_are_cut_and_a_page_is_bounded(client: Client) -> None:
    for _ in range(3):
        fail(client, "g", "x" * 30000 + '\n  File "a", line 1\nValueError: the end')
    fail(client, "many", "m" * 65000)
    for _ in range(19):
        client.queues["q"].put("K")
        job = client.queues["q"].pop()
        assert job is not None
        job.fail("many", "m" * 65000)

    assert client.failures.group("g").clusters[0].pattern == "ValueError: the end"
    assert client.failures.group("many").examined == 20, "a page ends early, the next goes on"


def test_asyncio(client: Client, server: servers.Server, clock: Clock) -> None:
    fail(client, "g")

    async def run() -> tuple[int, int]:
        async with aio.Client(server.url, clock=clock) as other:
            marker = await other.deploys.mark("v1")
            assert await other.deploys.list() == [marker]
            groups = await other.failures.groups()
            return groups.groups[0].count, (await other.failures.group("g")).total

    assert asyncio.run(run()) == (1, 1)
