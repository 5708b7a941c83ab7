"""Viewing pages: every page responds and changes nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import redis as redis_py

from qless_py import Client
from qless_py.dashboard import Access, create_app
from tests.dashboard.conftest import Visitor
from tests.dashboard.pages import paths

# Redirects, answers to monitors and streams; other tests request them.
NO_PAGES = (
    "completed", "favicon", "healthz", "live", "metrics", "preferences", "readyz", "sign_out",
    "unknown",
)  # fmt: skip


def _kept(redis: redis_py.Redis) -> dict[object, tuple[object, object]]:
    """Return every key with its value and expiry."""
    keys = redis.scan_iter(count=1000)
    return {key: (redis.dump(key), redis.execute_command("PEXPIRETIME", key)) for key in keys}


def test_the_list_of_pages_is_complete(full: Client) -> None:
    rules = create_app(full).url_map
    found = rules.bind("localhost")
    listed = {found.match(urlsplit(path).path)[0] for path in paths(full)}
    there = {
        one.endpoint
        for one in rules.iter_rules()
        if "GET" in (one.methods or set()) and one.endpoint.startswith("qless_py.")
    }

    assert there - listed == {f"qless_py.{name}" for name in NO_PAGES}


def test_viewing_pages_writes_nothing(full: Client, redis: redis_py.Redis, visit: object) -> None:
    visitor: Visitor = visit(read_only=True)  # type: ignore[operator]
    before = _kept(redis)
    assert len(before) > 50

    for path in paths(full):
        answer = visitor.get(path)
        assert answer.status_code == 200, (path, answer.text[-500:])

    stream = visitor.flask.get("/live", environ_overrides={"wsgi.multithread": True})
    chunks = iter(stream.response)
    assert b"snapshot" in b"".join(bytes(next(chunks)) for _ in range(2))  # type: ignore[arg-type]
    stream.close()

    assert _kept(redis) == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs/nobody", 404), ("/recurring/plain", 404), ("/operations/plain", 404),
        ("/nowhere", 404), ("/queues/a%20b", 422), ("/jobs/a%20b", 422), ("/jobs?q=stat:x", 422),
        ("/jobs?size=x", 422), ("/jobs?size=1000", 422), ("/jobs?cursor=x", 422),
        ("/tracked?offset=-1", 422), ("/completed", 302), ("/queues/work?day=yesterday", 422),
        ("/failures/group?group=", 302), ("/queues/work?tab=dreams", 302), ("/jobs/tick", 302),
        ("/static/nothing.css", 404), ("/static/../templates/qless_py/base.html", 404),
    ],
)  # fmt: skip
def test_an_invalid_url_returns_an_error_page(
    full: Client, visitor: Visitor, path: str, status: int
) -> None:
    del full
    answer = visitor.get(path)

    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"]
    assert "Traceback" not in answer.text


def test_programs_get_problems_as_json(visitor: Visitor) -> None:
    answer = visitor.get("/jobs/nobody", headers={"Accept": "application/json"})

    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["title"] == "job-not-found"


def test_the_overview_shows_alerts(client: Client, visitor: Visitor) -> None:
    client.queues["stuck"].put("K", {})
    client.queues["stopped"].put("K", {})
    client.queues["stopped"].pause()
    clock = client.settings.clock
    clock.advance(600)  # type: ignore[attr-defined]

    page = html.unescape(visitor.get("/").text)

    assert "stopped is paused, 1 job" in page
    assert "No workers for 2 queues, 2 jobs" in page
    assert "oldest waiting 10 min" in page


def test_the_overview_is_all_clear_without_alerts(visitor: Visitor) -> None:
    assert "All clear: nothing is stuck, failing or growing." in visitor.get("/").text


def test_values_of_secret_keys_are_hidden_at_any_depth_from_viewers(
    client: Client, visit: object
) -> None:
    data = {"user": {"Password": "hunter2", "name": "ann"}, "list": [{"api_key": "k-123"}]}
    client.queues["mail"].put("K", data, jid="j")
    hidden: Visitor = visit(auth=[lambda _: Access("ann")], trusted_hosts=["localhost"])  # type: ignore[operator]
    shown: Visitor = visit()  # type: ignore[operator]

    for path in ("/jobs/j", "/jobs", "/queues/mail?tab=waiting"):
        page = hidden.get(path).text
        assert "hunter2" not in page
        assert "k-123" not in page
        assert "ann" in page
    assert "hunter2" in shown.get("/jobs/j").text


def test_large_integers_are_shown_as_they_are(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].put("K", {"id": 12345678901234567890}, jid="j")

    assert "12345678901234567890" in visitor.get("/jobs/j").text


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_job_fields_are_escaped(client: Client, visitor: Visitor, hostile: str) -> None:
    queue = client.queues["mail"]
    queue.put(f"app.{hostile}", {hostile: [hostile]}, jid="waits")
    queue.put("K", {}, jid="fails", priority=5)
    job = queue.pop()
    assert job is not None
    job.set_progress(hostile)
    job.fail(f"group {hostile}", f"message {hostile}")
    client.queues["other"].put("K", {})
    client.queues["other"].pause(reason=hostile)

    for path in (
        "/", "/jobs", "/jobs/waits", "/jobs/fails", "/failures", "/queues/other",
        "/failures/group", f"/jobs?q={hostile}", "/queues/mail?tab=waiting",
        f"/queues?q={hostile}", f"/put?klass={hostile}&queue={hostile}", f"/nowhere/{hostile}",
    ):  # fmt: skip
        page = visitor.get(path, query_string=None).text
        assert hostile not in page, path


def test_a_job_with_an_expired_lease_is_shown_as_stalled(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].put("K", {}, jid="j")
    client.queues["mail"].pop()
    held = visitor.get("/jobs/j").text
    client.settings.clock.advance(600)  # type: ignore[attr-defined]

    lapsed = visitor.get("/jobs/j").text

    assert 'class="state state-running"' in held
    assert "lease expires <time" in held
    assert 'class="state state-stalled"' in lapsed
    assert "lease expired <time" in lapsed
    assert 'class="state state-running"' not in visitor.get("/queues/mail?tab=stalled").text


def test_a_program_searches_page_by_page_in_json(client: Client, visitor: Visitor) -> None:
    wanted = [client.queues["mail"].put("K", {"n": 1}, tags=["eu"], priority=2) for _ in range(7)]
    client.queues["mail"].put("K", {"n": 2})
    asked = {"Accept": "application/json"}

    found: list[dict[str, object]] = []
    cursor: str | None = ""
    while cursor is not None:
        path = f"/jobs?q=state:waiting+data.n:1&size=3&cursor={cursor}"
        page = visitor.get(path, headers=asked).get_json()
        assert len(page["jobs"]) <= 3
        found += page["jobs"]
        cursor = page["cursor"]
    refused = visitor.get("/jobs?q=stat:x", headers=asked)

    assert sorted(str(job["jid"]) for job in found) == sorted(wanted)
    assert {key: value for key, value in found[0].items() if key != "jid"} == {
        "klass": "K", "queue": "mail", "state": "waiting", "priority": 2, "tags": ["eu"],
        "user": None,
    }  # fmt: skip
    assert (refused.status_code, refused.mimetype) == (422, "application/problem+json")


def test_rows_show_the_relevant_time_of_each_state(client: Client, visitor: Visitor) -> None:
    lines = client.queues["mail"]
    for jid in ("fails", "ends", "runs", "waits"):
        lines.put("K", {}, jid=jid)
    lines.put("K", {}, jid="later", delay=60)
    failing, ending, _ = lines.pop(3, worker="host-1-0")
    failing.fail("K:Error", "no")
    ending.complete()

    page = visitor.get("/jobs").text

    times = re.findall(
        r'<tr data-jid="(\w+)">.*?data-label="Time"><span class="quiet">(\w+)<', page, re.DOTALL
    )
    assert dict(times) == {
        "fails": "failed", "ends": "completed", "runs": "popped", "waits": "put", "later": "due",
    }  # fmt: skip
    assert page.count('<a href="/workers/host-1-0">') == 1
    assert 'href="/jobs?q=state:running"' in visitor.get("/").text
    assert "Retry all failed jobs" in visitor.get("/failures").text


def test_viewers_can_change_nothing(
    visit: Callable[..., Visitor],
) -> None:
    viewer = visit(auth=[lambda _: Access("ann")], trusted_hosts=["localhost"])
    known = viewer.flask.application.url_map.iter_rules()
    # The API beside it has tests of its own.
    pages = [one for one in known if one.endpoint.startswith("qless_py.")]
    posted = [one for one in pages if "POST" in (one.methods or ())]
    rules = [one for one in posted if not one.endpoint.endswith(".unknown")]
    open_to_all = []

    for rule in rules:
        answer = viewer.post(re.sub("<.*?>", "quiet", rule.rule))
        if answer.status_code != 403 or "this requires the role" not in answer.text:
            open_to_all.append((rule.rule, answer.status))

    assert len(rules) > 20
    assert open_to_all == []
