"""Requests made from the description of the API: valid and invalid ones, and what they lead to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import hypothesis
import pytest
import redis
import schemathesis
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from qless_py import Client
from qless_py.auth.identity import BearerAuth, Role
from qless_py.http import HttpConfig, create_api
from qless_py.http.routes import SUBJECTS

TOKEN = "a token of this test"


class _Served:
    """The application under test: each test has a store of its own."""

    def __init__(self) -> None:
        # Enough to read the description, which asks no store.
        self.app = create_api(Client(redis=redis.Redis(port=1)))

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self.app(environ, start_response)


served = _Served()
schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", served)


@pytest.fixture
def full(client: Client) -> None:
    client.queues["q"].put("K", {"n": 1}, jid="a")
    auth = [BearerAuth({hashlib.sha256(TOKEN.encode()).hexdigest(): ("tester", Role.ADMIN)})]
    served.app = create_api(client, HttpConfig(auth=auth, longest_wait=0.001))


@pytest.mark.slow
@pytest.mark.usefixtures("full")
@schema.parametrize()
@hypothesis.settings(max_examples=12)
def test_every_operation_keeps_its_promises(case: Any) -> None:
    response = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
    case.validate_response(response, excluded_checks=_excluded(response))


def _excluded(response: Any) -> list[Any]:
    """Return the checks that do not apply to a response: who may send it is tested below.

    A schema cannot say that a text is too long in bytes, that two fields do not go together, or
    that a key was used before. Problems about single fields have `errors`, those do not. Nor can
    it say which cursors there are.
    """
    is_rule = response.status_code == 422 and "errors" not in response.json()
    is_rule = is_rule or (response.status_code == 400 and response.json()["code"] == "bad-cursor")
    return [ignored_auth, *([positive_data_acceptance] if is_rule else [])]


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("token", [None, "", "another token"])
def test_every_operation_wants_a_token(token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    remote = {"REMOTE_ADDR": "192.0.2.7"}
    answers = {
        one.name: served.app.test_client().open(
            f"/api/v1{re.sub('<[^>]*>', 'a', one.rule)}",
            method=one.method,
            headers=headers,
            environ_overrides=remote,
        )
        for subject in SUBJECTS
        for one in subject.all
        if one.scope is not None
    }

    # After ten wrong tokens in a minute the address is blocked.
    refused = {name for name, one in answers.items() if one.status_code in (401, 429)}
    assert refused == answers.keys()
