"""What holds for every route: bad input has its problem, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from qless_py import Client
from qless_py.http.route import Route
from qless_py.http.routes import SUBJECTS
from qless_py.protocol.tokens import Scope
from tests.http.conftest import Api, Sends

ROUTES = {route.name: route for subject in SUBJECTS for route in subject.all}


def path(route: Route, value: str = "a") -> str:
    """Return a path of the route with the same text for each of its parameters."""
    found = route.rule
    for name in route.path:
        found = found.replace(f"<{name}>", value)
    return found


@pytest.fixture
def unchanged(client: Client) -> Iterator[None]:
    """Put a job called a; check that the test changes nothing."""
    client.queues["a"].put("K", jid="a", tags=["a"])
    before = client.redis.execute_command("DEBUG", "DIGEST")
    yield
    assert client.redis.execute_command("DEBUG", "DIGEST") == before


@pytest.mark.usefixtures("unchanged")
def test_a_name_in_the_path_is_checked(api: Api) -> None:
    for route in ROUTES.values():
        if not route.path or route.scope is None:
            continue
        body: Any = {} if route.body else None
        for wrong in ("a%0ab", "x" * 300, "%F0%9F%92%A9", "%FF"):
            problem = api.problem(route.method, path(route, wrong), body)
            assert problem["code"] == "invalid", (route.name, wrong, problem)


@pytest.mark.usefixtures("unchanged")
def test_a_body_is_checked(api: Api) -> None:
    for route in ROUTES.values():
        if route.body is None:
            continue
        url = path(route)
        wrongs: list[Any] = [[], "text", {"nonsense": 1}, {"a\x00b": 1}]
        for wrong in wrongs:
            problem = api.problem(route.method, url, wrong)
            assert problem["code"] == "invalid", (route.name, wrong)
        for data, kind, code in (
            (b"{", "application/json", "malformed-json"),
            (b"{}", "text/plain", "json-required"),
            (b"", None, "json-required"),
        ):
            problem = api.problem(route.method, url, data=data, content_type=kind)
            assert problem["code"] == code, (route.name, data)


@pytest.mark.usefixtures("unchanged")
def test_a_query_is_checked(api: Api) -> None:
    for route in ROUTES.values():
        if route.scope is None:
            continue
        body: Any = {} if route.body else None
        url = path(route)
        problem = api.problem(route.method, f"{url}?nonsense=1", body)
        assert problem["code"] == "invalid", route.name
        for field in route.query.model_fields if route.query else ():
            problem = api.problem(route.method, f"{url}?{field}=%00%0a" + "x" * 3000)
            assert problem["code"] in {"invalid", "bad-cursor"}, (route.name, field)


@pytest.mark.usefixtures("unchanged")
def test_a_read_only_api_refuses_changes(make_api: Sends) -> None:
    api = make_api(read_only=True)
    for route in ROUTES.values():
        if route.scope is not None and route.method != "GET":
            assert api.problem(route.method, path(route))["code"] == "read-only", route.name


def test_every_route_needs_its_scope(api: Api, client: Client) -> None:
    every: list[Scope] = ["put", "work", "read", "operate", "data"]
    texts = {
        scope: client.tokens.create(scope, scopes=[one for one in every if one != scope]).text
        for scope in every
    }  # fmt: skip
    for route in ROUTES.values():
        if route.scope is None:
            continue
        headers = {"Authorization": f"Bearer {texts[route.scope]}"}
        body: Any = {} if route.body else None
        problem = api.problem(route.method, path(route), body, headers=headers)
        assert (problem["code"], problem.get("scope")) == ("forbidden", route.scope), route.name
