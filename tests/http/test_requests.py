"""Requests that are refused: who sends them, and what is in them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import redis

from qless_py import Client
from qless_py.auth.identity import BearerAuth, Role
from qless_py.http import create_api
from tests.http.conftest import Api, Sends

PUT = "/queues/q/jobs"
REMOTE = {"REMOTE_ADDR": "192.0.2.7"}


def digest(client: Client) -> Any:
    return client.redis.execute_command("DEBUG", "DIGEST")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/klass"),
        ({"klass": ""}, "/klass"),
        ({"klass": "K\n"}, "/klass"),
        ({"klass": 5}, "/klass"),
        ({"klass": "K", "jdi": "a"}, "/jdi"),
        ({"klass": "K", "jid": "a b"}, "/jid"),
        ({"klass": "K", "jid": "a" * 129}, "/jid"),
        ({"klass": "K", "priority": "5"}, "/priority"),
        ({"klass": "K", "priority": True}, "/priority"),
        ({"klass": "K", "delay": -1}, "/delay"),
        ({"klass": "K", "retries": 1.5}, "/retries"),
        ({"klass": "K", "tags": "eu"}, "/tags"),
        ({"klass": "K", "on_conflict": "maybe"}, "/on_conflict"),
        ([], ""),
        ("text", ""),
    ],
)
def test_a_wrong_field_is_named(api: Api, client: Client, body: Any, pointer: str) -> None:
    before = digest(client)

    problem = api.problem("POST", PUT, body)

    assert (problem["status"], problem["code"]) == (422, "invalid")
    assert pointer in [one["pointer"] for one in problem["errors"]]
    assert digest(client) == before


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "malformed-json"),
        (b"", "malformed-json"),
        (b'{"klass": "K", "data": NaN}', "malformed-json"),
        (b'{"klass": "K", "data": "\xff"}', "malformed-json"),
        (b'{"klass": "K", "data": "\\ud800"}', "malformed-json"),
        (b'{"klass": "K", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "malformed-json"),
    ],
)
def test_a_body_that_is_not_json(api: Api, client: Client, data: bytes, code: str) -> None:
    before = digest(client)
    problem = api.problem("POST", PUT, data=data, content_type="application/json")
    assert (problem["status"], problem["code"]) == (400, code)
    assert digest(client) == before


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type(api: Api, kind: str | None) -> None:
    problem = api.problem("POST", PUT, data=b'{"klass": "K"}', content_type=kind)
    assert (problem["status"], problem["code"]) == (415, "json-required")


def test_a_body_that_is_too_large(make_api: Sends, client: Client) -> None:
    api = make_api(max_body=100)
    problem = api.problem("POST", PUT, {"klass": "K", "data": "x" * 100})
    assert (problem["status"], problem["code"]) == (413, "body-too-large")
    assert len(client.queues["q"]) == 0


def test_data_that_is_too_large(api: Api, client: Client) -> None:
    client.config["max-data-size"] = 100
    problem = api.problem("POST", PUT, {"klass": "K", "data": "x" * 100})
    assert (problem["status"], problem["code"]) == (413, "data-too-large")


def test_an_unknown_query_parameter(api: Api) -> None:
    assert api.problem("POST", f"{PUT}?force=1", {"klass": "K"})["code"] == "invalid"


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/queues/a/b/c/d"])
def test_an_unknown_path(api: Api, path: str) -> None:
    assert api.problem("GET", path)["status"] == 404


def test_another_method(api: Api) -> None:
    answer = api("DELETE", "/pop")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("queue", ["a%20b", "%00", "a%0ab", "-x", "%F0%9F%92%A9"])
def test_a_path_that_is_no_name(api: Api, queue: str) -> None:
    problem = api.problem("POST", f"/queues/{queue}/jobs", {"klass": "K"})
    assert problem["code"] == "invalid"


class TestSender:
    def test_another_machine_needs_a_token(self, api: Api) -> None:
        problem = api.problem("POST", PUT, {"klass": "K"}, environ_overrides=REMOTE)
        assert (problem["status"], problem["code"]) == (403, "local-only")

    def test_roles_have_scopes(self, make_api: Sends) -> None:
        tokens = {hashlib.sha256(one.name.encode()).hexdigest(): (one.name, one) for one in Role}
        api = make_api(auth=[BearerAuth(tokens)], trusted_hosts=["localhost"])

        def status(role: str, method: str, path: str, body: Any) -> int:
            headers = {"Authorization": f"Bearer {role}"}
            return api(method, path, body, headers=headers, environ_overrides=REMOTE).status_code

        pop = ("POST", "/pop", {"worker": "w", "queues": ["q"]})
        put = ("POST", PUT, {"klass": "K", "jid": "a"})
        read = ("GET", "/jobs/a", None)
        assert [status("VIEWER", *one) for one in (put, read, pop)] == [403, 404, 403]
        assert [status("OPERATOR", *one) for one in (put, read, pop)] == [201, 200, 403]
        assert [status("ADMIN", *one) for one in (put, read, pop)] == [201, 200, 200]
        assert status("NOBODY", *read) == 401

    def test_a_wrong_token_on_this_machine_is_refused(self, api: Api) -> None:
        headers = {"Authorization": "Bearer wrong"}
        answer = api("GET", "/jobs/a", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_guessing_is_slowed_down(self, api: Api) -> None:
        headers = {"Authorization": "Bearer wrong"}
        for _ in range(10):
            api.problem("GET", "/jobs/a", headers=headers)
        problem = api.problem("GET", "/jobs/a", headers=headers)
        assert (problem["status"], problem["code"]) == (429, "too-many-attempts")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_a_page_of_another_origin_changes_nothing(
        self, api: Api, client: Client, headers: dict[str, str]
    ) -> None:
        problem = api.problem("POST", PUT, {"klass": "K"}, headers=headers)
        assert (problem["status"], problem["code"]) == (403, "cross-origin")
        assert len(client.queues["q"]) == 0

    def test_another_host_name_is_refused_without_a_token(self, api: Api) -> None:
        assert api.problem("GET", "/jobs/a", base_url="http://evil.example")["status"] == 400

    def test_a_read_only_api_changes_nothing(self, make_api: Sends, client: Client) -> None:
        api = make_api(read_only=True)
        assert api.problem("POST", PUT, {"klass": "K"})["code"] == "read-only"
        assert api.ok("GET", "/version")
        assert len(client.queues["q"]) == 0


def test_an_unexpected_error_is_a_problem_without_details(
    api: Api, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.queues["q"].put("K", jid="a")
    monkeypatch.setattr("qless_py.http.routes.jobs.find_job", lambda _: 1 / 0)
    problem = api.problem("GET", "/jobs/a")
    assert (problem["status"], problem["code"]) == (500, "server-error")
    assert "division" not in str(problem)


def test_a_store_that_is_down() -> None:
    away = Client(redis=redis.Redis(port=1), namespace="ql", patience=0)
    problem = Api(create_api(away).test_client()).problem("GET", "/jobs/a")
    assert (problem["status"], problem["code"]) == (503, "store-unavailable")
    assert "localhost:1" not in str(problem)  # Anybody may ask.
