"""What a parent hears of its workers, and from when on."""

import json
import selectors
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from qless_py.worker.subscriber import SUBSCRIBED, Ear

pytestmark = pytest.mark.any_server

Heard = tuple[str, dict[str, Any]]


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as found:
        yield found


@pytest.fixture
def ear(selector: selectors.BaseSelector) -> Iterator[Ear]:
    found = Ear("ql", selector)
    yield found
    found.close()


def publish(redis: redis_py.Redis, worker: str, lease: str) -> int:
    return int(redis.publish(f"{{ql}}:worker:{worker}", json.dumps({"lease": lease})))


def next_heard(ear: Ear, selector: selectors.BaseSelector) -> list[Heard]:
    heard: list[Heard] = []
    while not heard:
        assert selector.select(10), "nothing came"
        heard = ear.hear()
    return heard


def test_it_says_from_when_on_it_hears_of_a_worker(
    redis: redis_py.Redis, ear: Ear, selector: selectors.BaseSelector
) -> None:
    ear.listen(redis, ["first"])
    assert next_heard(ear, selector) == [("first", {"event": SUBSCRIBED})]

    ear.listen(redis, ["first", "second"])
    assert next_heard(ear, selector) == [("second", {"event": SUBSCRIBED})]

    assert publish(redis, "second", "1.nonce") == 1
    assert next_heard(ear, selector) == [("second", {"lease": "1.nonce"})]


def test_after_a_lost_connection_it_says_so_again_and_hears_on(
    redis: redis_py.Redis, ear: Ear, selector: selectors.BaseSelector
) -> None:
    ear.listen(redis, ["first"])
    next_heard(ear, selector)

    redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert publish(redis, "first", "unheard") == 0
    heard: list[Heard] = []
    while not heard:
        ear.listen(redis, ["first"])
        selector.select(0.05)
        heard = ear.hear()

    assert heard == [("first", {"event": SUBSCRIBED})]
    assert publish(redis, "first", "2.nonce") == 1
    assert next_heard(ear, selector) == [("first", {"lease": "2.nonce"})]
