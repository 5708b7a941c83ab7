"""`doctor` about webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py import Client
from qless_py.protocol import webhooks
from tests.cli.conftest import Program

pytestmark = pytest.mark.any_server


def found(program: Program) -> list[dict[str, Any]]:
    answer = program("doctor", "--json", code=None).stdout
    import json  # noqa: PLC0415

    return [one for one in json.loads(answer)["checks"] if one["name"] == "webhooks"]


def test_webhooks_that_do_not_get_their_events_are_named(program: Program, live: Client) -> None:
    assert found(program) == []
    one = live.webhooks.add("https://example.org/in").webhook.id
    (fine,) = found(program)
    assert (fine["status"], fine["detail"]) == ("ok", "1 webhook, all enabled, none failing")

    live.run(webhooks.report(one, ok=False, status=500, error="answered 500"))
    (failing,) = found(program)
    assert "has failed for" in failing["detail"]
    assert "answered 500" in failing["detail"]
    live.webhooks.disable(one)
    (disabled,) = found(program)
    assert disabled["command"].endswith(f"webhook change {one} --enable")


def test_events_that_nobody_dispatches_are_a_failure(program: Program, live: Client) -> None:
    live.webhooks.add("https://example.org/in")
    live.redis.delete("{ql}:stream")
    live.redis.xadd("{ql}:stream", {"event": "{}"}, id="1000-2")
    live.redis.hset("{ql}:meta", mapping={"events": "1000-2", "webhooks:position": "1000-1"})

    (late,) = found(program)

    assert late["status"] == "fail"
    assert "1 event not dispatched yet" in late["detail"]
    live.run(webhooks.dispatch("1000-1", "1000-2", "3", []))
    (gap,) = found(program)
    assert "at least 3 events" in gap["detail"]
