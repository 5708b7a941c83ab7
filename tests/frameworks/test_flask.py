"""The Flask extension: settings, the application context of jobs, commands, the dashboard."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, current_app, g, has_app_context

import qless_py
from qless_py import Client, ConfigError
from qless_py.dashboard import DashboardConfig
from qless_py.frameworks.flask import Qless
from qless_py.http import HttpConfig
from qless_py.testing import drain, run_inline

pytestmark = pytest.mark.any_server

qless = Qless(attempts=1)


@qless.job(queue="mail")
def greet(name: str) -> str:
    g.greeted = name
    return f"{current_app.name} greets {name}"


@qless.job(queue="mail")
async def greet_later(name: str) -> str:
    return f"{current_app.name} greets {name} later"


def site(name: str = "shop", **config: Any) -> Flask:
    made = Flask(name)
    made.config.update(config)
    qless.init_app(made)
    return made


def test_each_job_runs_in_a_context_of_its_own(isolated: Client) -> None:
    seen = []
    made = site()
    made.teardown_appcontext(lambda _: seen.append(g.get("greeted")))
    greet.put(name="ann")
    greet_later.put(name="bob")

    results = [one.result for one in drain(qless.client.queues["mail"])]

    assert results == ["shop greets ann", "shop greets bob later"]
    assert seen == ["ann", None]
    assert not has_app_context()
    del isolated


def test_a_request_and_its_inline_job_have_contexts_of_their_own(isolated: Client) -> None:
    with site().app_context(), run_inline(qless.client):
        g.greeted = "nobody"
        jid = greet.put(name="ann")
        assert g.greeted == "nobody"

    assert isolated.job(jid).result == "shop greets ann"


def test_the_configuration_chooses_the_store() -> None:
    mine = Qless(url="redis://example.org/1", namespace="code")
    assert (mine.url, mine.namespace) == ("redis://example.org/1", "code")

    made = Flask("shop")
    made.config.update(QLESS_URL="redis://example.org/2", QLESS_NAMESPACE="config")
    mine.init_app(made)
    assert (mine.url, mine.namespace) == ("redis://example.org/2", "config")
    assert made.extensions["qless_py"] is mine

    mine.init_app(Flask("other"))
    assert (mine.url, mine.namespace) == ("redis://example.org/1", "code")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"QLESS_NAMESPCE": "x"}, "unknown setting 'QLESS_NAMESPCE': did you mean 'QLESS_NAMESP"),
        ({"QLESS_URL": "http://x"}, "http"),
        ({"QLESS_NAMESPACE": "a b"}, "a b"),
        ({"QLESS_DASHBOARD": "jobs"}, "QLESS_DASHBOARD must be a path such as /jobs, not 'jobs'"),
        ({"QLESS_DASHBOARD": "/"}, "QLESS_DASHBOARD must be a path"),
        ({"QLESS_DASHBOARD_CONFIG": {}}, "QLESS_DASHBOARD_CONFIG is a dict"),
        ({"QLESS_API": "/api"}, "QLESS_API is a str, not a bool"),
        ({"QLESS_API_CONFIG": 1}, "QLESS_API_CONFIG is a int, not a HttpConfig"),
    ],
)
def test_a_wrong_setting_is_named_and_changes_nothing(config: Any, message: str) -> None:
    mine = Qless(namespace="before")
    made = Flask("shop")
    made.config.update(config)

    with pytest.raises(qless_py.QlessError, match=message):
        mine.init_app(made)

    assert (mine.url, mine.namespace, dict(made.extensions)) == (None, "before", {})
    with pytest.raises(ConfigError, match="call init_app first"):
        _ = mine.flask_app


def test_a_worker_without_an_application_does_not_start(caplog: pytest.LogCaptureFixture) -> None:
    mine = Qless()

    assert not mine.hooks.start_worker()
    assert "call init_app first" in caplog.text

    mine.init_app(Flask("shop"))
    assert mine.hooks.start_worker()


def test_the_command_qless_has_the_app_of_the_application(
    store: str, capfd: pytest.CaptureFixture[str]
) -> None:
    made = site(QLESS_URL=store, QLESS_NAMESPACE="ql")
    greet.put(name="ann")

    result = made.test_cli_runner().invoke(args=["qless", "queues", "--json"])

    assert result.exit_code == 0
    assert json.loads(result.output or capfd.readouterr().out)["queues"][0]["name"] == "mail"
    assert made.test_cli_runner().invoke(args=["qless", "nonsense"]).exit_code == 2


def test_the_dashboard_is_served_below_a_path(isolated: Client) -> None:
    made = site(QLESS_DASHBOARD="/jobs/", QLESS_DASHBOARD_CONFIG=DashboardConfig(read_only=True))
    browser = made.test_client()

    assert browser.get("/jobs/queues").status_code == 200
    assert browser.get("/queues").status_code == 404
    assert "/jobs" not in {str(rule) for rule in site().url_map.iter_rules()}
    del isolated


def test_the_api_is_served_if_the_configuration_says_so(isolated: Client) -> None:
    greet.put(name="ann")
    browser = site(QLESS_API=True, QLESS_API_CONFIG=HttpConfig(read_only=True)).test_client()

    assert browser.get("/api/v1/queues/mail/nothing").status_code == 404
    refused = browser.post("/api/v1/queues/mail/jobs", json={"klass": "a.b"})
    assert (refused.status_code, (refused.json or {})["code"]) == (403, "read-only")
    assert site().test_client().get("/api/v1/").status_code == 404
    del isolated
