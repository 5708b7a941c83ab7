"""Mounting below a path, in a host application, and on a WSGI server; live streams."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from qless_py import Client
from qless_py.dashboard import DashboardConfig, create_app, create_blueprint
from qless_py.dashboard.context import Dashboard
from qless_py.dashboard.wsgi import make_app, mounted
from qless_py.errors import ConfigError
from tests.dashboard.conftest import TOKEN
from tests.servers import Server

LINK = re.compile(r'(?:href|action|src)="([^"]+)"')
SAME = {"Sec-Fetch-Site": "same-origin"}


def _links(text: str) -> set[str]:
    return {link for link in LINK.findall(text) if not link.startswith("#")}


@pytest.mark.parametrize("prefix", ["/ops", "/a/b/", ""])
def test_every_link_stays_below_the_prefix(client: Client, prefix: str) -> None:
    client.queues["mail"].put("K", {}, jid="j")
    app = mounted(create_app(client, DashboardConfig(secret="s" * 16)), prefix)
    browser = app.test_client()
    root = prefix.rstrip("/")

    for path in ("/", "/queues", "/queues/mail", "/jobs/j", "/put"):
        page = browser.get(root + path, buffered=True)
        assert page.status_code == 200
        for link in _links(page.text):
            assert link.startswith(f"{root}/"), link
    if root:
        assert browser.get("/", buffered=True).status_code == 404


def test_a_form_works_below_a_prefix(client: Client) -> None:
    app = mounted(create_app(client, DashboardConfig(secret="s" * 16)), "/ops")
    browser = app.test_client()
    token = TOKEN.search(browser.get("/ops/put").text)
    assert token is not None

    answer = browser.post(
        "/ops/queues/mail/pause",
        data={"form_token": token[1], "back": "/ops/queues"},
        headers=SAME,
    )

    assert (answer.status_code, answer.headers["Location"]) == (303, "/ops/queues")
    assert client.queues["mail"].is_paused


@pytest.mark.parametrize("prefix", ["/ops", ""])
def test_a_confirmation_works_below_a_prefix(client: Client, prefix: str) -> None:
    client.queues["mail"].put("K", {}, jid="j")
    app = mounted(create_app(client, DashboardConfig(secret="s" * 16)), prefix)
    browser = app.test_client()
    path = f"{prefix}/queues/mail?tab=waiting"
    token = TOKEN.search(browser.get(path).text)
    assert token is not None
    form = {"form_token": token[1], "back": path, "action": "cancel", "state": "waiting"}

    page = browser.get(path).text
    asked = browser.post(f"{prefix}/jobs/chosen", data={**form, "jid": "j"}, headers=SAME).text
    action = re.search(r'<form method="post" action="([^"]+)" class="stack">', asked)
    assert action is not None
    confirmed = {**form, "jid": "j", "confirmed": "yes"}
    done = browser.post(action[1], data=confirmed, headers=SAME)

    assert set(re.findall(r'name="back" value="([^"]+)"', page)) == {path}
    assert f'name="back" value="{path}"' in asked
    assert f'<a class="button" href="{path}">Back</a>' in asked
    assert re.search(rf'<a href="{prefix}/queues" [^>]*aria-current="page">', page)
    assert (done.status_code, done.headers["Location"]) == (303, path)
    assert client.jobs["j"] is None


def test_a_host_application_keeps_its_own_pages(client: Client) -> None:
    host = Flask("host")
    host.add_url_rule("/", "index", lambda: "the host's own page")
    config = DashboardConfig(secret="s" * 16)
    host.register_blueprint(create_blueprint(client, config), url_prefix="/queues-of-ours")
    second = create_blueprint(client, config, name="second")
    host.register_blueprint(second, url_prefix="/second")
    browser = host.test_client()

    own = browser.get("/")
    page = browser.get("/queues-of-ours/queues")
    lost = browser.get("/queues-of-ours/nowhere")
    other = browser.get("/second/queues")

    assert own.text == "the host's own page"
    assert "Content-Security-Policy" not in own.headers
    assert (page.status_code, lost.status_code, other.status_code) == (200, 404, 200)
    assert all(link.startswith("/queues-of-ours/") for link in _links(page.text))
    assert all(link.startswith("/second/") for link in _links(other.text))
    assert browser.get("/nowhere").status_code == 404
    assert "Content-Security-Policy" not in browser.get("/nowhere").headers


def test_an_invalid_prefix_is_rejected(client: Client) -> None:
    with pytest.raises(ConfigError, match="must begin with /"):
        mounted(create_app(client), "ops")


def test_the_environment_configures_an_application(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = tmp_path / "people.toml"
    people.write_text('[tokens.ci]\nsha256 = "' + "0" * 64 + '"\nrole = "viewer"\n')
    monkeypatch.setenv("QLESS_PY_URL", server.url)
    monkeypatch.setenv("QLESS_PY_WEB_PEOPLE", str(people))
    monkeypatch.setenv("QLESS_PY_WEB_TRUSTED_HOST", "localhost ops.example.org")
    monkeypatch.setenv("QLESS_PY_WEB_PREFIX", "/ops")

    browser = make_app().test_client()

    assert browser.get("/ops/").status_code == 401
    assert browser.get("/ops/", headers={"Host": "evil.example.org"}).status_code == 400
    monkeypatch.setenv("QLESS_PY_WEB_STREAMS", "-1")
    with pytest.raises(ConfigError, match="STREAMS must be a number"):
        make_app()


@contextlib.contextmanager
def gunicorn(server: Server, *arguments: str, **environment: str) -> Iterator[str]:
    """Run gunicorn on a free port, and yield its URL."""
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--graceful-timeout", "1"]
    command += [*arguments, "qless_py.dashboard.wsgi:make_app()"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "QLESS_PY_URL": server.url, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.search(r"Listening at: (http://\S+)", line)
            if found:
                yield found[1]
                break
        else:
            raise AssertionError("gunicorn did not start")
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        process.stderr.close()
        process.wait()


@pytest.mark.usefixtures("redis")
def test_gunicorn_serves_pages_and_a_stream_below_a_prefix(server: Server) -> None:
    with gunicorn(server, "--threads", "4", QLESS_PY_WEB_PREFIX="/ops") as url:
        with urllib.request.urlopen(f"{url}/ops/queues") as page:
            assert page.status == 200
            assert all(link.startswith("/ops/") for link in _links(page.read().decode()))

        host = url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("GET", "/ops/live")
        answer = connection.getresponse()
        assert answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        events = [answer.readline() for _ in range(6)]
        connection.close()

    assert b"event: snapshot\n" in events
    data = next(line for line in events if line.startswith(b"data: "))
    assert json.loads(data[6:])["queues"] == {}


@pytest.mark.usefixtures("redis")
def test_streams_leave_threads_for_pages(server: Server) -> None:
    with (
        gunicorn(server, "--threads", "2", QLESS_PY_WEB_STREAMS="1") as url,
        urllib.request.urlopen(f"{url}/live") as stream,
    ):
        assert stream.readline() == b"retry: 3000\n"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/live")
        with urllib.request.urlopen(f"{url}/queues") as page:
            assert page.status == 200

    assert refused.value.code == 503
    refused.value.close()


@pytest.mark.usefixtures("redis")
def test_a_single_threaded_server_rejects_streams(server: Server) -> None:
    with gunicorn(server, "--worker-class", "sync") as url:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/live")
        with urllib.request.urlopen(f"{url}/snapshot") as page:
            assert page.status == 200

    assert refused.value.code == 503
    refused.value.close()


def test_a_closed_stream_frees_its_slot(live: Client) -> None:
    app = create_app(live, DashboardConfig(secret="s" * 16, streams=1, refresh=0.01))
    browser = app.test_client()
    multi = {"wsgi.multithread": True}

    first = browser.get("/live", environ_overrides=multi)
    chunks = iter(first.response)
    next(chunks)
    assert browser.get("/live", environ_overrides=multi).status_code == 503
    first.close()

    again = browser.get("/live", environ_overrides=multi)
    assert again.status_code == 200
    again.close()


def test_a_stream_sends_changes_only(live: Client) -> None:
    app = create_app(live, DashboardConfig(secret="s" * 16, refresh=0.01))
    answer = app.test_client().get("/live", environ_overrides={"wsgi.multithread": True})
    chunks = iter(answer.response)
    next(chunks)
    first = next(chunks)

    live.queues["mail"].put("K", {})
    second = next(chunks)
    answer.close()

    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    assert json.loads(second.split(b"data: ")[1])["totals"]["waiting"] == 1


def test_a_stream_omits_unchanged_queues(live: Client) -> None:
    for name in ("a", "b", "gone"):
        live.queues[name].put("K", {}, jid=name)
        live.queues[name].pop()
    app = create_app(live, DashboardConfig(secret="s" * 16, refresh=0.001))
    answer = app.test_client().get("/live", environ_overrides={"wsgi.multithread": True})
    encoded = answer.iter_encoded()
    messages = (json.loads(one.split(b"data: ")[1]) for one in encoded if b"data: " in one)

    first = next(messages)
    live.queues["a"].put("K", {})
    second = next(messages)
    live.cancel("gone")
    live.queues["gone"].forget()
    news = {}
    while "gone" not in news:
        news = next(messages)["queues"]
    answer.close()

    assert sorted(first["queues"]) == ["a", "b", "gone"]
    assert sorted(second["queues"]) == ["a"]
    assert sorted(second["heads"]) == ["a"]
    assert news["gone"] is None


def test_a_stream_sends_no_more_than_the_age_of_a_queue_that_only_waits(live: Client) -> None:
    live.queues["a"].put("K", {})
    app = create_app(live, DashboardConfig(secret="s" * 16, refresh=0.001))
    answer = app.test_client().get("/live", environ_overrides={"wsgi.multithread": True})
    encoded = answer.iter_encoded()
    messages = (json.loads(one.split(b"data: ")[1]) for one in encoded if b"event: snap" in one)

    next(messages)
    second = next(messages)
    answer.close()

    assert (second["queues"], list(second["heads"])) == ({}, ["a"])


class InstantEvent(threading.Event):
    """An event whose waits return at once and are recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        return False


def test_a_stream_sends_a_few_messages_a_second_at_most(live: Client) -> None:
    board = Dashboard(live, DashboardConfig(secret="s" * 16, refresh=1e-9))
    board.streams.wait_event = waited = InstantEvent()
    app = create_app(live)
    with app.test_request_context(environ_overrides={"wsgi.multithread": True}):
        answer = board.streams.open()
    messages = (one for one in answer.response if b"event: snapshot" in one)

    for number in range(5):
        live.queues["mail"].put("K", {})
        before = sum(waited.waits)
        assert f'"waiting":{number + 1},'.encode() in next(messages)
        assert number == 0 or sum(waited.waits) - before >= 0.25
    answer.close()


def test_many_viewers_read_the_store_once(live: Client) -> None:
    app = create_app(live, DashboardConfig(secret="s" * 16, refresh=60))
    browser = app.test_client()
    browser.get("/snapshot")
    before = live.redis.info("stats")["total_commands_processed"]

    for _ in range(20):
        browser.get("/snapshot")

    assert live.redis.info("stats")["total_commands_processed"] - before == 1
