"""Lists of jobs: the columns of each state, long data, bulk actions on all matches."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client
from qless_py.dashboard import Access
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor


def _row(page: str, jid: str) -> dict[str, str]:
    """Return the cells of a job by their labels, as text."""
    found = re.search(rf'<tr data-jid="{jid}">(.*?)</tr>', page, re.DOTALL)
    assert found is not None, page
    cells = re.findall(r'<td[^>]* data-label="([^"]+)">(.*?)</td>', found[1], re.DOTALL)
    return {label: _text(cell) for label, cell in cells}


def _text(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<wbr>|(<[^>]+>)", lambda one: " " if one[1] else "",
                                         markup)).split())  # fmt: skip


def test_each_state_has_its_columns(client: Client, clock: Clock, visitor: Visitor) -> None:
    client.throttles["api"].set(concurrency=1)
    mail, other = client.queues["mail"], client.queues["other"]
    for jid in ("fails", "ends", "runs"):
        mail.put("app.mail.Send", {"to": jid}, jid=jid, retries=2)
    clock.advance(4)
    failing, ending, running = mail.pop(3, worker="host-1-0")
    clock.advance(2)
    failing.fail("app.mail.Send:Timeout", "Traceback (most recent call last):\n"
                 '  File "a.py", line 1\n    x()\nTimeoutError: no answer\n')  # fmt: skip
    ending.complete(result={"sent": 3})
    running.set_progress({"done": 1, "total": 4})
    mail.put("app.mail.Send", jid="waits", priority=3, user="ann", tags=["eu"])
    mail.put("app.mail.Send", jid="later", delay=60)
    mail.put("app.mail.Send", jid="child", depends=["waits"])
    other.put("app.mail.Send", jid="first", throttles=["api"])
    other.put("app.mail.Send", jid="parked", throttles=["api"], user="bob")
    other.pop(2)
    other.put("app.mail.Send", jid="lost")
    other.pop(1, worker="host-2-0")[0].timeout()

    wanted = {
        "failed:fails": {
            "Job": 'app.mail.Send {"to":"fails"}', "Queue": "mail", "Attempts": "1",
            "Error": "app.mail.Send:Timeout TimeoutError: no answer", "Worker": "host-1-0",
            "Failed": "now",
        },
        "complete:ends": {
            "Job": 'app.mail.Send {"to":"ends"}', "Queue": "mail", "Result": '{"sent":3}',
            "Waited": "4 s", "Ran": "2 s", "Completed": "now",
        },
        "running:runs": {
            "Job": 'app.mail.Send {"to":"runs"}', "Queue": "mail", "Worker": "host-1-0",
            "Progress": "25%", "Running for": "2 s", "Lease ends": "in 58 s",
        },
        "waiting:waits": {
            "Job": "app.mail.Send", "Queue": "mail", "User": "ann", "Tags": "eu", "Priority": "3",
            "Waiting since": "now",
        },
        "scheduled:later": {
            "Job": "app.mail.Send", "Queue": "mail", "Tags": "", "Priority": "0", "Due": "in 1 min",
        },
        "depends:child": {
            "Job": "app.mail.Send", "Queue": "mail", "Waits for": "waits", "Tags": "", "Put": "now",
        },
        "throttled:parked": {
            "Job": "app.mail.Send", "Queue": "other", "Throttle": "api", "User": "bob",
            "Put": "now",
        },
        "stalled:lost": {
            "Job": "app.mail.Send", "Queue": "other", "Worker": "", "Attempts": "1",
            "Stalled since": "now",
        },
    }  # fmt: skip
    shown = {}
    for case in wanted:
        state, jid = case.split(":")
        shown[case] = _row(visitor.get(f"/jobs?q=state:{state}").text, jid)

    assert shown == wanted
    group = visitor.get("/failures/group?group=app.mail.Send:Timeout").text
    assert _row(group, "fails")["Error"] == "TimeoutError: no answer"
    assert "Queue" not in _row(visitor.get("/queues/mail?tab=waiting").text, "waits")


def test_long_data_is_not_read_for_a_list(
    client: Client, visitor: Visitor, visit: Callable[..., Visitor]
) -> None:
    for number in range(8):
        client.queues["mail"].put("K", {"pin": 1, "text": "x" * 900_000}, jid=f"j{number}",
                                  tags=["t"])  # fmt: skip
    viewer = visit(auth=[lambda _: Access("ann")], trusted_hosts=["localhost"])
    sent = int(client.redis.info("stats")["total_net_output_bytes"])

    pages = [visitor.get(path).text for path in ("/jobs", "/queues/mail?tab=waiting", "/tags/t")]

    assert int(client.redis.info("stats")["total_net_output_bytes"]) - sent < 400_000
    for page in pages:
        assert '{"pin":1,"text":"xxx' in _row(page, "j1")["Job"].replace(" ", "")
        assert _row(page, "j1")["Job"].endswith("… 879 KiB")
    assert _row(viewer.get("/jobs").text, "j1")["Job"] == "K 879 KiB"


def test_an_action_on_all_matches_of_a_list_starts_an_operation(
    client: Client, visitor: Visitor
) -> None:
    client.queues["mail"].put_many([{"klass": "K", "jid": f"j{number}"} for number in range(30)])
    client.queues["other"].put("K", jid="other")

    for path in ("/queues/mail?tab=waiting", "/jobs?q=queue:mail"):
        found = re.search(r'name="q" value="([^"]+)"><label', visitor.get(path).text)
        assert found is not None
        fields: dict[str, Any] = {
            "q": html.unescape(found[1]),
            "all": "yes",
            "action": "priority",
            "jid": "j1",
        }
        asked = visitor.post("/jobs/chosen", confirmed=False, **fields, priority="7").text
        assert "30 jobs will be given the priority 7" in html.unescape(asked)
        visitor.post("/jobs/chosen", **fields, priority="7")

    started = client.operations.recent()
    assert [(one.action, dict(one.params)) for one in started] == [
        ("priority", {"priority": 7})
    ] * 2


@pytest.mark.parametrize(
    ("path", "chips"),
    [('/jobs?q=state:failed -tag:a data.to:"ann b"', ["state:failed", "-tag:a",
                                                        'data.to:"ann b"']), ("/jobs", [])],
)  # fmt: skip
def test_each_term_of_a_search_can_be_removed(
    visitor: Visitor, path: str, chips: list[str]
) -> None:
    page = visitor.get(path).text
    found = re.findall(r'<li><span class="mono">(.*?)</span><a href="([^"]*)"', page)

    assert [html.unescape(term) for term, _ in found] == chips
    for term, url in found:
        rest = visitor.get(html.unescape(url)).text
        assert f'<span class="mono">{term}</span><a' not in rest
        assert rest.count(' aria-label="Remove ') == len(chips) - 1


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("q=&add=state:failed&add=&add=tag:a", "state:failed tag:a"),
        ("q=state:waiting+tag:b&add=state:failed&add=tag:a", "tag:b state:failed tag:a"),
        ("q=-state:failed&add=state:waiting", "-state:failed state:waiting"),
        ('q=failed:<1h&add=failed:<1d&add=queue:"a"', 'failed:<1d queue:"a"'),
        ("q=stat:x&add=tag:a", "stat:x tag:a"),
    ],
)
def test_filters_add_terms_to_a_search(visitor: Visitor, query: str, result: str) -> None:
    answer = visitor.get(f"/jobs?{query}", follow_redirects=True)

    assert f'name="q" value="{html.escape(result)}"' in answer.text.replace("&#34;", "&quot;")
    assert answer.request.args["q"] == result


def test_a_value_in_a_list_adds_its_term(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].put("K", jid="j", user="ann")
    client.queues["mail"].pop(1)[0].fail("K:No answer", "no")

    page = html.unescape(visitor.get("/jobs?q=state:failed queue:mail").text)

    assert 'href="/jobs?q=state:failed+queue:mail+group:%22K:No+answer%22"' in page


def test_a_search_that_continues_counts_what_was_found_on_all_pages(
    client: Client, visitor: Visitor
) -> None:
    client.queues["a"].put_many([{"klass": "K"}] * 60)
    seen, url = [], "/jobs"
    while url:
        page = visitor.get(url).text
        seen += re.findall(r"([\d,]+ found(?: so far)?, searched [\d,]+ of [\d,]+ jobs)", page)
        following = re.search(r'<a href="([^"]+)" rel="next">Continue', page)
        url = html.unescape(following[1]) if following else ""

    assert seen == [
        "25 found so far, searched 25 of 60 jobs", "50 found so far, searched 50 of 60 jobs",
        "60 found, searched 60 of 60 jobs",
    ]  # fmt: skip
