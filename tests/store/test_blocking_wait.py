from __future__ import annotations

import threading
import time

import pytest
import redis as redis_py

from qless_py import store
from qless_py.store.runner import Runner
from tests import servers
from tests.eventually import eventually


def test_waiting_takes_a_marker_and_returns_its_queue(
    runner: Runner, redis: redis_py.Redis
) -> None:
    redis.zadd("b", {"marker": 1})

    assert runner.wait(["a", b"b"], 5) == b"b"
    assert not redis.exists("b")


def test_a_wait_may_be_longer_than_the_socket_timeout(server: servers.Server) -> None:
    with store.connect(server.url, socket_timeout=0.5) as connection:
        began = time.monotonic()

        assert Runner(connection, "ql").wait(["nothing"], 0.8) is None

        assert time.monotonic() - began >= 0.8


def test_a_wait_is_ended_by_a_marker_that_comes_later(
    runner: Runner, redis: redis_py.Redis
) -> None:
    arrival = threading.Timer(0.1, redis.zadd, ("a", {"marker": 1}))
    arrival.start()

    assert runner.wait(["a"], 10) == b"a"
    arrival.join()


def test_a_wait_whose_connection_is_cut_is_not_tried_again(
    runner: Runner, redis: redis_py.Redis
) -> None:
    def cut() -> None:
        eventually(lambda: redis.info("clients")["blocked_clients"], every=0)
        redis.client_kill_filter(_type="normal", skipme=True)

    cutting = threading.Thread(target=cut)
    cutting.start()

    with pytest.raises(redis_py.ConnectionError):
        runner.wait(["a"], 60)
    cutting.join()
