"""The pages of recurring jobs: when each puts its next job, and why it puts none."""

from __future__ import annotations

import html

from qless_py import Client
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor


def test_a_schedule_that_puts_nothing_says_why(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    queue = client.queues["reports"]
    queue.recur("app.Report", None, 600, 1, jid="once", limit=1)
    clock.advance(1)
    assert queue.pop() is not None
    queue.recur("app.Report", None, 600, 60, jid="late")
    clock.advance(360)

    for path in ("/recurring", "/recurring/once"):
        assert "ended: its limit of 1 job is reached" in html.unescape(visitor.get(path).text)
    for path in ("/recurring", "/recurring/late"):
        assert "(5 min ago): nothing pops" in html.unescape(visitor.get(path).text)
