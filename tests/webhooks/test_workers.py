"""A worker with --http dispatches and delivers; a kill in the middle loses and doubles nothing."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from qless_py import Client
from tests.eventually import eventually
from tests.push.servers import Recorder
from tests.servers import Server
from tests.worker.conftest import Start, launch

__all__ = ["launch"]  # A fixture.

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


def test_after_a_kill_in_the_middle_of_deliveries_each_event_arrives(
    live: Client, server: Server, target: Recorder, launch: Start
) -> None:
    live.config.set("heartbeat", 2)
    live.config.set("grace-period", 0)
    new = live.webhooks.add(target.url, types=["job.put"])
    command = (sys.executable, "-m", "qless_py", "work", "--url", server.url, "-q", "webhooks")
    options = ("--http", "--allow-target", "127.0.0.0/8", "-c", "50")
    target.holds = True
    first = launch(*command, *options)
    jids = {live.queues["mail"].put("K", {}) for _ in range(40)}
    eventually(lambda: len(target.requests) >= 10, first.log.read_text)
    for one in first.session():
        one.kill()
    first.wait()
    more = {live.queues["mail"].put("K", {}) for _ in range(10)}
    target.holds = False

    second = launch(*command, *options)
    wanted = jids | more
    eventually(
        lambda: live.webhooks.get(new.webhook.id).delivered >= len(wanted),
        lambda: f"{live.webhooks.status()} {live.queues['webhooks'].counts}",
    )

    arrived = {json.loads(one.body)["data"]["jid"] for one in target.requests}
    assert arrived == wanted
    assert len(live.webhooks.deliveries(new.webhook.id, 0, 1000).jids) == len(wanted)
    assert len({one.headers["webhook-id"] for one in target.requests}) == len(wanted)
    assert live.webhooks.status().gap is None
    second.signal(signal.SIGTERM)
    assert second.wait() == 0
    assert "Traceback" not in second.log.read_text()
