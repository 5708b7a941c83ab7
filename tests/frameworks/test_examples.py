"""The example applications run: a request puts a job, a worker process runs it, a page shows it."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.frameworks.programs import BIN, EXAMPLES, Site, free_port, served, started
from tests.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.fork, pytest.mark.any_server]

QUIET = ("--log-level", "quiet")


@pytest.fixture
def store(server: Server, redis: Any) -> Iterator[str]:
    yield server.url
    redis.flushall()


def test_a_django_site_runs_its_tasks(store: str, tmp_path: Path) -> None:
    folder, port = EXAMPLES / "django", free_port()
    manage = (sys.executable, "manage.py")
    env = {"SHOP_STORE": store, "SHOP_FOLDER": str(tmp_path)}
    worker = started(*manage, "qless_worker", "-n", "2", *QUIET, folder=folder, **env)
    serve = (*manage, "runserver", f"127.0.0.1:{port}", "--noreload", "--verbosity", "0")
    with started(*manage, "migrate", "--verbosity", "0", folder=folder, **env) as migrate:
        assert migrate.wait(60) == 0

    def is_done(task: str) -> Any:
        found = site.get(f"/tasks/{task}")
        return found if found["status"] == "SUCCESSFUL" else None

    with served(*serve, folder=folder, port=port, path="/tasks/none", **env) as site, worker:
        order = site.post("/orders/", customer="ann")
        reminded = site.post(f"/orders/{order['order']}/reminder")
        mark = tmp_path / "mark"
        crash = site.post("/crashes/", mark=str(mark))

        confirmed = eventually(lambda: is_done(order["task"]))
        again = eventually(lambda: is_done(reminded["task"]))
        survived = eventually(lambda: is_done(crash["task"]))

    assert confirmed["value"] == f"ann, your order {order['order']} is on its way"
    assert confirmed["attempts"] == 1
    assert again["value"] == "ann, attempt 2"
    assert again["errors"] == ["builtins.ConnectionError"]
    assert survived["attempts"] == 2
    assert survived["value"] != int(mark.read_text())


def test_a_flask_site_runs_its_jobs_in_an_application_context(store: str, tmp_path: Path) -> None:
    folder, port = EXAMPLES / "flask", free_port()
    flask = (str(BIN / "flask"), "--app", "shop")
    env = {"SHOP_STORE": store, "SHOP_DATABASE": str(tmp_path / "shop.sqlite3")}
    worker = started(*flask, "qless", "work", "-n", "1", *QUIET, folder=folder, **env)
    serve = (*flask, "run", "--port", str(port), "--no-reload")

    with served(*serve, folder=folder, port=port, path="/jobs/", **env) as site, worker:
        order = site.post("/orders", customer="ann")
        done = _when_complete(site, f"/orders/{order['job']}")
        queues = site.status("/jobs/queues/mail")

    assert done["confirmation"] == "The Corner Shop thanks ann"
    assert queues == 200
    with contextlib.closing(sqlite3.connect(env["SHOP_DATABASE"])) as database:
        assert database.execute("SELECT customer FROM confirmations").fetchall() == [("ann",)]


def test_a_fastapi_site_puts_and_waits_in_its_event_loop(store: str) -> None:
    folder, port = EXAMPLES / "fastapi", free_port()
    env = {"SHOP_STORE": store}
    work = (str(BIN / "qless-py"), "--app", "shop:app", "work", "-n", "1", *QUIET)
    serve = (str(BIN / "uvicorn"), "shop:api", "--port", str(port), "--log-level", "warning")

    with (
        served(*serve, folder=folder, port=port, path="/docs", **env) as site,
        started(*work, folder=folder, **env),
    ):
        orders = [site.post_json("/orders", customer=name) for name in ("ann", "bob")]
        done = [_when_complete(site, f"/orders/{order['job']}") for order in orders]

    assert [one["confirmation"] for one in done] == [
        "ann, your order is on its way",
        "bob, your order is on its way",
    ]


def _when_complete(site: Site, path: str) -> Any:
    def complete() -> Any:
        found = site.get(path)
        return found if found["state"] == "complete" else None

    return eventually(complete)
