"""Contents of pages: alerts, charts, job details, bulk actions, lists and errors."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from qless_py import Client, Job, protocol
from qless_py.client import humanize
from qless_py.dashboard import Access, DashboardConfig, Role, context, create_app
from qless_py.overview import series as timeseries
from qless_py.overview.series import MetricRow
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor
from tests.dashboard.pages import paths


def _beat(client: Client, name: str, **info: Any) -> None:
    client.run(protocol.workers.register(name, "n", json.dumps(info).encode()))


def _job(client: Client, jid: str) -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def test_cached_series_equal_those_read_anew(client: Client, clock: Clock) -> None:
    kept = timeseries.SeriesCache(client, 0.1)
    names = ["a", "b"]
    for step in range(9):
        queue = client.queues[names[step % 2]]
        queue.put_many([{"klass": "K"}] * (step + 1))
        for job in queue.pop(step + 1)[1:]:
            job.complete()
        for span in (
            timeseries.RANGES[0],
            timeseries.RANGES[1],
            timeseries.RANGES[2],
            timeseries.RANGES[4],
        ):
            now = client.settings.clock()
            fresh = timeseries.SeriesCache(client, 0.1).rows(names, span, now)
            assert kept.rows(names, span, now) == fresh
        clock.advance(100)

    span = timeseries.RANGES[1]
    rows = kept.rows(names, span, client.settings.clock())[1]
    assert sum(row.put for row in rows) == sum(range(1, 10))
    assert timeseries.downsample(*kept.rows(names, span, client.settings.clock()), 7)[1]


def test_a_long_range_includes_more_queues_with_every_request(
    client: Client, clock: Clock, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = timeseries.RANGES[3]
    names = [f"queue-{number}" for number in range(5)]
    for number, name in enumerate(names):
        client.queues[name].put_many([{"klass": "K"}] * (number + 1))
        clock.advance(1000)
    everything = timeseries.SeriesCache(client, 0.1)
    kept = timeseries.SeriesCache(client, 0.1)
    shown: list[tuple[int, int, int]] = []

    for _ in range(4):
        now = client.settings.clock()
        whole = everything.rows(names, span, now)[1]
        with monkeypatch.context() as less:
            less.setattr(timeseries, "_MAX_READ", 2 * 145)
            _, rows = kept.rows(names, span, now)
            known = kept.included(names, span)
        shown.append((known, sum(row.put for row in rows), max(row.depth for row in rows)))
        clock.advance(100)

    assert shown == [(2, 1 + 2, 2), (4, 1 + 2 + 3 + 4, 4), (5, 15, 5), (5, 15, 5)]
    assert rows == whole
    with monkeypatch.context() as less:
        less.setattr(timeseries, "_MAX_READ", 2 * 145)
        kept.rows(names[1:], span, client.settings.clock())
        assert kept.included(names[1:], span) == 2
    assert visitor.get("/?range=24h").status_code == 200


def test_the_series_cache_is_bounded(
    client: Client, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeseries, "_MAX_CACHED", 3)
    kept = timeseries.SeriesCache(client, 0.1)
    for number in range(10):
        client.queues[f"queue-{number}"].put("K", {})
        now = client.settings.clock()
        kept.rows([f"queue-{number}"], timeseries.RANGES[1], now)

    assert kept.row_count <= 4
    assert visitor.get("/queues/queue-3").status_code == 200


def test_downsampling_sums_neighbouring_rows() -> None:
    rows = [MetricRow(put=n, depth=n, wait={1: n}) for n in range(10)]

    instants, few, factor = timeseries.downsample([float(n) for n in range(10)], rows, 4)

    assert factor == 3
    assert instants == [1.0, 4.0, 7.0]
    assert [row.put for row in few] == [1 + 2 + 3, 4 + 5 + 6, 7 + 8 + 9]
    assert [row.depth for row in few] == [3, 6, 9]
    assert few[0].wait == {1: 6}


def test_a_job_page_shows_batch_parents_and_limits(client: Client, visitor: Visitor) -> None:
    queue = client.queues["mail"]
    with client.batch("letters") as batch:
        batch.put("mail", "K", {}, jid="member")
    for jid in ("p-1", "p-2"):
        queue.put("K", {}, jid=jid, priority=5)
    queue.put("K", {}, jid="child", depends=["p-1", "p-2"], soft_limit=60, hard_limit=120)
    parent = queue.pop()
    assert parent is not None
    parent.complete(result={"written": parent.jid})

    member = html.unescape(visitor.get("/jobs/member").text)
    child = html.unescape(visitor.get("/jobs/child").text)

    assert "letters" in member
    assert f'{{"written":"{parent.jid}"}}' in child
    assert "<dt>Soft limit</dt><dd>1 min</dd>" in child
    assert f"/jobs/{parent.jid}" in child


def test_a_job_page_shows_the_trace_and_no_markup_in_it(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].put("K", jid="j", context={"traceparent": "<b>00-a-b-01", "x": "secret"})

    page = visitor.get("/jobs/j").text

    assert '<dt>Trace</dt><dd class="mono">&lt;b&gt;00-a-b-01</dd>' in page
    assert "secret" not in page


def test_all_dependencies_are_removed_at_once(client: Client, visitor: Visitor) -> None:
    for jid in ("p-1", "p-2"):
        client.queues["mail"].put("K", {}, jid=jid)
    client.queues["mail"].put("K", {}, jid="child", depends=["p-1", "p-2"])
    assert "Remove all dependencies" in visitor.get("/jobs/child").text

    visitor.post("/jobs/child/undepend_all")

    assert _job(client, "child").state == "waiting"


def test_a_job_page_shows_why_an_attempt_was_retried_and_when_it_runs_again(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    client.queues["mail"].put("K", jid="j")
    job = client.queues["mail"].pop()
    assert job is not None
    job.retry(3600, "K:ValueError", "no such user: 7")

    page = visitor.get("/jobs/j").text

    assert "no such user: 7" in page
    assert f"{clock.now + 3600:.0f}000" not in page
    assert 'datetime="2023-11-14T23:13:20.000Z"' in page


def test_duplicating_a_job_fills_in_the_form(
    client: Client, visitor: Visitor, visit: Callable[..., Visitor]
) -> None:
    client.queues["mail"].put("app.Send", {"password": "x<y"}, jid="j", tags=["eu"], priority=4,
                              user="ann", throttles=["api"])  # fmt: skip

    page = html.unescape(visitor.get("/put?from=j").text)
    hidden = visit(auth=[lambda _: Access("ann", Role.OPERATOR)], trusted_hosts=["localhost"])

    assert '"password": "x<y"' in page
    for value in ("app.Send", "eu", "4", "ann", "api"):
        assert f'value="{value}"' in page
    assert 'value="j"' not in page
    assert "x<y" not in html.unescape(hidden.get("/put?from=j").text)
    assert visitor.get("/put?from=nobody").status_code == 404


@pytest.mark.parametrize(
    ("action", "value", "state"),
    [("retry", "", "failed"), ("tag", "eu news", "failed"), ("move", "other", "failed"),
     ("priority", "7", "")],
)  # fmt: skip
def test_selected_jobs_are_changed_together(
    client: Client, visitor: Visitor, action: str, value: str, state: str
) -> None:
    for jid in ("a", "b", "c"):
        client.queues["mail"].put("K", {}, jid=jid)
    for job in client.queues["mail"].pop(3):
        job.fail("group", "message")

    page = visitor.followed(
        visitor.post("/jobs/chosen", action=action, value=value, state=state, jid=["a", "c"])
    )

    assert "2 of 2 jobs" in page
    changed = [_job(client, jid) for jid in ("a", "c")]
    assert _job(client, "b").state == "failed"
    shown = {
        "retry": [job.state == "waiting" for job in changed],
        "tag": [job.tags == ["eu", "news"] for job in changed],
        "move": [job.queue_name == "other" for job in changed],
        "priority": [job.priority == 7 for job in changed],
    }
    assert all(shown[action])


def test_a_selected_job_that_has_left_its_list_is_refused(client: Client, visitor: Visitor) -> None:
    for jid in ("a", "b"):
        client.queues["mail"].put("K", {}, jid=jid)
    client.queues["mail"].pop()

    page = visitor.followed(
        visitor.post("/jobs/chosen", action="cancel", state="waiting", jid=["a", "b"])
    )

    assert "1 of 2 jobs" in page
    assert "note-refused" in page
    assert _job(client, "a").state == "running"
    assert client.jobs["b"] is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"action": "cancel"}, "select at least one job"), ({"action": "move", "jid": "a"}, "queue"),
     ({"action": "priority", "jid": "a", "value": "x"}, "value must be a number")],
)  # fmt: skip
def test_an_invalid_bulk_action_shows_its_error(
    client: Client, visitor: Visitor, fields: dict[str, Any], message: str
) -> None:
    client.queues["mail"].put("K", {}, jid="a")

    page = visitor.followed(visitor.post("/jobs/chosen", **fields))

    assert "note-refused" in page
    assert message in html.unescape(page)


class Headings(HTMLParser):
    """Counts h1 headings and POST forms."""

    def __init__(self) -> None:
        super().__init__()
        self.headings = 0
        self.posts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.headings += tag == "h1"
        self.posts += tag == "form" and (dict(attrs).get("method") or "get").lower() == "post"


@pytest.mark.parametrize("kind", ["read-only", "viewer"])
def test_viewers_are_offered_no_form(
    full: Client, visit: Callable[..., Visitor], kind: str
) -> None:
    people = [lambda _: Access("ann", shows_data=True)]
    visitor = visit(read_only=True) if kind == "read-only" else visit(auth=people)
    found = []

    for path in [*paths(full), "/nowhere", "/jobs/nobody", "/jobs?q=stat:x"]:
        answer = visitor.get(path)
        if answer.mimetype != "text/html":
            continue
        seen = Headings()
        seen.feed(answer.text)
        if (seen.headings, seen.posts) != (1, 0):
            found.append((path, seen.headings, seen.posts))

    assert found == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_unknown_routes_are_guarded_too(visitor: Visitor, method: str) -> None:
    answer = visitor.flask.open("/nowhere/at/all", method=method)

    assert answer.status_code == 403
    assert answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/queues", "/jobs", "/static/app.js", "/nowhere"])
def test_head_matches_get(visitor: Visitor, path: str) -> None:
    answer = visitor.flask.head(path, buffered=True)

    assert answer.status_code == visitor.get(path).status_code
    assert answer.data == b""
    assert answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    ["/tags", "/tags/x", "/queues", "/workers", "/tracked",
     "/recurring", "/failures", "/throttles/api", "/queues/work?tab=waiting"],
)  # fmt: skip
def test_an_offset_beyond_the_end_is_an_empty_page(
    full: Client, visitor: Visitor, path: str
) -> None:
    del full
    join = "&" if "?" in path else "?"

    assert visitor.get(f"{path}{join}offset=1000000000000").status_code == 200
    assert visitor.get(f"{path}{join}offset={10**30}").status_code == 422


def test_queues_are_paginated(client: Client, visitor: Visitor) -> None:
    for number in range(90):
        client.queues[f"some.department.queue-{number:03}"].put("K", {})

    first, last = visitor.get("/queues").text, visitor.get("/queues?offset=70").text

    assert len(re.findall("<tr data-queue", first)) == 35
    assert len(re.findall("<tr data-queue", last)) == 20
    assert "queue-089" in last
    assert len(first) < 40 * 1024


def test_throttles_and_users_are_paginated(client: Client, visitor: Visitor) -> None:
    for number in range(120):
        client.throttles[f"api-{number:03}"].set(concurrency=1)
        client.users[f"user-{number:03}"].set(weight=2)
        client.queues["fair"].put("K", {}, user=f"user-{number:03}")

    for path, more, row, size in (
        ("/throttles", "cursor", "api-", 32), ("/throttles", "users", "user-", 32),
        ("/queues/fair?tab=users", "cursor", "user-", 100),
    ):  # fmt: skip
        first = visitor.get(path).text
        (link,) = re.findall(f'href="([^"]*{more}=[^"]+)" rel="next"', first)
        second = visitor.get(html.unescape(link)).text
        shown = [set(re.findall(f"{row}[0-9]{{3}}", page)) for page in (first, second)]

        assert [len(some) for some in shown] == [size, min(size, 120 - size)]
        assert not shown[0] & shown[1]
    assert len(visitor.get("/throttles").text) < 40 * 1024
    assert visitor.get("/throttles?cursor=nonsense").status_code == 422


def test_pages_report_an_unavailable_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "STORE_TIMEOUT", 0.05)
    client = Client("redis://127.0.0.1:1/0")
    visitor = Visitor(create_app(client, DashboardConfig(secret="s" * 16)).test_client())

    for path in ("/", "/queues", "/jobs/j", "/snapshot", "/config"):
        answer = visitor.get(path)
        assert answer.status_code == 503, path
        assert answer.headers["Content-Security-Policy"]
        assert "Traceback" not in answer.text
    stream = visitor.flask.get("/live", environ_overrides={"wsgi.multithread": True})
    chunks = [next(stream.iter_encoded()) for _ in range(2)]
    stream.close()
    assert b"event: away" in chunks[1]
    client.close()


def test_an_audit_entry_is_a_single_line(
    client: Client, visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    del client
    with caplog.at_level("INFO", logger="qless_py.dashboard.audit"):
        visitor.post("/throttles/set", name="x\nroot did everything\u2028", concurrency="1")

    (record,) = [one for one in caplog.records if one.name == "qless_py.dashboard.audit"]
    assert len(record.getMessage().splitlines()) == 1


def test_charts_fill_periods_without_events(client: Client, clock: Clock) -> None:
    clock.advance(60 - clock.now % 60)
    for name, number in (("stuck", 7), ("fed", 3)):
        client.queues[name].put_many([{"klass": "K"}] * number)
    for _ in range(10):
        clock.advance(60)
        client.queues["fed"].put("K", {})
    board = context.Dashboard(client, DashboardConfig(refresh=1e-9))
    now = board.series.now()
    lines = board.snapshots.get().backlog

    _, rows = board.series.rows(["fed", "stuck"], timeseries.RANGES[1], now, lines)
    clock.advance(300)
    later = board.snapshots.get().backlog
    _, kept = board.series.rows(["fed", "stuck"], timeseries.RANGES[1], now + 300, later)

    assert [row.depth for row in rows[-11:]] == list(range(10, 21))
    assert [round(row.head_age) for row in rows[-11:]] == [60 * minute for minute in range(11)]
    assert sum(row.depth for row in rows[:-11]) == 0
    assert [row.depth for row in kept[-6:]] == [20] * 6
    assert [round(row.head_age) for row in kept[-6:]] == [60 * minute for minute in range(10, 16)]
    assert sum(row.put for row in kept) == 20


def test_charts_show_the_backlog_of_a_stuck_queue(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    client.queues["mail"].put_many([{"klass": "K"}] * 7)
    clock.advance(7200)

    for path in ("/", "/queues/mail", "/?range=24h"):
        page = visitor.get(path).text
        assert "depth <strong>7</strong>" in page
        assert "age <strong>2 h</strong>" in page


def test_chart_legends_show_the_newest_values(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    clock.advance(60 - clock.now % 60)
    client.queues["mail"].put_many([{"klass": "K"}] * 90)
    job = client.queues["mail"].pop()
    assert job is not None
    clock.advance(3)
    job.complete()
    clock.advance(42)
    fresh = visitor.get("/queues/mail").text
    clock.advance(600)
    later = visitor.get("/queues/mail").text

    assert "put <strong>2</strong>" in fresh  # In 45 seconds, not in a minute.
    assert re.search(r"Run time</strong>.*?p50 <strong>\d", fresh, re.DOTALL)
    assert "no values for" not in fresh
    assert later.count(f"p50 <strong>{humanize.NOTHING}</strong>") == 2
    assert later.count("no values for 10 min") == 2
    assert re.search(r'aria-label="Run time: p50 . now, max \d', later)


def test_a_snapshot_holds_only_the_queues_that_are_named(client: Client, visitor: Visitor) -> None:
    for name in ("a", "b", "c"):
        client.queues[name].put("K")

    whole, some, none = (
        json.loads(visitor.get(f"/snapshot{query}").text)
        for query in ("", "?queue=b&queue=nobody", "?queue=")
    )

    assert [set(one["queues"]) for one in (whole, some, none)] == [{"a", "b", "c"}, {"b"}, set()]
    assert set(some["heads"]) == {"b"}
    assert whole["totals"] == some["totals"] == none["totals"]
