"""A manager keeps running jobs while the store is unavailable, and closes without it."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time

import pytest

from qless_py import Client, Job
from qless_py.manager import Manager, ManagerStopped
from tests import servers
from tests.manager.test_manager import WAIT, found


def test_a_job_that_ran_while_the_server_was_killed_completes_once() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def waits(_job: Job) -> str:
        entered.set()
        assert go_on.wait(WAIT)
        return "done"

    with tempfile.TemporaryDirectory(prefix="ql") as folder:
        client = Client(f"embedded://{folder}/store")
        manager = Manager(client, concurrency=2)
        manager.register("work", waits)
        with contextlib.closing(client), manager:
            jid = manager.put("work")
            assert entered.wait(WAIT)
            os.kill(int(client.redis.info("server")["process_id"]), signal.SIGKILL)
            go_on.set()

            assert found(client, jid).wait(WAIT) == "done"
            assert [one["what"] for one in found(client, jid).history] == ["put", "popped", "done"]
            assert found(client, manager.put("work")).wait(WAIT) == "done"


def test_a_manager_closes_without_a_store(
    server_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def handle(_job: Job) -> None:
        entered.set()
        go_on.wait(WAIT)

    with servers.running(server_name) as own, contextlib.closing(Client(own.url)) as client:
        manager = Manager(client, concurrency=2)
        manager.register("work", handle)
        watch = manager.watch()
        manager.start()
        manager.put("work")
        assert entered.wait(WAIT)
        servers.stop(own)
        go_on.set()

        began = time.monotonic()
        assert manager.close() is False

        assert time.monotonic() - began < WAIT
        assert [type(one) for one in watch][-1] is ManagerStopped
        assert "store available again" not in caplog.text
