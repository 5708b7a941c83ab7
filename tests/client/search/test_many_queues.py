"""A search over many queues: few round trips, every job once while jobs come and go."""

from __future__ import annotations

from random import Random

from qless_py import Client
from qless_py.client.search import Found, steps
from qless_py.protocol.options import PutSpec

_RANDOM = Random(5)


def _fill(client: Client, queues: int, sizes: tuple[int, ...], *, some_users: bool) -> set[str]:
    with client.pipeline() as pipeline:
        for number in range(queues):
            jobs: list[PutSpec] = [
                {
                    "klass": "app.Run",
                    "jid": f"j-{number}-{one}",
                    "data": {"n": one},
                    "user": f"u{one % 3}" if some_users and number % 2 else False,
                }
                for one in range(_RANDOM.choice(sizes))
            ]
            for first in range(0, len(jobs), 100):
                pipeline.put_many(f"q{number}", jobs[first : first + 100])
    return {jid for row in client.queues.counts for jid in _waiting(client, row["name"])}


def _waiting(client: Client, queue: str) -> list[str]:
    return client.queues[queue].jobs.waiting(0, 1000)


def _run(client: Client, text: str, disturb: object = None, **options: object) -> tuple[Found, int]:
    """Carry a search out; `disturb` is called before each round trip. Gives also their number."""
    search = steps(text, **{"limit": 25, "cursor": None, "budget": 5000, **options})  # type: ignore[arg-type]
    trips, replies = 0, None
    try:
        while True:
            calls = search.send(replies)  # type: ignore[arg-type]
            if callable(disturb):
                disturb()
            replies = client.run_many(calls)
            assert not any(isinstance(one, Exception) for one in replies)
            trips += -(-len(calls) // 100)
    except StopIteration as end:
        return end.value, trips


def test_a_page_over_two_hundred_queues_takes_few_round_trips(client: Client) -> None:
    _fill(client, 200, (0, 1, 3, 25), some_users=True)

    for text in ("nothing-like-it", "", "data.n:3", "jid:j-*-1", "queue:q1 x"):
        found, trips = _run(client, text)

        assert trips <= 12
        assert found.scanned <= 5000
        assert found.cursor is None or len(found.records) == 25


def test_pages_give_every_job_once_in_one_order(client: Client) -> None:
    there = _fill(client, 12, (0, 1, 40, 130), some_users=True)
    whole: list[str] = []
    pages: list[str] = []

    for found, size in ((whole, 100), (pages, 7)):
        cursor: str | None = None
        while True:
            page = client.jobs.search("data.n:1", limit=size, cursor=cursor, budget=333)
            found += [job.jid for job in page.jobs]
            cursor = page.cursor
            if cursor is None:
                break

    assert pages == whole
    assert set(whole) == {jid for jid in there if jid.endswith("-1")}


def test_jobs_that_come_and_go_hide_no_others(client: Client) -> None:
    there = _fill(client, 5, (300,), some_users=True)
    gone: set[str] = set()
    queue = client.queues["q3"]

    def disturb() -> None:
        some = _RANDOM.sample(sorted(there - gone), min(30, len(there - gone)))
        gone.update(client.cancel(*some))
        queue.put_many([{"klass": "app.Run", "priority": 9}] * 20)

    found: list[str] = []
    cursor: str | None = None
    while True:
        page, _ = _run(client, "jid:j-*", disturb, limit=100, cursor=cursor, budget=1500)
        found += [record.jid for record in page.records]
        cursor = page.cursor
        if cursor is None:
            break

    assert len(gone) > 60
    assert len(found) == len(set(found))
    assert set(found) >= there - gone
