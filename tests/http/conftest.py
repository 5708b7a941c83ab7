"""Fixtures of the API tests: requests without a server, by Flask's test client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from qless_py import Client
from qless_py.http import HttpConfig, create_api

Sends = Callable[..., "Api"]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run these tests on one server only: the client hides which one it is."""
    item.add_marker(pytest.mark.any_server)


@dataclass(slots=True)
class Api:
    """Sends requests as a program would."""

    flask: FlaskClient

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        if body is not None:
            more |= {"data": json.dumps(body), "content_type": "application/json"}
        return self.flask.open(f"/api/v1{path}", method=method, buffered=True, **more)

    def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Send a request that must succeed, and return the JSON of its response."""
        answer = self(method, path, body, **more)
        assert answer.status_code < 300, answer.text
        return answer.get_json(silent=True)

    def problem(self, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """Send a request that must be refused, and return the problem."""
        answer = self(method, path, body, **more)
        assert answer.mimetype == "application/problem+json", answer.text
        found: dict[str, Any] = json.loads(answer.text)
        assert found["status"] == answer.status_code >= 400
        return found


@pytest.fixture
def make_api(client: Client) -> Sends:
    """Return a function that makes an API with these settings."""

    def make(**settings: Any) -> Api:
        return Api(create_api(client, HttpConfig(**settings)).test_client())

    return make


@pytest.fixture
def api(make_api: Sends) -> Api:
    """Return an API with default settings."""
    return make_api()
