"""Requests that pages must survive: odd URLs, unknown names, other processes' forms."""

from __future__ import annotations

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

    answer = _submit(_process(client), _process(client), **MULTI)

    assert answer.status_code == 403
    assert "QLESS_PY_WEB_SECRET" in answer.text
    assert "QLESS_PY_WEB_SECRET" in caplog.text


@pytest.mark.parametrize(
    "back", ["/jobs\nx", "/jobs\r\nSet-Cookie: a=b", "/jobs\x00", "//[", "/\\x"]
)
def test_an_odd_page_to_return_to_is_ignored(visitor: Visitor, back: str) -> None:
    for value in ("30", "never"):
        answer = visitor.post("/config", back=back, option="heartbeat", value=value, do="set")

        assert (answer.status_code, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize(("header", "status"), [("Origin", 403), ("Host", 400)])
def test_a_header_that_is_no_url_is_rejected(visitor: Visitor, header: str, status: int) -> None:
    value = {"Origin": "http://[", "Host": "[a"}[header]

    answer = visitor.flask.post("/config", data={}, headers={header: value})

    assert answer.status_code == status


@pytest.mark.parametrize(
    "path", ["/queues/nobody", "/queues/nobody?tab=waiting", "/workers/nobody"]
)
def test_unknown_queues_and_workers_are_not_found(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)

    assert answer.status_code == 404
    assert "nobody does not exist" in answer.text


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
