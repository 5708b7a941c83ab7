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


@pytest.fixture
def over_time(client: Client, clock: Clock) -> Client:
    """Jobs that started, failed and completed 3 hours, 2 hours and half an hour ago."""
    queue = client.queues["mail"]
    for age in ("old", "late", "new"):
        for end in ("failed", "done", "both"):
            queue.put("app.Run", jid=f"{age}-{end}", tags=[age])
        for job in queue.pop(3):
            if job.jid.endswith("both"):
                job.retry()
            if job.jid.endswith("failed"):
                job.fail("app.Run:Error", "no")
            elif job.jid.endswith("done"):
                job.complete()
        for job in queue.pop(1):
            job.complete()
        clock.advance(3600 if age == "old" else 5400 if age == "late" else 1800)  # type: ignore[attr-defined]
    queue.put("app.Run", jid="waits")
    return client


@pytest.mark.parametrize(
    ("text", "jids"),
    [
        ("failed:<1h", "new-failed"),
        ("failed:>1h failed:<150m", "late-failed"),
        ("failed:<1h state:complete", ""),
        ("group:app.Run:Error failed:<1h", "new-failed"),
        ("tag:old failed:<1h", ""),
        ("tag:old failed:>1h", "old-failed"),
        ("jid:late-failed failed:<3h", "late-failed"),
        ("finished:<1h", "new-failed new-done new-both"),
        ("finished:>170m", "old-failed old-done old-both"),
        ("started:<1h", "new-failed new-done new-both"),
        ("-started:<3h", "old-failed old-done old-both waits"),
        ("attempts:>1", "old-both late-both new-both"),
        ("attempts:0", "waits"),
        ("-failed:<1h state:failed", "old-failed late-failed"),
    ],
)
def test_jobs_are_found_by_when_they_started_and_ended(
    over_time: Client, text: str, jids: str
) -> None:
    assert _found(over_time, text) == set(jids.split())


def test_a_search_of_the_last_hour_examines_only_that(over_time: Client) -> None:
    for text, number in (("failed:<1h", 1), ("finished:<1h", 3), ("failed:<9999w", 3)):
        page = over_time.jobs.search(text)
        assert (page.scanned, page.total) == (number, number), text


def test_a_search_of_the_last_hour_continues_where_it_ended(over_time: Client) -> None:
    first = over_time.jobs.search("finished:<150m", limit=4)
    second = over_time.jobs.search("finished:<150m", limit=4, cursor=first.cursor)

    found = [job.jid for page in (first, second) for job in page.jobs]
    assert sorted(found) == sorted(
        f"{age}-{end}" for age in ("late", "new") for end in ("failed", "done", "both")
    )
    assert (first.total, second.total) == (6, 6)


def test_attempts_and_starts_beyond_the_record_are_found(client: Client, clock: Clock) -> None:
    client.queues["mail"].put("app.Run", jid="j")
    for _ in range(3):
        (job,) = client.queues["mail"].pop(1)
        for number in range(20):
            job.log(f"line {number}")
        clock.advance(600)  # type: ignore[attr-defined]
        job.retry()

    assert _found(client, "attempts:3 started:<11m") == {"j"}
    assert _found(client, "attempts:>3") == set()
    assert _found(client, "started:<9m") == set()


def test_the_total_is_that_of_all_pages(client: Client) -> None:
    for name in ("a", "b", "c"):
        client.queues[name].put_many([{"klass": "app.Run"} for _ in range(40)])

    totals, scanned, cursor = [], 0, None
    while scanned < 120:
        page = client.jobs.search("", limit=25, cursor=cursor)
        totals.append(page.total)
        scanned, cursor = scanned + page.scanned, page.cursor

    assert totals == [120] * 5
    assert scanned == 120


def test_the_total_of_one_index_is_that_of_all_pages(client: Client) -> None:
    client.queues["a"].put_many([{"klass": "app.Run", "tags": ["eu"]} for _ in range(40)])

    first = client.jobs.search("tag:eu", limit=25)
    second = client.jobs.search("tag:eu", limit=25, cursor=first.cursor)

    assert (first.total, first.scanned, second.total, second.scanned) == (40, 25, 40, 15)


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
