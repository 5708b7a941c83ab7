"""The alerts of the overview: few rows, causes before effects, severity by a threshold."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

import pytest

from qless_py import Client, protocol
from qless_py.overview.alerts import Alert, find_alerts
from qless_py.overview.series import MetricRow
from qless_py.overview.snapshot import Snapshot
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor

Visit = Callable[..., Visitor]


def _beat(client: Client, name: str, **info: object) -> None:
    client.run(protocol.workers.register(name, "n", json.dumps(info).encode()))


def _alerts(visitor: Visitor) -> list[tuple[str, str]]:
    """Return the kind and the text of the alerts of the overview."""
    page = html.unescape(visitor.get("/").text)
    return re.findall(r'class="alert alert-(\w+)">.*?<a href="[^"]*">(.*?)</a>', page)


def _texts(visitor: Visitor) -> list[str]:
    return [text for _, text in _alerts(visitor)]


def test_idle_and_busy_workers_are_reported(client: Client, clock: Clock, visit: Visit) -> None:
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

    assert idle == ["idle: no jobs waiting, 0 of 3 worker slots busy"]
    assert busy == ["all 3 worker slots busy, 6 jobs waiting: add workers"]
    assert ">3 / 3</span>" in page
    assert gone == ["no workers in the last minute: 6 jobs waiting in mail, the oldest for 2 min"]


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
    assert nobody[0][1].startswith("no workers in the last minute: 140 jobs waiting in queue-0, ")
    assert "and 137 more, the oldest for 10 min" in nobody[0][1]
    assert [kind for kind, _ in unserved] == ["bad", "bad"]
    assert re.fullmatch(
        r"no worker for queue-\d+, queue-\d+, queue-\d+ and 136 more: "
        r"139 jobs waiting, the oldest for 10 min",
        unserved[0][1],
    )
    assert unserved[1][1].startswith("stuck, no job ended in 5 minutes and none running: queue-7")


def test_each_reason_why_jobs_wait_is_a_row(client: Client, clock: Clock, visit: Visit) -> None:
    for name in ("mail", "images", "other", "qless-operations"):
        client.queues[name].put("K", {})
    clock.advance(600)
    _beat(client, "w-1", queues=["ma*", "!x"], state="running")
    _beat(client, "w-2", queues=["images"], state="quiet")
    found = _texts(visit())
    _beat(client, "w-3", queues="images")
    unknown = _texts(visit())

    waits = "waiting, the oldest for 10 min"
    assert found == [
        f"no worker for other: 1 job {waits}",
        f"workers are quiet for images: 1 job {waits}",
        (
            "stuck, no job ended in 5 minutes and none running: mail, qless-operations: "
            f"2 jobs {waits}"
        ),
    ]
    assert len(unknown) == 1
    assert "4 jobs waiting" in unknown[0]


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

    assert moving == [("warn", "behind: mail: 4 jobs waiting, the oldest for 10 min")]
    assert [kind for kind, _ in still] == ["bad"]
    assert "stuck" in still[0][1]


def _rated(failed: int, completed: int, minutes: int = 60) -> list[tuple[str, str]]:
    """Return the alerts about failures, if these were the jobs of the last minute."""
    rows = [MetricRow() for _ in range(minutes - 1)]
    rows.append(MetricRow(failed=failed, completed=completed))
    found: list[Alert] = find_alerts(Snapshot(0, [], {}, []), rows, {}, {})
    return [(one.kind, one.text) for one in found]


def test_the_share_of_failures_has_a_threshold_over_a_window() -> None:
    assert _rated(1, 7) == []
    assert _rated(4, 0) == []
    assert _rated(5, 5) == [("warn", "5 jobs failed in 15 minutes: 50% of all")]
    assert _rated(30, 200) == [("warn", "30 jobs failed in 15 minutes: 13% of all")]
    assert _rated(30, 100) == [("bad", "30 jobs failed in 15 minutes: 23% of all")]
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

    assert one == ["new failure: new, its oldest job failed 1 min ago"]
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

    assert one[0] == "w-1 is lost: holds 1 job, seen 1 min ago"
    assert re.fullmatch(r"2 workers are lost, holding 2 jobs: w-\d, w-\d", two[0])


def test_paused_queues_are_one_notice(client: Client, visitor: Visitor) -> None:
    _beat(client, "w-1", queues=["*"])
    for name in ("a", "b"):
        client.queues[name].put("K", {})
        client.queues[name].pause()

    assert _alerts(visitor) == [("info", "paused: a, b: 2 jobs waiting")]


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

    assert ("warn", "1 unreadable key set aside: see qless-py fsck") in _alerts(visit())
