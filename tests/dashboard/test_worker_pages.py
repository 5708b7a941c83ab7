"""The pages of workers: hosts, supervisors, what each worker runs, and its last command."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

from benchmarks.dashboard.page_timings import counting_trips
from qless_py import Client, protocol
from qless_py.client.job import Job
from qless_py.dashboard import Access, Role
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor

Visit = Callable[..., Visitor]
MIB = 2**20


def _beat(client: Client, name: str, **info: Any) -> None:
    client.run(protocol.workers.register(name, "n", json.dumps(info).encode()))


def _start(client: Client, clock: Clock, host: str, number: int, **more: Any) -> None:
    """Register the workers of one supervisor, whose process id is 7."""
    for one in range(number):
        about = {"host": host, "parent": 7, "pid": 70 + one, "version": "1.2", "slots": 4,
                 "queues": ["mail"], "rss": 10 * MIB, "started_at": clock.now - 3600}  # fmt: skip
        _beat(client, f"{host}-7-{one}", **(about | more))


def _words(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def _rows(page: str) -> list[str]:
    """Return the text of each row of the table, without that of its buttons."""
    found = re.findall(r"<tr class=.*?</tr>", page, re.DOTALL)
    return [_words(re.sub(r"<button.*?</button>", "", row, flags=re.DOTALL)) for row in found]


def _tiles(page: str) -> list[str]:
    return [_words(one) for one in re.findall(r'<div class="tile.*?</div>', page, re.DOTALL)]


def _pop(client: Client, worker: str, count: int = 1) -> list[Job]:
    client.queues["mail"].put_many([{"klass": "app.Send"}] * count)
    return client.queues["mail"].pop(count, worker=worker)


def test_workers_are_listed_by_host_and_supervisor_with_what_they_run(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    _start(client, clock, "web", 2, busy=1)
    _beat(client, "web-7-1", host="web", parent=7, slots=4, busy=0, state="quiet", rss=MIB)
    (job,) = _pop(client, "web-7-0")
    _pop(client, "import", 5)
    clock.advance(12)

    page = visitor.get("/workers").text

    assert _tiles(page) == [
        "Hosts 1", "Supervisors 1", "Workers 3 1 quiet", "Slots busy 1 of 8", "Memory 11 MiB",
        "Lost 0",
    ]  # fmt: skip
    assert _rows(page) == [
        "web 2 workers, 1 of 8 slots busy, 11 MiB",
        "web-7 queue mail active 1 quiet 1 1 of 8 11 MiB 1.2 1 h ago 12 s ago",
        "web-7-0 active 1 of 4 10 MiB 1 h ago 12 s ago app.Send 12 s",
        "web-7-1 quiet 0 of 4 1 MiB 12 s ago",
        "Host not reported 1 worker",
        f"import active 12 s ago {'app.Send 12 s ' * 3}2 more",
    ]
    assert f'<a href="/jobs/{job.jid}"' in page
    assert re.search(r'form="tell-quiet" name="name" value="web-7"', page)
    assert _rows(visitor.get("/workers?state=quiet").text)[2:] == [
        "web-7-1 quiet 0 of 4 1 MiB 12 s ago"
    ]


def test_lost_workers_are_marked_with_the_jobs_they_held(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    _start(client, clock, "web", 1, busy=2)
    _pop(client, "web-7-0", 2)
    clock.advance(90)

    page = visitor.get("/workers").text
    own = visitor.get("/workers/web-7-0").text

    assert _tiles(page)[3:] == ["Slots busy \u2013", "Memory 10 MiB", "Lost 1 holding 2 jobs"]
    assert '<tr class="child lost">' in page
    assert _rows(page)[2].endswith("1.5 min ago app.Send stalled app.Send stalled")
    assert "2 jobs held: each returns to its queue once its lease has expired." in own
    assert "Jobs whose lease has expired" in own


def test_a_command_is_sent_to_a_supervisor_and_its_result_shown(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    clock.advance(86400 - clock.now % 86400)
    _start(client, clock, "web", 2)
    done = visitor.followed(visitor.post("/workers/tell/dump", name="web-7", back="/workers"))
    asked = _rows(visitor.get("/workers").text)
    clock.advance(2)
    stacks = "Thread 1\n" + "x" * 1000
    client.run(protocol.workers.report("web-7-1", "dump", stacks))
    listed = visitor.get("/workers").text
    own = visitor.get("/workers/web-7-1").text

    assert "Sent dump to 2 workers" in done
    assert [row.endswith("dump asked 00:00:00 , not yet done") for row in asked[2:]] == [True] * 2
    assert _rows(listed)[3].endswith("dump asked 00:00:00 , done 00:00:02")
    assert "Thread 1" not in listed
    assert stacks in own
    assert client.run(protocol.workers.read("web-7-1", text=8))["report"]["text"] == "Thread 1"


def test_a_worker_shows_its_facts_and_how_far_its_jobs_are(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    _start(client, clock, "web", 1, busy=1, jobs=12)
    _pop(client, "web-7-0")[0].set_progress(0.4)
    clock.advance(5)

    page = _words(visitor.get("/workers/web-7-0").text)

    facts = ("Last heartbeat 5 s ago Started 1 h ago Host web Process 70 Supervisor 7 Version 1.2 "
             "Queues mail Capacity 1 of 4 slots busy Memory 10 MiB Jobs ended 12")  # fmt: skip
    assert facts in page
    assert "mail 40% 5 s in 55 s" in page


def test_viewers_see_workers_without_buttons(client: Client, clock: Clock, visit: Visit) -> None:
    _start(client, clock, "web", 1)
    viewer = visit(auth=[lambda _: Access("ann", Role.VIEWER)])

    page = viewer.get("/workers").text

    assert len(_rows(page)) == 3
    assert "tell-" not in page
    assert "/workers/tell/" not in page


def test_without_workers_the_page_says_how_to_start_one(
    client: Client, clock: Clock, visit: Visit
) -> None:
    empty = visit().get("/workers").text
    _start(client, clock, "web", 1)

    assert "No workers yet. Start one: qless-py work -q mail --import app" in _words(empty)
    assert "No workers are lost. Show all workers" in _words(
        visit().get("/workers?state=lost").text
    )


def test_many_workers_are_shown_in_small_pages(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    client.queues["mail"].put_many([{"klass": f"app.mail.{'Send' * 9}"}] * 100)
    for host in range(100):
        _start(client, clock, f"web-{host:02}.example.org", 8, busy=3)
    first = "web-00.example.org-7"
    for one in range(8):
        client.queues["mail"].pop(5, worker=f"{first}-{one}")
        client.workers.quiet(f"{first}-{one}")
    with counting_trips() as trips:
        page = visitor.get("/workers").text

    assert trips.number <= 12
    assert len(page.encode()) < 40_000
    assert "1\u201320 of 800" in page
    assert "web-02.example.org 8 workers, 24 of 32 slots busy, 80 MiB" in _rows(page)
    assert len(_rows(visitor.get("/workers?offset=780").text)) == 20 + 2 * 3
