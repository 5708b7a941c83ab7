"""Shared by tests of scripts: a subscription to every channel of the namespace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import redis as redis_py

Published = Callable[[], list[tuple[str, str]]]


def _summary(text: str) -> str:
    """Return an event as a short text: its name, its jid, and its details."""
    if not text.startswith("{"):
        return text
    event = json.loads(text)
    named = ("event", "jid", "queue", "to", "worker", "group", "message", "option", "value")
    return " ".join(str(event[name]) for name in named if event.get(name, "") != "")


@pytest.fixture
def published(redis: redis_py.Redis) -> Iterator[Published]:
    """Return a function that returns what was published since its last call, in order."""
    with redis.pubsub() as pubsub:
        pubsub.psubscribe("{ql}:*")
        pubsub.get_message(timeout=30)

        def read() -> list[tuple[str, str]]:
            redis.publish("{ql}:end", "")
            found = []
            while message := pubsub.get_message(timeout=30):
                channel = message["channel"].decode().removeprefix("{ql}:")
                if channel == "end":
                    break
                found.append((channel, _summary(message["data"].decode())))
            return found

        yield read
