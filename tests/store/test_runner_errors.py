from __future__ import annotations

import threading
import time

import pytest
import redis as redis_py

from qless_py import errors, store
from qless_py.store.resend import ResendPolicy
from qless_py.store.runner import Runner
from tests import servers
from tests.store.calls import SHORT, length, put, request_series
from tests.store.proxy import Proxy


def test_a_full_server_that_ran_the_lost_call_returns_its_reply(
    proxy: Proxy, through: Runner, redis: redis_py.Redis
) -> None:
    through.run(put("before"))  # The library is loaded: what is lost is the answer of a run.
    proxy.lose_reply_every = 1

    def fill() -> None:
        proxy.lose_reply_every = 0
        redis.config_set("maxmemory", 1)

    proxy.on_loss = fill

    assert through.run(put("job")).created
    redis.config_set("maxmemory", 0)
    assert through.run(length()) == 2


def test_a_full_server_that_had_not_run_the_lost_call_refuses_it(
    proxy: Proxy, through: Runner, redis: redis_py.Redis
) -> None:
    through.run(put("before"))  # The library is loaded: what is lost is the answer of a run.
    proxy.lose_request_every = 1

    def fill() -> None:
        proxy.lose_request_every = 0
        redis.config_set("maxmemory", 1)

    proxy.on_loss = fill

    with pytest.raises(errors.StoreFullError):
        through.run(put("job"))
    redis.config_set("maxmemory", 0)
    assert through.run(length()) == 1


def test_a_full_server_refuses_at_once(runner: Runner, redis: redis_py.Redis) -> None:
    redis.config_set("maxmemory", 1)

    with pytest.raises(errors.StoreFullError):
        runner.run(put("job"))


def test_a_server_that_was_demoted_is_waited_for(runner: Runner, redis: redis_py.Redis) -> None:
    runner.run(put("before"))
    redis.replicaof("127.0.0.1", "1")
    promotion = threading.Timer(0.2, redis.replicaof, ("NO", "ONE"))
    promotion.start()

    reply = runner.run(put("after"))

    promotion.join()
    assert reply.created


def test_a_server_that_goes_on_refusing_is_named_after_the_limit(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    redis.config_set("min-replicas-to-write", 1)
    try:
        with store.connect(server.url) as connection, pytest.raises(redis_py.ResponseError) as got:
            Runner(connection, "ql", policy=SHORT).run(put("job"))
    finally:
        redis.config_set("min-replicas-to-write", 0)

    assert "NOREPLICAS" in str(got.value)


def test_a_wrong_password_is_raised_at_once_and_not_tried_again(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    del redis
    with store.connect(server.url, password="wrong") as connection:
        runner = Runner(connection, "ql", policy=ResendPolicy(limit=600))

        with pytest.raises(redis_py.AuthenticationError):
            runner.run(put("job"))


def test_a_call_too_old_to_be_remembered_is_not_sent_again(
    proxy: Proxy, through: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = Runner(through.redis, "ql", policy=ResendPolicy(limit=1000))
    patient.run(put("before"))
    proxy.lose_reply_every = 1
    ahead = [0.0]
    real = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda which: real(which) + ahead[0])

    def sleep() -> None:
        proxy.lose_reply_every = 0
        ahead[0] = 400.0

    proxy.on_loss = sleep

    with pytest.raises(errors.StaleRequestError):
        patient.run(put("job"))
    assert through.run(length()) == 2


def test_an_older_request_of_the_lane_is_rejected_and_the_lane_given_up(
    runner: Runner, redis: redis_py.Redis
) -> None:
    runner.run(put("first"))
    series = runner._series._free[0]
    runner.run(put("second"))
    series.sequence = 0

    with pytest.raises(errors.StaleRequestError):
        runner.run(put("third"))

    assert runner.run(put("fourth")).created
    assert len(request_series(redis)) == 2
