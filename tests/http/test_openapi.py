"""The description of the API, and what it promises."""

from __future__ import annotations

import re

from qless_py import package
from qless_py.http.problems import CODES
from qless_py.http.routes import SUBJECTS
from tests.http.conftest import Api


def test_the_description_has_every_route(api: Api) -> None:
    document = api.ok("GET", "/openapi.json")

    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/api/v1"}]
    described = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    routes = [route for subject in SUBJECTS for route in subject.all]
    assert described == {route.name for route in routes}
    assert len(described) == len(routes)


def test_every_code_a_route_names_is_in_the_table() -> None:
    named = {code for subject in SUBJECTS for route in subject.all for code in route.problems}
    assert named <= CODES.keys()


def test_every_route_says_what_it_is_for() -> None:
    routes = [route for subject in SUBJECTS for route in subject.all]
    assert [route.name for route in routes if not route.handler.__doc__] == []


def test_the_document_lists_every_code() -> None:
    document = (package.path("docs") / "http.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) \| (.*) \|$", document, re.MULTILINE)

    assert {code: (int(status), meaning) for code, status, meaning in rows} == dict(CODES)
