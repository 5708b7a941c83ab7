from collections.abc import Callable

import pytest

from qless_py import Client, Job
from qless_py.errors import BadArgumentError

Clock = Callable[..., None]


def _found(client: Client, text: str) -> set[str]:
    page = client.jobs.search(text, limit=100)
    assert page.cursor is None
    return {job.jid for job in page.jobs}


@pytest.fixture
def full(client: Client) -> Client:
    """A namespace with a job in each state."""
    mail, slow = client.queues["mail"], client.queues["mail-slow"]
    mail.put("app.Run", {"n": 0}, jid="complete")
    mail.put("app.Run", {"user": {"id": 42}, "note": "Größe"}, jid="failed", tags=["eu"])
    mail.put("app.Run", {"n": 2}, jid="running", priority=5)
    taken = mail.pop(3)
    for job in taken:
        if job.jid == "complete":
            job.complete()
        elif job.jid == "failed":
            job.fail("app.Run:Timeout", "connection RESET by peer")
    mail.put("app.Send", {"text": "Hello"}, jid="waiting", tags=["eu", "news"])
    slow.put("app.Send", {"user": {"id": 43}}, jid="scheduled", delay=600)
    slow.put("app.Send", {"big": "x" * 5000 + "needle"}, jid="depends", depends=["waiting"])
    return client


@pytest.mark.parametrize(
    ("text", "jids"),
    [
        ("", "complete failed running waiting scheduled depends"),
        ("state:waiting", "waiting"),
        ("state:failed,complete", "failed complete"),
        ("-state:failed,complete", "running waiting scheduled depends"),
        ("queue:mail-slow", "scheduled depends"),
        ("queue:mail*", "failed running waiting scheduled depends"),
        ("-queue:mail*", "complete"),
        ("klass:app.S*", "waiting scheduled depends"),
        ("klass:*.run -state:running", ""),
        ("klass:*.Run -state:running", "complete failed"),
        ("tag:eu", "failed waiting"),
        ("tag:eu tag:news", "waiting"),
        ("tag:e* -tag:news", "failed"),
        ("group:app.Run:Timeout", "failed"),
        ("group:*:Timeout", "failed"),
        ('group:"*:Timeout"', ""),
        ('group:"app.Run:Timeout"', "failed"),
        ('-queue:"mail" state:waiting,scheduled', "scheduled"),
        ('tag:"eu" -jid:"failed"', "waiting"),
        ('error:"reset BY"', "failed"),
        ("prio:>4", "running"),
        ("prio:5 state:waiting", ""),
        ("jid:running", "running"),
        ("jid:nowhere", ""),
        ("jid:*ing", "running waiting"),
        ("data.user.id:42", "failed"),
        ("-data.user.id:42 data:user", "scheduled"),
        ("data.note:größe", "failed"),
        ("data:HELLO", "waiting"),
        ("needle", "depends"),
        ("hello eu", "waiting"),
        ("worker:*", "running"),
        ("age:<1h", "complete failed running waiting scheduled depends"),
        ("age:>1h", ""),
    ],
)
def test_a_search_finds_exactly_what_fits(full: Client, text: str, jids: str) -> None:
    assert _found(full, text) == set(jids.split())


def test_a_lapsed_lease_is_found_as_stalled(client: Client, clock: Clock) -> None:
    client.queues["mail"].put("app.Run", jid="j")
    client.queues["mail"].pop()
    clock.advance(1000)  # type: ignore[attr-defined]

    assert _found(client, "state:stalled") == {"j"}
    assert _found(client, "state:running") == set()


def test_a_due_job_is_found_as_waiting(client: Client, clock: Clock) -> None:
    client.queues["mail"].put("app.Run", jid="j", delay=60)
    assert _found(client, "state:scheduled") == {"j"}

    clock.advance(61)  # type: ignore[attr-defined]

    assert _found(client, "state:waiting") == {"j"}
    assert _found(client, "state:scheduled") == set()


def test_a_budget_ends_a_search_and_its_cursor_continues(client: Client) -> None:
    queue = client.queues["mail"]
    for first in range(0, 400, 100):
        queue.put_many([{"klass": "app.Run", "jid": f"j{first + n}"} for n in range(100)])
    found: list[str] = []
    cursor = None
    pages = 0

    while pages == 0 or cursor is not None:
        page = client.jobs.search("jid:j*7", limit=100, cursor=cursor, budget=150)
        assert page.scanned <= 150
        found += [job.jid for job in page.jobs]
        cursor = page.cursor
        pages += 1

    assert pages >= 3
    assert sorted(found) == sorted(f"j{n}" for n in range(400) if n % 10 == 7)


def test_a_search_continues_after_jobs_that_left_meanwhile(client: Client) -> None:
    queue = client.queues["mail"]
    queue.put_many([{"klass": "app.Run", "jid": f"j{n:02}"} for n in range(50)])
    first = client.jobs.search("queue:mail", limit=10)

    client.cancel(*(job.jid for job in first.jobs))
    rest = client.jobs.search("queue:mail", limit=100, cursor=first.cursor)

    assert [job.jid for job in rest.jobs] == [f"j{n:02}" for n in range(10, 50)]


def test_a_search_gives_whole_jobs(full: Client) -> None:
    (job,) = full.jobs.search("state:running").jobs

    assert isinstance(job, Job)
    assert (job.priority, job["n"]) == (5, 2)


@pytest.mark.parametrize("cursor", ["", "x", "bm90anNvbg", "WyJhIl0"])
def test_an_unknown_cursor_is_rejected(client: Client, cursor: str) -> None:
    with pytest.raises(BadArgumentError, match="no cursor"):
        client.jobs.search("", cursor=cursor)


def test_bounds_are_checked(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="1 to 100"):
        client.jobs.search("", limit=0)
    with pytest.raises(BadArgumentError, match="examines at least one job, not 0"):
        client.jobs.search("", budget=0)
