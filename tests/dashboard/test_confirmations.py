"""What an action asks before it is done, and what it refuses before it asks."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.client import bulk
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor


def _job(client: Client, jid: str) -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def _put(client: Client, *jids: str, **options: Any) -> None:
    for jid in jids:
        client.queues["mail"].put("app.Send", {"n": 1}, jid=jid, **options)


def _end(client: Client, failed: str, complete: str) -> None:
    _put(client, failed, complete)
    for job in client.queues["mail"].pop(2):
        if job.jid == failed:
            job.fail("app.Send:Timeout", "no answer")
        else:
            job.complete()


@pytest.fixture
def mixed(client: Client) -> Client:
    """One job in each of six states."""
    _end(client, "failed", "complete")
    _put(client, "running")
    client.queues["mail"].pop()
    _put(client, "waiting")
    _put(client, "scheduled", delay=600)
    _put(client, "depends", depends=["waiting"])
    return client


@pytest.mark.parametrize("action", bulk.ACTIONS)
def test_the_store_refuses_exactly_the_jobs_that_a_preview_counts(
    mixed: Client, action: str
) -> None:
    params: dict[str, dict[str, Any]] = {
        "move": {"queue": "other"}, "priority": {"priority": 1}, "tag": {"tags": ["x"]},
        "untag": {"tags": ["x"]},
    }  # fmt: skip
    made = bulk.store_action(action, **params.get(action, {}))
    jids = ["failed", "complete", "running", "waiting", "scheduled", "depends"]
    expected = {jid for jid in jids if not made.accepts(_job(mixed, jid))}

    outcome = bulk.apply(mixed, made, jids)

    assert set(outcome.errors) == expected


@pytest.mark.usefixtures("mixed")
def test_a_confirmation_counts_what_will_be_changed_and_what_refused(visitor: Visitor) -> None:
    page = html.unescape(
        visitor.post("/operations", confirmed=False, action="retry", q="klass:app.Send").text
    )

    assert '<p class="big">2</p>' in page
    assert "2 jobs will be put back into their queues" in page
    assert "4 other jobs will be refused: 1 complete, 1 depends, 1 running, 1 waiting." in page
    assert "Retry 2 jobs</button>" in page


def test_jobs_that_others_need_are_counted_as_refused(client: Client, visitor: Visitor) -> None:
    _put(client, "a", "b")
    _put(client, "child", depends=["a"], tags=["kept"])
    _put(client, "grandchild", depends=["child"])

    some = visitor.post("/operations", confirmed=False, action="cancel", q="jid:a").text
    both = visitor.post(
        "/jobs/chosen", confirmed=False, action="cancel", jid=["a", "b", "child"]
    ).text
    all_of_them = visitor.post("/operations", confirmed=False, action="cancel", q="queue:mail").text

    assert '<p class="big">0</p>' in some
    assert "1 other job will be refused: 1 needed by other jobs." in some
    assert '<p class="big">1</p>' in both
    assert "2 other jobs will be refused: 2 needed by other jobs." in both
    assert '<p class="big">4</p>' in all_of_them
    assert "refused" not in all_of_them


@pytest.mark.parametrize(
    ("action", "value", "says"),
    [
        ("move", "other", ("Move all matches to other", "moved to the queue other")),
        ("priority", "7", ("Set the priority of all matches to 7", "given the priority 7")),
        ("tag", "eu, new", ("Tag all matches eu, new", "tagged eu, new")),
        ("untag", "old", ("Untag all matches old", "no longer tagged old")),
    ],
)
def test_a_bulk_confirmation_names_its_target(
    client: Client, visitor: Visitor, action: str, value: str, says: tuple[str, str]
) -> None:
    _put(client, "j")

    page = visitor.post(
        "/operations", confirmed=False, action=action, q="queue:mail", value=value
    ).text

    assert f"<h1>{says[0]}</h1>" in page
    assert f"1 job will be {says[1]}." in page


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/operations", {"action": "move", "q": "queue:mail", "value": ""}, "queue"),
        ("/operations", {"action": "move", "q": "queue:mail", "value": "a b"}, "queue"),
        ("/operations", {"action": "priority", "q": "queue:mail", "value": "high"}, "number"),
        ("/operations", {"action": "tag", "q": "queue:mail", "value": ""}, "tags"),
        ("/jobs/chosen", {"action": "cancel"}, "select at least one job"),
        ("/jobs/chosen", {"action": "move", "jid": "j", "value": "a b"}, "queue"),
        ("/failures/retry", {"group": "app.Send:Timeout", "queue": ""}, "queue"),
        ("/jobs/j/finish", {"result": "{"}, "result must be JSON"),
        ("/jobs/done/finish", {"result": "1"}, "complete already"),
        ("/jobs/done/cancel", {}, "complete already"),
        ("/jobs/parent/cancel", {}, "is a dependency of child"),
        ("/workers/tell/stop", {"name": "nobody"}, "worker nobody does not exist"),
    ],
)
def test_what_cannot_be_done_is_refused_before_it_asks(
    client: Client, visitor: Visitor, path: str, fields: dict[str, Any], message: str
) -> None:
    _end(client, "fails", "done")
    _put(client, "j", "parent")
    _put(client, "child", depends=["parent"])

    page = visitor.followed(visitor.post(path, confirmed=False, back="/jobs", **fields))

    assert "note-refused" in page
    assert message in html.unescape(page)


def test_completing_a_job_by_hand_asks_first(client: Client, visitor: Visitor) -> None:
    _put(client, "j")
    client.queues["mail"].pop()

    asked = html.unescape(
        visitor.post("/jobs/j/finish", confirmed=False, result='{"by": "hand"}').text
    )
    assert _job(client, "j").state == "running"
    visitor.post("/jobs/j/finish", result='{"by": "hand"}')

    assert "Complete job j</h1>" in asked
    assert 'app.Send (running) with the result {"by": "hand"}, without running it.' in asked
    assert "Its worker loses it." in asked
    assert _job(client, "j").result == {"by": "hand"}


def _buttons(page: str) -> set[str]:
    return set(re.findall(r"<button[^>]*>([^<]+)</button>", page))


def test_a_completed_job_is_put_back_into_its_last_queue(client: Client, visitor: Visitor) -> None:
    _put(client, "j")
    _job(client, "j").move("other")
    job = client.queues["other"].pop(1)[0]
    job.log("note", {"queue": "nowhere"})
    job.complete()
    buttons = _buttons(visitor.get("/jobs/j").text)

    page = visitor.followed(visitor.post("/jobs/j/retry", back="/jobs/j"))

    assert "Requeue" in buttons
    assert "Cancel…" not in buttons
    assert "Job j put back into other" in page
    assert (_job(client, "j").state, _job(client, "j").queue_name) == ("waiting", "other")


def test_requeue_without_a_queue_uses_the_last_one(client: Client) -> None:
    _end(client, "failed", "complete")

    _job(client, "complete").requeue()

    assert _job(client, "complete").queue_name == "mail"


def test_a_scheduled_job_runs_now_and_keeps_its_put_time(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    _put(client, "j", delay=600)
    put_at = _job(client, "j").put_at
    clock.advance(60)
    buttons = _buttons(visitor.get("/jobs/j").text)

    visitor.post("/jobs/j/retry")

    assert "Run now" in buttons
    assert (_job(client, "j").state, _job(client, "j").put_at) == ("waiting", put_at)


@pytest.mark.parametrize(
    ("state", "message"),
    [("depends", "waits for 1 other job: remove its dependencies"), ("waiting", "is waiting")],
)
def test_a_job_that_cannot_be_put_back_is_left_alone(
    client: Client, clock: Clock, visit: Callable[..., Visitor], state: str, message: str
) -> None:
    _put(client, "waiting")
    _put(client, "depends", depends=["waiting"])
    put_at = _job(client, state).put_at
    clock.advance(60)
    visitor = visit()
    buttons = _buttons(visitor.get(f"/jobs/{state}").text)

    page = visitor.followed(visitor.post(f"/jobs/{state}/retry", back=f"/jobs/{state}"))

    assert not buttons & {"Requeue", "Retry", "Run now"}
    assert message in html.unescape(page)
    assert (_job(client, state).state, _job(client, state).put_at) == (state, put_at)
