"""What a supervisor receives from its channels, and from when on."""

import json
import selectors
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from qless_py.worker.subscriber import SUBSCRIBED, Subscriber

pytestmark = pytest.mark.any_server

Message = tuple[str, dict[str, Any]]


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as found:
        yield found


@pytest.fixture
def subscriber(selector: selectors.BaseSelector) -> Iterator[Subscriber]:
    found = Subscriber("ql", selector)
    yield found
    found.close()


def publish(redis: redis_py.Redis, worker: str, lease: str) -> int:
    return int(redis.publish(f"{{ql}}:worker:{worker}", json.dumps({"lease": lease})))


def next_messages(subscriber: Subscriber, selector: selectors.BaseSelector) -> list[Message]:
    messages: list[Message] = []
    while not messages:
        assert selector.select(10), "nothing came"
        messages = subscriber.read()
    return messages


def test_it_reports_when_a_subscription_starts(
    redis: redis_py.Redis, subscriber: Subscriber, selector: selectors.BaseSelector
) -> None:
    subscriber.subscribe(redis, ["first"])
    assert next_messages(subscriber, selector) == [("first", {"event": SUBSCRIBED})]

    subscriber.subscribe(redis, ["first", "second"])
    assert next_messages(subscriber, selector) == [("second", {"event": SUBSCRIBED})]

    assert publish(redis, "second", "1.nonce") == 1
    assert next_messages(subscriber, selector) == [("second", {"lease": "1.nonce"})]


def test_after_a_lost_connection_it_subscribes_again(
    redis: redis_py.Redis, subscriber: Subscriber, selector: selectors.BaseSelector
) -> None:
    subscriber.subscribe(redis, ["first"])
    next_messages(subscriber, selector)

    redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert publish(redis, "first", "unheard") == 0
    messages: list[Message] = []
    while not messages:
        subscriber.subscribe(redis, ["first"])
        selector.select(0.05)
        messages = subscriber.read()

    assert messages == [("first", {"event": SUBSCRIBED})]
    assert publish(redis, "first", "2.nonce") == 1
    assert next_messages(subscriber, selector) == [("first", {"lease": "2.nonce"})]
