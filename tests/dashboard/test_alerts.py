"""The alerts of the overview: few rows, causes before effects, severity by a threshold."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

import pytest

from qless_py import Client, protocol
from qless_py.client import humanize
from qless_py.dashboard import Access
from qless_py.overview.alerts import Alert, find_alerts
from qless_py.overview.series import MetricRow
from qless_py.overview.snapshot import Snapshot
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor

Visit = Callable[..., Visitor]


def _beat(client: Client, name: str, **info: object) -> None:
    client.run(protocol.workers.register(name, "n", json.dumps(info).encode()))


def _alerts(visitor: Visitor) -> list[tuple[str, str]]:
    """Return the kind of each alert of the overview, and its name and detail as one line."""
    page = html.unescape(visitor.get("/").text)
    row = r'class="alert alert-(\w+)">.*?<strong>(.*?)</strong>(?: <span[^>]*>(.*?)</span>)?</p>'
    found = re.findall(row, page)
    return [(kind, f"{name}: {detail}" if detail else name) for kind, name, detail in found]


def _texts(visitor: Visitor) -> list[str]:
    return [text for _, text in _alerts(visitor)]


def test_busy_and_missing_workers_are_reported(client: Client, clock: Clock, visit: Visit) -> None:
    _beat(client, "w-1", slots=2, busy=0)
    _beat(client, "w-2", slots=1, busy=0)
    idle = _texts(visit())
    client.queues["mail"].put_many([{"klass": "K"}] * 6)
    _beat(client, "w-1", slots=2, busy=2)
    _beat(client, "w-2", slots=1, busy=1)
    busy = _texts(visit())
    page = visit().get("/").text
    clock.advance(120)
    gone = _texts(visit())

    assert idle == []
    assert busy == ["All 3 worker slots are busy, 6 jobs waiting: add workers or slots"]
    assert ">3 of 3 slots busy</span>" in page
    assert gone == [
        "No workers for mail, 6 jobs: none seen in the last minute; oldest waiting 2 min"
    ]


def test_the_cause_is_one_row_for_all_its_queues(
    client: Client, clock: Clock, visit: Visit
) -> None:
    for number in range(140):
        client.queues[f"queue-{number}"].put("K", {})
    clock.advance(600)
    nobody = _alerts(visit())
    _beat(client, "w-1", queues=["queue-7"], state="running", slots=1, busy=0)
    unserved = _alerts(visit())

    assert [kind for kind, _ in nobody] == ["bad"]
    assert nobody[0][1].startswith("No workers for 140 queues, 140 jobs: none seen in the last ")
    assert "and 137 more; oldest waiting 10 min" in nobody[0][1]
    assert [kind for kind, _ in unserved] == ["bad", "bad"]
    assert re.fullmatch(
        r"No worker serves 139 queues, 139 jobs: queue-\d+, queue-\d+, queue-\d+ and 136 more; "
        r"oldest waiting 10 min",
        unserved[0][1],
    )
    assert unserved[1][1].startswith("queue-7 is stuck, 1 job: no job ended in 5 minutes and ")


def test_each_reason_why_jobs_wait_is_a_row(client: Client, clock: Clock, visit: Visit) -> None:
    for name in ("mail", "images", "other", "qless-operations"):
        client.queues[name].put("K", {})
    clock.advance(600)
    _beat(client, "w-1", queues=["ma*", "!x"], state="running")
    _beat(client, "w-2", queues=["images"], state="quiet")
    found = _texts(visit())
    _beat(client, "w-3", queues="images")
    unknown = _texts(visit())

    stuck = "no job ended in 5 minutes and none is running"
    assert found == [
        "No worker serves other, 1 job: oldest waiting 10 min",
        "The workers of images are quiet, 1 job: oldest waiting 10 min",
        f"2 queues are stuck, 2 jobs: {stuck}; mail, qless-operations; oldest waiting 10 min",
    ]
    assert len(unknown) == 1
    assert "4 queues are stuck, 4 jobs" in unknown[0]


def test_a_queue_in_which_jobs_complete_is_not_stuck(
    client: Client, clock: Clock, visit: Visit
) -> None:
    queue = client.queues["mail"]
    queue.put_many([{"klass": "K"}] * 5)
    clock.advance(600)
    _beat(client, "w-1", queues=["mail"], state="running")
    queue.pop(1)[0].complete()
    moving = _alerts(visit())
    clock.advance(660)
    _beat(client, "w-1", queues=["mail"], state="running")
    still = _alerts(visit())

    assert moving == [("warn", "mail is behind, 4 jobs: oldest waiting 10 min")]
    assert [kind for kind, _ in still] == ["bad"]
    assert "stuck" in still[0][1]


def test_a_queue_is_judged_by_its_jobs_however_many_wait_longer(
    client: Client, clock: Clock, visit: Visit
) -> None:
    for number in range(60):
        client.queues[f"busy-{number}"].put_many([{"klass": "K"}] * 2)
    clock.advance(60)
    client.queues["mail"].put_many([{"klass": "K"}] * 2)
    clock.advance(600)
    _beat(client, "w-1", queues=["*"], state="running")
    for number in range(60):
        client.queues[f"busy-{number}"].pop(1)
    client.queues["mail"].pop(1)[0].complete()

    assert [name for _, name in _alerts(visit())] == [
        "61 queues are behind, 61 jobs: busy-0, busy-1, busy-10 and 58 more; oldest waiting 11 min"
    ]


def _rated(failed: int, completed: int, minutes: int = 60) -> list[tuple[str, str]]:
    """Return the alerts about failures, if these were the jobs of the last minute."""
    rows = [MetricRow() for _ in range(minutes - 1)]
    rows.append(MetricRow(failed=failed, completed=completed))
    found: list[Alert] = find_alerts(Snapshot(0, [], {}, []), rows, {}, {})
    return [(one.kind, one.text) for one in found]


def test_the_share_of_failures_has_a_threshold_over_a_window() -> None:
    text = "{} jobs failed in 15 minutes: {}% of the {} jobs that ended"
    assert _rated(1, 7) == []
    assert _rated(4, 0) == []
    assert _rated(5, 5) == [("warn", text.format(5, 50, 10))]
    assert _rated(30, 200) == [("warn", text.format(30, 13, 230))]
    assert _rated(30, 100) == [("bad", text.format(30, 23, 130))]
    assert _rated(30, 10_000) == []


def test_new_failures_are_one_row(client: Client, clock: Clock, visitor: Visitor) -> None:
    def fail(group: str, wait: float) -> None:
        client.queues["mail"].put("K", {})
        client.queues["mail"].pop(1)[0].fail(group, "message")
        clock.advance(wait)

    fail("old", 7200)
    fail("new", 60)
    one = _texts(visitor)
    fail("newer", 60)
    two = _texts(visitor)

    assert one == ["New failure new: first seen 1 min ago"]
    assert two == ["2 new failures in the last hour: newer, new"]


def test_lost_workers_are_one_row(client: Client, clock: Clock, visit: Visit) -> None:
    queue = client.queues["mail"]
    queue.put_many([{"klass": "K"}] * 3)
    queue.pop(1, worker="w-1")
    clock.advance(61)
    _beat(client, "alive", queues=["mail"])
    one = _texts(visit())
    for worker in ("w-2", "w-3"):
        queue.pop(1, worker=worker)
    clock.advance(61)
    _beat(client, "alive", queues=["mail"])
    two = _texts(visit())

    assert one[0] == "w-1 is lost, holding 1 job: last seen 1 min ago"
    assert re.fullmatch(r"2 workers are lost, holding 2 jobs: w-\d, w-\d", two[0])


def test_paused_queues_are_one_notice(client: Client, visitor: Visitor) -> None:
    _beat(client, "w-1", queues=["*"])
    for name in ("a", "b"):
        client.queues[name].put("K", {})
        client.queues[name].pause()

    assert _alerts(visitor) == [("info", "2 queues are paused, 2 jobs: a, b")]


def test_more_than_a_handful_is_collapsed(client: Client, clock: Clock, visitor: Visitor) -> None:
    for name in ("mail", "images", "other", "late", "stopped", "held"):
        client.queues[name].put_many([{"klass": "K"}] * 2)
    client.queues["late"].heartbeat = 9000
    client.queues["late"].pop(1, worker="w-1")
    client.queues["held"].pop(1, worker="gone")
    client.queues["stopped"].pause()
    clock.advance(600)
    for name, state in (("w-1", "running"), ("w-2", "quiet")):
        queues = ["mail", "late", "held"] if name == "w-1" else ["images"]
        _beat(client, name, queues=queues, state=state)

    page = visitor.get("/").text
    shown, more = page.split("<details>")[:2]

    assert shown.count('class="alert ') == 5
    assert "Show" in more
    assert page.count('class="alert ') == 7


@pytest.mark.corrupts
def test_keys_that_were_set_aside_are_counted(client: Client, visit: Visit) -> None:
    client.queues["mail"].put("K", {}, jid="bad")
    client.redis.set("{ql}:job:bad", "junk")
    client.queues["mail"].pop()

    assert ("warn", "1 unreadable key was set aside: see qless-py fsck") in _alerts(visit())


def test_a_paused_queue_can_be_resumed_from_its_alert(
    client: Client, visitor: Visitor, visit: Visit
) -> None:
    client.queues["mail"].pause(reason="no <provider>")
    page = visitor.get("/").text
    viewer = visit(auth=[lambda _: Access("eve")], trusted_hosts=["localhost"])

    assert "mail is paused, 0 jobs" in page
    assert "no &lt;provider&gt;" in page
    assert '<form class="action" method="post" action="/queues/mail/unpause">' in page
    assert "unpause" not in viewer.get("/").text
    assert "mail is paused" in viewer.get("/").text


def _tiles(visitor: Visitor) -> dict[str, tuple[str, str, str]]:
    """Return the kind, the value and the note of each tile."""
    page = html.unescape(visitor.get("/").text)
    row = (
        r'<div class="tile(?: tile-(\w+))?"><dt><a href="[^"]*">([^<]+)</a></dt>'
        r'<dd><span[^>]*>([^<]*)</span>(?: <span class="tile-note">([^<]*)</span>)?'
    )
    return {name: (kind, value, note) for kind, name, value, note in re.findall(row, page)}


def test_tiles_show_rates_over_a_window(client: Client, clock: Clock, visit: Visit) -> None:
    clock.advance(60 - clock.now % 60)
    idle = _tiles(visit())
    queue = client.queues["mail"]
    queue.put_many([{"klass": "K"}] * 90)
    for number, job in enumerate(queue.pop(60)):
        if number < 6:
            job.fail("K:Error", "no")
        else:
            job.complete()
    clock.advance(150)
    queue.pop(2, worker="w-1")
    _beat(client, "w-1", queues=["mail"], slots=4, busy=2)
    _beat(client, "w-2", queues=["mail"], state="quiet")
    busy = _tiles(visit())

    assert list(idle.values()) == [
        ("", "0", "0 put"), ("", "\u2013", "0 in 15 min"), ("", "\u2013", ""), ("", "0", ""),
        ("", "0", "\u00b10 in 1 h"), ("", "0", ""),
    ]  # fmt: skip
    assert busy == {
        "Jobs per second": ("", "0.18", "0.27 put"),
        "Failure rate": ("warn", "10%", "6 in 15 min"),
        "Oldest waiting": ("warn", "2.5 min", "mail"),
        "Running": ("", "2", "2 of 4 slots busy"),
        "Waiting": ("", "28", "+30 in 1 h"),
        "Workers": ("", "2", "1 quiet"),
    }


def test_shares_are_never_rounded_to_none_or_all() -> None:
    shares = (0.0, 0.0001, 0.026, 0.5, 0.994, 0.9999, 1.0)
    assert [humanize.percent(share) for share in shares] == [
        "0%", "0.1%", "2.6%", "50%", "99.4%", "99.9%", "100%",
    ]  # fmt: skip
