"""A store that does not respond: pages show an error, and old numbers only with their age."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator

import pytest

from qless_py import Client
from qless_py.dashboard import DashboardConfig, context, create_app, live
from tests.eventually import eventually
from tests.servers import running


@contextlib.contextmanager
def _stopped(client: Client) -> Iterator[None]:
    """Stop the server as a whole machine under load would: it accepts, and answers nothing."""
    pid = client.redis.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_stopped_store_is_not_shown_as_fresh_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "STORE_TIMEOUT", 0.3)
    monkeypatch.setattr(live, "_MAX_AGE", 0.1)
    with running("valkey") as server, Client(server.url) as client:
        client.queues["mail"].put("app.Send")
        browser = create_app(client, DashboardConfig(refresh=0.05)).test_client()
        assert browser.get("/snapshot").json["queues"]["mail"]["waiting"] == 1  # type: ignore[index]
        answers: list[int] = []

        with _stopped(client):
            eventually(lambda: browser.get("/snapshot").status_code == 503)
            viewers = [
                threading.Thread(target=lambda path=path: answers.append(
                    browser.application.test_client().get(path).status_code
                ))
                for path in ("/snapshot", "/queues", "/", "/workers")
            ]  # fmt: skip
            for one in viewers:
                one.start()
            for one in viewers:
                one.join()
            page = browser.get("/")

        assert answers == [503] * 4
        assert "store unavailable" in page.text
        assert re.search(r"Last known numbers, [\d.]+ (ms|s) old", page.text)
        assert '<dt>Waiting</dt><dd><span class="tile-value">1</span>' in page.text
        eventually(lambda: browser.get("/snapshot").status_code == 200)
