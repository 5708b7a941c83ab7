"""Requests that pages must survive: odd URLs, unknown names, other processes' forms."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from qless_py import Client
from qless_py.dashboard import DashboardConfig, create_app, form_secret
from tests.conftest import Clock
from tests.dashboard.conftest import TOKEN, Visitor

MULTI = {"wsgi.multiprocess": True}


def _submit(one: FlaskClient, other: FlaskClient, **environ: Any) -> Any:
    """Send the form of a page of one process to another one."""
    token = TOKEN.search(one.get("/config").text)
    assert token is not None
    cookie = one.get_cookie("qless_py_form")
    assert cookie is not None
    other.set_cookie("qless_py_form", cookie.value)
    form = {"form_token": token[1], "option": "heartbeat", "value": "30", "do": "set"}
    headers = {"Sec-Fetch-Site": "same-origin"}
    return other.post("/config", data=form, headers=headers, environ_overrides=environ)


def _process(client: Client, **settings: Any) -> FlaskClient:
    return create_app(client, DashboardConfig(**settings)).test_client()


def test_processes_without_a_secret_accept_each_others_forms(client: Client) -> None:
    answer = _submit(_process(client), _process(client), **MULTI)

    assert answer.status_code == 303
    assert client.config["heartbeat"] == 30


def test_another_store_or_namespace_has_another_secret(client: Client) -> None:
    other = Client(redis=client.redis, namespace="other")

    assert _submit(_process(other), _process(client)).status_code == 403


def test_a_derived_secret_survives_a_restart_of_the_store(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = form_secret.FormSecret(client, None)
    before = secret.get()
    monkeypatch.setattr(client.redis, "info", lambda _: {"run_id": "another"})

    assert secret.get() == before
    secret._expires_at = 0
    assert secret.get() != before
    assert secret.get() == form_secret.FormSecret(client, None).get()


def test_without_an_identity_of_the_store_the_message_names_the_setting(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client.redis, "info", lambda _: {})

    # Also if each process has threads, and knows nothing of the others.
    for environ in (MULTI, {}):
        answer = _submit(_process(client), _process(client), **environ)

        assert answer.status_code == 403
        assert "QLESS_PY_WEB_SECRET" in answer.text
    assert "QLESS_PY_WEB_SECRET" in caplog.text


@pytest.mark.parametrize(
    "back", ["/jobs\nx", "/jobs\r\nSet-Cookie: a=b", "/jobs\x00", "//[", "/\\x"]
)
def test_an_odd_page_to_return_to_is_ignored(visitor: Visitor, back: str) -> None:
    answer = visitor.post("/config", back=back, option="heartbeat", value="30", do="set")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")

    shown = visitor.post("/config", back=back, option="heartbeat", value="never", do="set")
    assert shown.status_code == 422
    assert set(re.findall('name="back" value="([^"]*)"', shown.text)) == {"/"}


@pytest.mark.parametrize(("header", "status"), [("Origin", 403), ("Host", 400)])
def test_a_header_that_is_no_url_is_rejected(visitor: Visitor, header: str, status: int) -> None:
    value = {"Origin": "http://[", "Host": "[a"}[header]

    answer = visitor.flask.post("/config", data={}, headers={header: value})

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/queues/nobody", "nobody does not exist"),
        ("/queues/nobody?tab=waiting", "nobody does not exist"),
        ("/workers/nobody", "nobody does not exist"),
        ("/jobs/nobody", '<bdi class="mono">nobody</bdi> does not exist'),
        ("/tags/nobody", "no job has the tag nobody"),
        ("/failures/group?group=nobody", "No failed jobs in this group."),
    ],
)
def test_unknown_names_are_not_found(visitor: Visitor, path: str, message: str) -> None:
    answer = visitor.get(path)

    assert answer.status_code == 404
    assert message in answer.text


def test_an_action_that_empties_a_page_leads_to_the_list(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].put("K", jid="j", tags=["eu"])
    client.queues["mail"].pop(1)[0].fail("K:Error", "no")

    for page, action, value, there in (
        ("/tags/eu", "untag", "eu", "/tags"),
        ("/failures/group?group=K:Error", "retry", "", "/failures"),
    ):
        answer = visitor.post("/jobs/chosen", action=action, value=value, jid="j", back=page)
        assert answer.headers["Location"] == page
        shown = visitor.get(page, follow_redirects=True)
        assert (shown.status_code, shown.request.path) == (200, there)
        assert "1 of 1 job" in shown.text


def _sent_again(page: str) -> dict[str, str]:
    """Return the fields of the form that an error page offers to send again."""
    form = page[page.index("What you sent") :]
    fields = re.findall(r'<input[^>]* name="(\w+)" value="([^"]*)"', form)
    areas = re.findall(r'<textarea[^>]* name="(\w+)">\n(.*?)</textarea>', form, re.DOTALL)
    return {name: html.unescape(value) for name, value in [*fields, *areas]}


def test_an_expired_form_keeps_what_was_typed(client: Client, visitor: Visitor) -> None:
    typed = {"queue": "mail", "klass": "app.Send", "data": '{"to":\n "<ann>"}', "tags": "a b"}
    visitor.get("/put")

    answer = visitor.flask.post(
        "/put", data={**typed, "form_token": "old", "back": "/queues"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )  # fmt: skip
    fields = _sent_again(answer.text)
    again = visitor.flask.post("/put", data=fields, headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 403
    assert "<h1>403: form expired</h1>" in answer.text
    assert "nothing was changed" in answer.text
    assert {name: fields[name] for name in typed} == typed
    assert fields["back"] == "/queues"
    assert again.status_code == 303
    (jid,) = client.queues["mail"].jobs.waiting()
    job = client.jobs[jid]
    assert job is not None
    assert (job.data, job.tags) == ({"to": "<ann>"}, ["a", "b"])


def test_a_form_of_another_site_is_not_offered_again(visitor: Visitor) -> None:
    answer = visitor.flask.post(
        "/put", data={"queue": "mail"}, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert answer.status_code == 403
    assert "What you sent" not in answer.text


def test_a_full_store_is_named_and_keeps_what_was_typed(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].put("K", jid="j")
    client.queues["mail"].recur("K", {}, interval=60, jid="every")
    visitor.get("/put")
    client.redis.config_set("maxmemory-policy", "noeviction")
    client.redis.config_set("maxmemory", 1)
    try:
        put = visitor.post("/put", queue="mail", klass="app.Send", data='{"n": 1}')
        refused = visitor.followed(visitor.post("/recurring/every/run"))
        page = visitor.get("/queues/mail?tab=waiting")
    finally:
        client.redis.config_set("maxmemory", 0)

    assert put.status_code == 503
    assert "<h1>503: store full</h1>" in put.text
    assert "Free memory or raise maxmemory" in put.text
    assert _sent_again(put.text)["data"] == '{"n": 1}'
    assert "The store is full, so nothing was changed." in refused
    assert page.status_code == 200
    assert "data-unavailable" not in put.text


@pytest.mark.parametrize("state", ["waiting", "paused", "recurring", "empty"])
def test_known_queues_are_found_at_once(
    client: Client, visit: Callable[..., Visitor], state: str
) -> None:
    visitor = visit(refresh=60)
    visitor.get("/queues")
    queue = client.queues["mail"]
    if state == "paused":
        queue.pause()
    elif state == "recurring":
        queue.recur("app.Digest", {}, interval=60)
    else:
        queue.put("app.Send", jid="j")
    if state == "empty":
        queue.pop(1)[0].complete()
        visitor = visit()

    assert visitor.get("/queues/mail").status_code == 200


def test_counts_are_shown_with_their_time(visit: Callable[..., Visitor], clock: Clock) -> None:
    visitor = visit(refresh=60)
    first = re.search(r"as of ([\d:]+)", visitor.get("/queues").text)
    clock.advance(30)
    second = re.search(r"as of ([\d:]+)", visitor.get("/queues").text)
    other = re.search(r"as of ([\d:]+)", visitor.get("/tags").text)

    assert first is not None
    assert second is not None
    assert other is not None
    assert first[1] == second[1] != other[1]
