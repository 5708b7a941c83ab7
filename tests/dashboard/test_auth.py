"""Authentication, roles, and protection against forged requests."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client
from qless_py.dashboard import (
    Access,
    BasicAuth,
    BearerAuth,
    DashboardConfig,
    ProxyAuth,
    Role,
    create_app,
    hash_password,
)
from qless_py.errors import ConfigError
from tests.dashboard.conftest import TOKEN, Visitor

Visit = Callable[..., Visitor]
AWAY = {"REMOTE_ADDR": "192.0.2.7"}
HOSTS = ("localhost", "queue.example.org")


def _basic(name: str, password: str) -> dict[str, str]:
    given = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


def _pause(visitor: Visitor, headers: dict[str, str], *, token: bool = True) -> int:
    """Try to pause a queue with these headers, and return the status."""
    form = {}
    if token:
        found = TOKEN.search(visitor.get("/put", headers=_only_auth(headers)).text)
        form = {"form_token": found[1]} if found else {}
    return visitor.flask.post("/queues/mail/pause", data=form, headers=headers).status_code


def _only_auth(headers: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key in {"Authorization", "Host"}}


def test_without_authentication_only_this_machine_has_access(visitor: Visitor) -> None:
    assert visitor.get("/").status_code == 200
    assert visitor.get("/", environ_overrides={"REMOTE_ADDR": "::1"}).status_code == 200
    assert (
        visitor.get("/", environ_overrides={"REMOTE_ADDR": "::ffff:127.0.0.1"}).status_code == 200
    )

    away = visitor.get("/", environ_overrides=AWAY)
    proxied = visitor.get("/", headers={"X-Forwarded-For": "192.0.2.7"})

    assert (away.status_code, proxied.status_code) == (403, 403)
    assert "only this machine has access" in away.text


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:80", "127.0.0.1.evil.org"])
def test_an_untrusted_host_name_is_rejected(visitor: Visitor, host: str) -> None:
    assert visitor.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost"}, 303),
        ({"Origin": "https://localhost"}, 303),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Origin": "http://evil.example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_change_must_come_from_the_same_origin(
    visitor: Visitor, headers: dict[str, str], status: int
) -> None:
    assert _pause(visitor, headers) == status


def test_a_change_needs_a_form_token(visitor: Visitor) -> None:
    same = {"Sec-Fetch-Site": "same-origin"}

    missing = _pause(visitor, same, token=False)
    wrong = visitor.flask.post("/queues/mail/pause", data={"form_token": "0" * 64}, headers=same)

    assert (missing, wrong.status_code) == (403, 403)
    assert "form expired, so nothing was changed" in wrong.text


def test_the_form_token_of_another_browser_is_rejected(client: Client) -> None:
    app = create_app(client, DashboardConfig(secret="s" * 16))
    mine, other = Visitor(app.test_client()), Visitor(app.test_client())
    mine.get("/put")
    found = TOKEN.search(other.get("/put").text)
    assert found is not None

    answer = mine.flask.post(
        "/queues/mail/pause",
        data={"form_token": found[1]},
        headers={"Sec-Fetch-Site": "same-origin"},
    )

    assert answer.status_code == 403


def test_processes_with_one_secret_accept_each_others_forms(client: Client) -> None:
    first, second = (
        Visitor(create_app(client, DashboardConfig(secret="s" * 16)).test_client())
        for _ in range(2)
    )
    found = TOKEN.search(first.get("/put").text)
    cookie = first.flask.get_cookie("qless_py_form")
    assert found is not None
    assert cookie is not None
    second.flask.set_cookie("qless_py_form", cookie.value)

    answer = second.flask.post(
        "/queues/mail/pause",
        data={"form_token": found[1]},
        headers={"Sec-Fetch-Site": "same-origin"},
    )

    assert answer.status_code == 303


def test_a_trusted_origin_may_change(visit: Visit) -> None:
    visitor = visit(trusted_origins=["https://ops.example.org"])

    assert _pause(visitor, {"Origin": "https://ops.example.org"}) == 303


def test_read_only_refuses_every_change_and_offers_none(full: Client, visit: Visit) -> None:
    del full
    visitor = visit(read_only=True)

    assert _pause(visitor, {"Sec-Fetch-Site": "same-origin"}, token=False) == 403
    for path in ("/queues", "/jobs/plain", "/config", "/throttles"):
        assert 'method="post"' not in visitor.get(path).text


def test_basic_auth_checks_names_passwords_and_roles(client: Client, visit: Visit) -> None:
    client.queues["mail"].put("K", {})
    users = {
        "ann": (hash_password("right horse", "salt-1"), Role.OPERATOR),
        "bob": (hash_password("battery", "salt-2"), Role.VIEWER),
    }
    visitor = visit(auth=[BasicAuth(users)], trusted_hosts=HOSTS)
    same = {"Sec-Fetch-Site": "same-origin"}

    nobody = visitor.get("/", environ_overrides=AWAY)
    wrong = visitor.get("/", headers=_basic("ann", "wrong"), environ_overrides=AWAY)
    unknown = visitor.get("/", headers=_basic("eve", ""))
    right = [visitor.get("/", headers=_basic("ann", "right horse")) for _ in range(2)]

    assert nobody.status_code == wrong.status_code == unknown.status_code == 401
    assert nobody.headers["WWW-Authenticate"].startswith("Basic")
    assert [one.status_code for one in right] == [200, 200]
    assert _pause(visitor, {**_basic("bob", "battery"), **same}) == 403
    assert _pause(visitor, {**_basic("ann", "right horse"), **same}) == 303


def test_bearer_auth_needs_no_form_token(visit: Visit) -> None:
    token = "qlt_0123456789"
    known = {hashlib.sha256(token.encode()).hexdigest(): ("deploy", Role.OPERATOR)}
    visitor = visit(auth=[BearerAuth(known)], trusted_hosts=HOSTS)

    good = _pause(visitor, {"Authorization": f"Bearer {token}"}, token=False)
    bad = _pause(visitor, {"Authorization": "Bearer qlt_x"}, token=False)

    assert (good, bad) == (303, 401)


def test_a_proxy_header_is_trusted_only_from_the_proxy(visit: Visit) -> None:
    auth = ProxyAuth("X-Auth-User", ["10.0.0.0/8"], {"ann": Role.ADMIN}, default=None)
    visitor = visit(auth=[auth], trusted_hosts=HOSTS)

    def status(name: str, address: str) -> int:
        return visitor.get(
            "/", headers={"X-Auth-User": name}, environ_overrides={"REMOTE_ADDR": address}
        ).status_code

    assert status("ann", "10.1.2.3") == 200
    assert status("ann", "192.0.2.7") == 401
    assert status("eve", "10.1.2.3") == 401


def test_authenticators_are_tried_in_order(visit: Visit) -> None:
    visitor = visit(
        auth=[
            lambda _: None,
            lambda request: Access("ann", Role.ADMIN) if request.args.get("ann") else None,
        ]
    )

    assert visitor.get("/").status_code == 401
    assert visitor.get("/?ann=1").status_code == 200


@pytest.mark.parametrize(
    ("path", "fields", "role"),
    [
        ("/queues/mail/pause", {}, Role.OPERATOR),
        ("/jobs/j/cancel", {}, Role.OPERATOR),
        ("/jobs/j/priority", {"priority": "1"}, Role.OPERATOR),
        ("/failures/retry", {"group": "g", "queue": "mail"}, Role.OPERATOR),
        ("/operations", {"action": "cancel", "q": "jid:x"}, Role.OPERATOR),
        ("/put", {"queue": "mail", "klass": "K"}, Role.OPERATOR),
        ("/recur", {"queue": "mail", "klass": "K", "interval": "9"}, Role.OPERATOR),
        ("/config", {"option": "heartbeat", "value": "9"}, Role.ADMIN),
        ("/queues/mail/forget", {}, Role.ADMIN),
        ("/queues/mail/heartbeat", {"heartbeat": "9"}, Role.ADMIN),
        ("/throttles/set", {"name": "api", "concurrency": "1"}, Role.ADMIN),
        ("/users/set", {"name": "ann", "weight": "2"}, Role.ADMIN),
    ],
)
def test_each_change_needs_its_role(
    client: Client, visit: Visit, path: str, fields: dict[str, Any], role: Role
) -> None:
    client.queues["mail"].put("K", {}, jid="j")
    below = visit(auth=[lambda _: Access("ann", Role(role - 1))], trusted_hosts=HOSTS)
    enough = visit(auth=[lambda _: Access("ann", role)], trusted_hosts=HOSTS)

    assert below.post(path, **fields).status_code == 403
    assert enough.post(path, **fields).status_code in {200, 303}


def test_every_response_has_security_headers(visitor: Visitor) -> None:
    for path in ("/", "/nowhere", "/static/app.js", "/snapshot"):
        headers = visitor.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_cookies_are_http_only_and_same_site(visitor: Visitor) -> None:
    set_cookie = visitor.get("/").headers["Set-Cookie"]

    assert "HttpOnly" in set_cookie
    assert "SameSite=Strict" in set_cookie


@pytest.mark.parametrize(
    ("back", "leads"),
    [
        ("/jobs/j?x=1", "/jobs/j?x=1"), ("https://evil.example.org/", "/"), ("//evil.org", "/"),
        ("/\\evil.org", "/"), ("javascript:alert(1)", "/"), ("", "/"),
    ],
)  # fmt: skip
def test_a_form_redirects_only_within_the_dashboard(
    visitor: Visitor, back: str, leads: str
) -> None:
    answer = visitor.post("/queues/mail/pause", back=back)

    assert answer.headers["Location"] == leads


@pytest.mark.parametrize(
    "settings",
    [{"refresh": 0}, {"secret": "short"}, {"redact": "("}, {"attempts": -1}, {"streams": -1}],
)
def test_invalid_settings_are_rejected(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DashboardConfig(**settings)


def test_invalid_authenticators_are_rejected() -> None:
    with pytest.raises(ConfigError, match="hash_password"):
        BasicAuth({"ann": ("plain", Role.ADMIN)})
    with pytest.raises(ConfigError, match="address"):
        ProxyAuth("X-User", ["not-an-address"])
