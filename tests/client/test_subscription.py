"""What a subscription logs while the store is away."""

import contextlib
import logging

import pytest

from qless_py import store
from qless_py.client import events
from qless_py.client.events import Subscription
from tests import servers


def test_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.running("valkey"))
        redis = stack.enter_context(store.connect(server.url))
        subscription = stack.enter_context(contextlib.closing(Subscription(redis, ["events"])))
        subscription.open()
        caplog.set_level(logging.DEBUG, events.__name__)

        servers.stop(server)
        attempts: list[logging.LogRecord] = []
        while len(attempts) < 3:
            assert subscription.get(0.05) is None
            attempts = [one for one in caplog.records if "events" in one.message]

    assert [one.levelname for one in attempts] == ["WARNING", "DEBUG", "DEBUG"]
    assert subscription.losses == 1
