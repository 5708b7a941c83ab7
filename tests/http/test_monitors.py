"""Health without login, and metrics for who may read, at the API and at the dashboard."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from qless_py import Client, Token
from qless_py.auth.identity import BasicAuth, Role, hash_password
from qless_py.dashboard import DashboardConfig, create_app
from qless_py.dashboard.config import from_environment
from qless_py.errors import ConfigError
from qless_py.http import HttpConfig, create_api
from qless_py.http.callers import Caller
from qless_py.http.context import Api
from qless_py.metrics import Limits
from tests.metrics.conftest import OPEN_METRICS, Samples
from tests.store.ports import free_port

Make = Callable[..., FlaskClient]
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}
AUTH = BasicAuth({"ann": (hash_password("a long password", "s" * 32), Role.VIEWER)})


def api(client: Client, **settings: object) -> Flask:
    return create_api(client, HttpConfig(**settings))  # type: ignore[arg-type]


def dashboard(client: Client, **settings: object) -> Flask:
    return create_app(client, DashboardConfig(**settings))  # type: ignore[arg-type]


@pytest.fixture(params=[api, dashboard])
def make(request: pytest.FixtureRequest, live: Client) -> Make:
    """Return a function that serves the API alone, and the dashboard, with these settings."""

    def serve(client: Client = live, **settings: object) -> FlaskClient:
        app: Flask = request.param(client, **settings)
        return app.test_client()

    return serve


def test_metrics_show_the_store_in_the_format_that_is_accepted(live: Client, make: Make) -> None:
    live.queues["mail"].put("app.Send", {})
    visit = make()

    plain = visit.get("/metrics")
    modern = visit.get("/metrics", headers={"Accept": OPEN_METRICS})

    assert plain.status_code == modern.status_code == 200
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    for answer in (plain, modern):
        found = Samples(answer.data, answer.headers["Content-Type"])
        assert found("qless_jobs", queue="mail", state="waiting") == 1
    assert modern.headers["Vary"] == "Accept"
    assert "Set-Cookie" not in plain.headers


def test_health_needs_no_login_and_comes_from_anywhere(make: Make) -> None:
    visit = make(auth=[AUTH], trusted_hosts=["queue.example.org"])

    for path in ("/healthz", "/readyz"):
        answer = visit.get(path, environ_base=ELSEWHERE, headers={"Host": "10.1.2.3:8080"})
        assert answer.status_code == 200
    assert visit.get("/healthz").get_json() == {"live": True}
    assert visit.get("/readyz").get_json() == {"ready": True, "failed": []}


def test_metrics_need_a_login(make: Make) -> None:
    visit = make(auth=[AUTH])

    refused = visit.get("/metrics", environ_base=ELSEWHERE)
    allowed = visit.get("/metrics", environ_base=ELSEWHERE, auth=("ann", "a long password"))

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    assert json.loads(refused.data)["code"] == "unauthenticated"
    assert allowed.status_code == 200


def test_without_authentication_only_this_machine_sees_metrics(make: Make) -> None:
    visit = make()

    assert visit.get("/metrics", environ_base=ELSEWHERE).status_code == 403
    assert visit.get("/metrics", headers={"Host": "evil.example"}).status_code == 400
    assert visit.get("/metrics").status_code == 200


def test_nobody_is_told_why_the_store_is_away(make: Make) -> None:
    port = free_port()
    with Client(f"redis://127.0.0.1:{port}/0") as away:
        visit = make(away)
        ready, metrics = visit.get("/readyz"), visit.get("/metrics")
        bearer = {"Authorization": f"Bearer qlt_abc_{48 * 'a'}"}
        unknown = visit.get("/metrics", headers=bearer)

    assert (ready.status_code, ready.get_json()) == (503, {"ready": False, "failed": ["store"]})
    assert str(port) not in ready.text
    assert unknown.status_code == 503
    assert unknown.get_json(force=True)["code"] == "store-unavailable"
    assert str(port) not in unknown.text
    assert Samples(metrics.data, "text/plain")("qless_up") == 0
    assert visit.get("/healthz").status_code == 200


def test_the_number_of_labels_can_be_set(live: Client, make: Make) -> None:
    for name in ("a", "b"):
        live.queues[name].put("app.Send", {})

    answer = make(metrics=Limits(queues=0)).get("/metrics")

    found = Samples(answer.data, "text/plain")
    assert found.labels("qless_jobs", "queue") == {"_other"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(make: Make, method: str) -> None:
    visit = make(auth=[AUTH])

    for path in ("/metrics", "/healthz", "/readyz"):
        assert visit.open(path, method=method).status_code in (401, 405)


def test_a_caller_of_some_queues_may_not_see_all(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = {
        "some": Caller("some", frozenset({"read"}), Token("t", "n", ("read",), ("mail*",))),
        "putter": Caller("putter", frozenset({"put"})),
        "all": Caller("all", frozenset({"read"})),
    }
    monkeypatch.setattr(Api, "verify", lambda _, token: callers.get(token))
    visit = make()

    statuses = {
        token: visit.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code
        for token in callers
    }

    assert statuses == {"some": 403, "putter": 403, "all": 200}


def test_the_environment_sets_the_number_of_labels() -> None:
    found = from_environment({"QLESS_PY_WEB_METRICS_QUEUES": "7"})

    assert found.metrics.queues == 7
    with pytest.raises(ConfigError, match="QLESS_PY_WEB_METRICS_QUEUES must be a number"):
        from_environment({"QLESS_PY_WEB_METRICS_QUEUES": "many"})
