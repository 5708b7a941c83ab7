"""Webhooks over HTTP."""

from __future__ import annotations

import pytest

from qless_py import Client, Token
from qless_py.http import callers
from tests.http.conftest import Api

URL = "https://example.org/in"


def test_a_webhook_lives_over_http(client: Client, api: Api) -> None:
    made = api.ok("POST", "/webhooks", {"url": URL, "types": ["job.failed"]})
    path = f"/webhooks/{made['id']}"

    assert made["secret"].startswith("whsec_")
    (listed,) = api.ok("GET", "/webhooks")["webhooks"]
    assert (listed["url"], "secret" in listed) == (URL, False)
    changed = api.ok("PATCH", path, {"types": ["job.*"], "enabled": False})
    assert (changed["types"], changed["state"]) == (["job.*"], "disabled")
    assert api.ok("PATCH", path, {"enabled": True})["state"] == "enabled"
    assert api.ok("POST", f"{path}/rotate", {})["secret"] != made["secret"]
    jid = api.ok("POST", f"{path}/test")["jid"]
    assert api.ok("GET", f"{path}/deliveries")["deliveries"][0]["jid"] == jid
    assert api.ok("POST", f"{path}/deliveries/{jid}/redeliver") == {"jid": jid}
    client.queues["q"].put("K", {})
    assert api.ok("POST", f"{path}/replay", {"since": 0})["put"] == 1
    assert api("DELETE", path).status_code == 204
    assert api.problem("GET", path)["code"] == "webhook-not-found"


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/webhooks", {"url": "ftp://h/"}, "invalid"),
        ("POST", "/webhooks", {"url": URL, "types": ["job.faild"]}, "invalid"),
        ("POST", "/webhooks", {"url": URL, "queues": ["a b"]}, "invalid"),
        ("POST", "/webhooks", {"url": URL, "other": 1}, "invalid"),
        ("PATCH", "/webhooks/nobody", {"enabled": True}, "webhook-not-found"),
        ("DELETE", "/webhooks/nobody", None, "webhook-not-found"),
        ("POST", "/webhooks/nobody/rotate", {}, "webhook-not-found"),
        ("POST", "/webhooks/nobody/test", None, "webhook-not-found"),
        ("POST", "/webhooks/nobody/replay", {"since": 1}, "webhook-not-found"),
        ("GET", "/webhooks/nobody/deliveries", None, "webhook-not-found"),
        ("POST", "/webhooks/nobody/deliveries/x/redeliver", None, "job-not-found"),
    ],
)
def test_what_is_wrong_is_a_problem(
    api: Api, method: str, path: str, body: dict[str, object] | None, code: str
) -> None:
    assert api.problem(method, path, body)["code"] == code


def test_a_caller_of_some_queues_makes_webhooks_for_these_only(
    client: Client, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = client.webhooks.add(URL)
    token = Token("t", "n", ("operate",), ("mail",))
    kept = callers.Caller("t", frozenset({"operate"}), token)
    monkeypatch.setattr(callers, "LOCAL", kept)

    assert api.problem("POST", "/webhooks", {"url": URL})["code"] == "forbidden"
    assert api.problem("POST", "/webhooks", {"url": URL, "queues": ["*"]})["code"] == "forbidden"
    path = f"/webhooks/{every.webhook.id}"
    assert api.ok("GET", "/webhooks")["webhooks"] == []
    assert api.problem("GET", path)["code"] == "forbidden"
    assert api.problem("PATCH", path, {"url": URL})["code"] == "forbidden"
    assert api.problem("DELETE", path)["code"] == "forbidden"
    own = api.ok("POST", "/webhooks", {"url": URL, "queues": ["mail"]})
    assert own["queues"] == ["mail"]
    assert [one["id"] for one in api.ok("GET", "/webhooks")["webhooks"]] == [own["id"]]
    assert api.ok("GET", f"/webhooks/{own['id']}")["url"] == URL


def test_deliveries_hide_secrets_without_the_scope_data(
    client: Client, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = client.webhooks.add(URL, types=["job.failed"]).webhook
    client.queues["q"].put("K")
    job = client.queues["q"].pop()
    assert job is not None
    job.fail("K:Oops", "login with password=hunter2")
    client.webhooks.replay(made.id, 0)
    path = f"/webhooks/{made.id}/deliveries"
    assert "hunter2" in str(api.ok("GET", path))

    token = Token("t", "n", ("operate",))
    kept = callers.Caller("t", frozenset({"operate"}), token, shows_data=False)
    monkeypatch.setattr(callers, "LOCAL", kept)
    (delivery,) = api.ok("GET", path)["deliveries"]
    assert "hunter2" not in str(delivery)
