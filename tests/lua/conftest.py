"""Shared by tests of scripts: a subscription to every channel of the namespace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import redis as redis_py

Heard = Callable[[], list[tuple[str, str]]]


def _worded(text: str) -> str:
    """Tell an event in a few words: its name, its jid, and what it is about."""
    if not text.startswith("{"):
        return text
    event = json.loads(text)
    named = ("event", "jid", "queue", "to", "worker", "group", "message", "option", "value")
    return " ".join(str(event[name]) for name in named if event.get(name, "") != "")


@pytest.fixture
def heard(redis: redis_py.Redis) -> Iterator[Heard]:
    """Return a function that tells what was published since it was last asked, in order."""
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
                found.append((channel, _worded(message["data"].decode())))
            return found

        yield read
