"""The pages of recurring jobs: when each puts its next job, and why it puts none."""

from __future__ import annotations

import html
import re
from typing import Any

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


def test_a_schedule_shows_its_last_and_its_next_runs(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    queue = client.queues["reports"]
    queue.recur("app.Report", None, 60, jid="often", overlap="skip")
    first = queue.pop()
    assert first is not None
    clock.advance(60)
    assert queue.pop() is None  # Skipped: the first one still runs.
    first.complete()
    clock.advance(60)
    second = queue.pop()
    assert second is not None
    second.fail("app.Report:Broken", "no paper")

    page = html.unescape(visitor.get("/recurring/often").text)
    runs = page.partition("<h2>Last runs</h2>")[2].partition("</table>")[0]
    order = [runs.index(text) for text in ("often-2", "1 run skipped", "often-1")]
    assert order == sorted(order)
    for state in ("failed", "skipped", "complete"):
        assert f'class="state state-{state}"' in runs
    assert page.partition("<h2>Next runs</h2>")[2].count("<li>") == 5
    assert "Last runs, newest first: failed, skipped, complete" in visitor.get("/recurring").text


def test_a_form_previews_a_schedule_without_saving_it(client: Client, visitor: Visitor) -> None:
    cron = {"cron": "30 9 * * mon-fri", "zone": "Europe/Berlin"}
    fields: dict[str, Any] = {"queue": "q", "klass": "K", **cron}

    page = visitor.post("/recur", **fields, only_preview="1").text
    assert "every weekday at 09:30 (Europe/Berlin)" in page
    assert len(re.findall(r"<li>\w{3} \d{4}-\d\d-\d\d 09:30:00 CES?T</li>", page)) == 5
    assert 'value="30 9 * * mon-fri"' in page
    assert client.queues.counts == []
    wrong = visitor.post("/recur", **{**fields, "cron": "0 25 * * *"}, only_preview="1").text
    assert "field 2 (hour): 25 is not from 0 to 23" in wrong.split('id="error-cron">')[1]


def test_the_preview_while_typing_has_words_an_error_or_nothing(visitor: Visitor) -> None:
    def ask(query: str) -> object:
        return visitor.get(f"/recur/preview?{query}").json

    found = ask("interval=90&cron=&zone=")
    assert isinstance(found, dict)
    assert (found["words"], len(found["next"])) == ("every 1 min 30 s", 5)
    assert ask("interval=&cron=&zone=") == {"error": ""}
    assert ask("interval=soon") == {"error": "must be a number, not 'soon'"}
    assert ask("cron=0+9+*+*+*&zone=Berlin") == {
        "error": "zone 'Berlin' is unknown; did you mean Europe/Berlin?"
    }
    assert ask("cron=%00")["error"].startswith("cron")  # type: ignore[index]
