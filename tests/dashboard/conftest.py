"""Fixtures of the dashboard tests: a full namespace, and an HTTP client that acts as a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from qless_py import Client, Workflow, step
from qless_py.auth import guard
from qless_py.dashboard import DashboardConfig, create_app
from tests.population import populate
from tests.script_runner import Scripts

SECRET = "s" * 16
TOKEN = re.compile(r'name="form_token" value="(\w+)"')


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run these tests on one server only: the client hides which one it is."""
    item.add_marker(pytest.mark.any_server)


@dataclass(slots=True)
class Visitor:
    """Visits pages like a browser on this machine without JavaScript."""

    flask: FlaskClient

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.flask.get(path, buffered=True, **more)

    def post(self, path: str, *, confirmed: bool = True, **fields: Any) -> TestResponse:
        """Submit a form with its token, from a page of the same origin."""
        self.get("/tags")
        cookie = self.flask.get_cookie(guard.COOKIE)
        assert cookie is not None
        token = guard.form_token(cookie.value, SECRET.encode())
        form = {"form_token": token, **({"confirmed": "yes"} if confirmed else {}), **fields}
        return self.flask.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})

    def followed(self, answer: TestResponse) -> str:
        """Follow a redirect and return the page."""
        assert answer.status_code == 303, answer.text
        return self.get(answer.headers["Location"]).text


@pytest.fixture
def visit(client: Client) -> Callable[..., Visitor]:
    """Return a function that makes a visitor of a dashboard with these settings."""

    def make(**settings: Any) -> Visitor:
        app = create_app(client, DashboardConfig(**{"secret": SECRET, **settings}))
        return Visitor(app.test_client())

    return make


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    """Return a visitor of a dashboard with default settings."""
    return visit()


@pytest.fixture
def full(call: Scripts, client: Client) -> Client:
    """Return a client of a namespace with a job in every state, throttles and users."""
    populate(call)
    client.throttles["api"].set(concurrency=1, rate=5, per=60)
    client.users["ann"].set(weight=3, max_running=2)
    client.queues["work"].put("K", {"n": 1}, jid="of-ann", user="ann", throttles=["api"])
    client.operations.start("tag", "state:failed", tags=["seen"], by="ann")
    client.workflows.submit(Workflow("flow", step("work", "K", name="only")))
    return client
