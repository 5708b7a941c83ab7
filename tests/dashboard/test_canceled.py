"""Canceled jobs in the dashboard: listed, restored, deleted; bulk actions are undone."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from qless_py import Client
from qless_py.client import operations
from qless_py.dashboard.pages import bulk
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from tests.dashboard.conftest import Visitor


def put(client: Client, *jids: str, queue: str = "mail") -> None:
    for jid in jids:
        client.queues[queue].put("app.Send", {"password": "hunter2"}, jid=jid, tags=["eu"])


def state(client: Client, jid: str) -> str:
    return client.job(jid).state


def carry_out(client: Client) -> None:
    job = client.queues[OPERATIONS_QUEUE].pop()
    assert job is not None
    job.complete(result=operations.carry_out(job))


def undo_url(page: str) -> str:
    found = re.search(r'action="(/undo/[^"]+)"', page)
    assert found, page
    return found[1]


def test_a_canceled_job_is_listed_and_restored(client: Client, visitor: Visitor) -> None:
    put(client, "a", "b", "c")
    visitor.post("/jobs/a/cancel", reason="wrong <b>customer</b>", back="/jobs")
    client.cancel("b", by="ann")

    listed = visitor.get("/canceled").text
    assert "wrong &lt;b&gt;customer" in listed
    assert "ann" in listed
    assert "Canceled</a>" in visitor.get("/jobs").text
    assert ">b<" not in visitor.get("/canceled?q=reason:wrong*").text
    assert "unknown field &#39;color&#39;" in visitor.get("/canceled?q=color:red").text

    # A link to the job leads to its copy, and after the restoration back.
    gone = visitor.get("/jobs/a").text
    assert 'href="/canceled/a"' in gone
    assert 'action="/canceled/restore"' in gone
    assert "wrong &lt;b&gt;customer" in visitor.get("/canceled/a").text
    answer = visitor.post("/canceled/restore", jid=["a"], back="/canceled/a")
    assert answer.headers["Location"] == "/jobs/a"
    assert state(client, "a") == "waiting"

    both = visitor.followed(visitor.post("/canceled/restore", jid=["b", "a"], back="/canceled"))
    assert "Restored 1 of 2 jobs" in both
    assert "No canceled job has the jid a" in both
    assert "select at least one" in visitor.followed(visitor.post("/canceled/restore"))


def test_copies_are_deleted_after_a_question(client: Client, visitor: Visitor) -> None:
    put(client, "a")
    client.cancel("a")

    asked = visitor.post("/canceled/delete", confirmed=False, only="a").text
    assert "<h1>Delete 1 canceled job</h1>" in asked
    assert client.canceled.get("a") is not None
    visitor.post("/canceled/delete", only="a")

    assert client.canceled.get("a") is None


def test_an_action_on_selected_jobs_is_undone_from_its_message(
    client: Client, visitor: Visitor
) -> None:
    put(client, "a", "b")
    client.job("b").track()

    done = visitor.followed(
        visitor.post("/jobs/chosen", action="cancel", jid=["a", "b"], reason="r", back="/jobs")
    )
    assert "Canceled 2 of 2 jobs" in done
    copy = client.canceled.get("a")
    assert copy is not None
    assert (copy.canceled_by, copy.cancel_reason) == ("local", "r")
    undone = visitor.followed(visitor.post(undo_url(done), back="/jobs"))
    assert "Undone for 2 of 2 jobs" in undone
    assert {state(client, jid) for jid in "ab"} == {"waiting"}

    moved = visitor.followed(
        visitor.post("/jobs/chosen", action="move", value="other", jid=["a"], back="/jobs")
    )
    visitor.post(undo_url(moved), back="/jobs")
    assert client.job("a").queue_name == "mail"
    retried = visitor.followed(
        visitor.post("/jobs/chosen", action="retry", jid=["a"], back="/jobs")
    )
    assert "/undo/" not in retried


def test_the_preview_shows_what_will_happen(client: Client, visitor: Visitor) -> None:
    put(client, *(f"m{n}" for n in range(6)))
    put(client, "o", queue="other")
    client.queues["other"].pop()

    page = html.unescape(
        visitor.post("/operations", confirmed=False, action="move", value="to", q="tag:eu").text
    )

    assert "<h1>Move all matches to to</h1>" in page
    assert re.search(r"mail</th><td class=\"number\">6<", page)
    assert re.search(r"Running</th><td class=\"number\">1<", page)
    assert "The first 5 of them" in page
    assert page.count('href="/jobs/m') == 5
    assert "job move --search tag:eu --in-background --to to --yes" in page


def test_many_jobs_need_their_number(
    client: Client, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_ASK_NUMBER", 2)
    put(client, "a", "b", "c")
    form: dict[str, Any] = {"action": "cancel", "q": "queue:mail", "counted": "3"}

    asked = visitor.post("/operations", confirmed=False, **form).text
    assert "Type <strong>3</strong>" in asked
    assert "cannot be undone" not in asked
    wrong = visitor.post("/operations", typed="2", **form).text
    assert "does not match" in wrong
    assert client.operations.recent() == []

    put(client, "d")  # One more since the question was asked.
    visitor.post("/operations", typed="3", reason="r", **form)
    (operation,) = client.operations.recent()
    assert (operation.reason, operation.expected) == ("r", 4)


def test_an_operation_shows_its_progress_and_is_undone(client: Client, visitor: Visitor) -> None:
    put(client, "a", "b")
    started = visitor.post("/operations", action="cancel", q="queue:mail", reason="r")
    page = started.headers["Location"]
    assert 'aria-label="Progress 0%"' in visitor.get(page).text
    assert "is not over" in visitor.followed(visitor.post(f"{page}/undo", back=page))

    carry_out(client)
    over = visitor.get(page).text
    assert 'aria-label="Progress 100%"' in over
    assert "2 changes can be undone" in over

    undo = visitor.post(f"{page}/undo").headers["Location"]
    carry_out(client)
    assert page in visitor.get(undo).text
    assert {state(client, jid) for jid in "ab"} == {"waiting"}
    assert "can be undone" not in visitor.get(page).text
