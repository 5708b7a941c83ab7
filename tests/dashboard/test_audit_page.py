"""The pages Audit, Events and Config: what they show, to whom, and what they refuse."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable

import pytest

from qless_py import Client
from qless_py.dashboard import Access, Role
from qless_py.protocol.audit import AuditEntry
from qless_py.protocol.config_options import OPTIONS
from tests.dashboard.conftest import Visitor


def _viewer(_: object) -> Access:
    return Access("eve", Role.VIEWER)


def add(client: Client, who: str = "ann", **fields: object) -> None:
    given = {"door": "http", "action": "queue pause", "targets": ["mail"], **fields}
    client.audit.add(AuditEntry(who=who, **given))  # type: ignore[arg-type]


def test_the_log_is_shown_filtered_and_linked(client: Client, visitor: Visitor) -> None:
    add(client, "ann", details="reason=deploy", count=1)
    add(client, "bob", action="job cancel", targets=["j1", "j2"], outcome="refused", result="no")

    page = visitor.get("/audit").text
    assert page.index('"Who">bob') < page.index('"Who">ann')
    assert 'href="/queues/mail"' in page
    assert 'href="/jobs/j2"' in page
    assert "reason=deploy" in page
    found = visitor.get("/audit?who=b*&action=job+*&target=j1&outcome=refused&since=1h").text
    assert "bob" in found
    assert "reason=deploy" not in found
    assert "No changes match" in visitor.get("/audit?who=nobody").text
    assert visitor.get("/audit?since=soon").status_code == 422
    assert visitor.get("/audit?door=window").status_code == 422
    assert visitor.get("/audit?cursor=x").status_code == 422


def test_older_entries_are_on_the_next_page(client: Client, visitor: Visitor) -> None:
    for number in range(51):
        add(client, f"user-{number}")

    first = visitor.get("/audit").text
    assert "user-50" in first
    assert "user-0<" not in first
    following = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    assert "user-0<" in visitor.get(following.replace("&amp;", "&")).text


def test_the_log_is_downloaded_as_a_file(client: Client, visitor: Visitor) -> None:
    add(client, "ann")
    add(client, "bob")

    lines = visitor.get("/audit?format=ndjson&who=ann").text.splitlines()
    answer = visitor.get("/audit?format=csv")

    assert [json.loads(line)["who"] for line in lines] == ["ann"]
    assert "audit.csv" in answer.headers["Content-Disposition"]
    assert [row["who"] for row in csv.DictReader(answer.text.splitlines())] == ["bob", "ann"]


def test_viewers_see_no_secrets_and_no_addresses(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    add(client, address="10.9.8.7", result="password=hunter2")
    eve = visit(auth=[_viewer])

    for path in ("/audit", "/audit?format=csv"):
        assert "10.9.8.7" not in eve.get(path).text, path
    assert "hunter2" not in eve.get("/audit").text


def test_a_log_that_is_off_says_so(client: Client, visitor: Visitor) -> None:
    client.config.set("audit-log", 0)

    assert "The audit log is off" in visitor.get("/audit").text


def test_events_are_shown_and_those_that_come_are_read(client: Client, visitor: Visitor) -> None:
    client.config.set("event-stream", 1000)
    client.queues["mail"].put("app.Send", jid="j1")
    page = visitor.get("/events?queue=mail&klass=app.*").text
    after = page.split('data-after="')[1].split('"')[0]
    assert '"Event">job.put' in page
    assert '"Event">config.set' not in page

    client.queues["mail"].put("app.Send", jid="j2")
    client.queues["other"].put("app.Send", jid="j3")
    answer = visitor.get(f"/events/new?after={after}&queue=mail").get_json()
    assert [one["jid"] for one in answer["events"]] == ["j2"]
    assert answer["skipped"] == 0

    client.queues["mail"].put_many([{"klass": "K"} for _ in range(250)])
    answer = visitor.get(f"/events/new?after={after}").get_json()
    assert (len(answer["events"]), answer["skipped"]) == (100, 152)
    assert visitor.get(f"/events/new?after={answer['last']}").get_json()["events"] == []


def test_events_refuse_wrong_filters_and_explain_how_to_turn_them_on(
    client: Client, visitor: Visitor
) -> None:
    assert "config set event-stream 10000" in visitor.get("/events").text
    visitor.post("/config", option="event-stream", value="10000", do="set")
    assert "No events match" in visitor.get("/events?jid=none").text
    assert visitor.get("/events?kind=job.dreamt").status_code == 422
    assert visitor.get("/events/new?after=x").status_code == 422
    assert client.config["event-stream"] == 10000


def test_messages_of_failures_are_hidden_from_viewers(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    client.config.set("event-stream", 1000)
    client.queues["mail"].put("K")
    job = client.queues["mail"].pop()
    assert job
    job.fail("Oops", "the secret of ann")

    assert "the secret of ann" in visit().get("/events").text
    assert "the secret of ann" not in visit(auth=[_viewer]).get("/events").text


def test_each_option_has_its_meaning_value_and_last_change(
    client: Client, visitor: Visitor
) -> None:
    visitor.post("/config", option="heartbeat", value="30", do="set")
    client.config.set("mail-heartbeat", 5)

    page = visitor.get("/config").text
    for one in OPTIONS.values():
        assert one.meaning in page
        assert f'id="option-{one.name}"' in page
    assert 'id="option-mail-heartbeat"' in page
    assert "by <a" in page
    visitor.post("/config", option="heartbeat", do="unset")
    assert client.config["heartbeat"] == 60


def test_a_wrong_value_is_shown_with_the_reason_beside_it(client: Client, visitor: Visitor) -> None:
    answer = visitor.post("/config", option="heartbeat", value="never", do="set")

    assert answer.status_code == 422
    assert 'id="error-heartbeat" role="alert">heartbeat is a number' in answer.text
    assert 'value="never"' in answer.text
    assert client.config["heartbeat"] == 60


def test_the_table_of_options_has_the_defaults_of_the_store(client: Client) -> None:
    stored = client.config.all

    assert {name: one.default for name, one in OPTIONS.items()} == {
        name: str(value) for name, value in stored.items()
    }


@pytest.mark.parametrize("name", OPTIONS)
def test_the_table_of_options_is_documented(name: str) -> None:
    from qless_py import package  # noqa: PLC0415

    text = (package.path("lua").parent / "docs" / "protocol.md").read_text()

    assert f"| `{name}` | {OPTIONS[name].default} |" in text


def test_pages_of_jobs_and_queues_lead_to_their_changes(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    client.queues["mail"].put("K", jid="j1")

    for visitor in (visit(), visit(auth=[_viewer])):
        assert 'href="/audit?target=j1"' in visitor.get("/jobs/j1").text
        assert 'href="/audit?target=mail"' in visitor.get("/queues/mail").text
