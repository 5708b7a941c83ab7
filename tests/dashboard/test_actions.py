"""Actions: effects, confirmations, validation and the audit log."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.client.recurring import RecurringJob
from qless_py.dashboard import Access, Role
from tests.dashboard.conftest import Visitor


def _job(client: Client, jid: str) -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def _put(client: Client, jid: str, queue: str = "mail", **options: Any) -> None:
    client.queues[queue].put("app.Send", {"n": 1}, jid=jid, **options)


def _fail(client: Client, *jids: str) -> None:
    for jid in jids:
        _put(client, jid)
    for job in client.queues["mail"].pop(len(jids)):
        job.fail("app.Send:Timeout", "no answer")


@pytest.mark.parametrize(
    ("path", "fields", "shows"),
    [
        ("/jobs/j/move", {"queue": "other"}, ("queue_name", "other")),
        ("/jobs/j/priority", {"priority": "7.5"}, ("priority", 7.5)),
        ("/jobs/j/tag", {"tags": "eu, news"}, ("tags", ["old", "eu", "news"])),
        ("/jobs/j/untag", {"tag": "old"}, ("tags", [])),
        ("/jobs/j/track", {}, ("is_tracked", True)),
        ("/jobs/j/finish", {"result": '{"by": "hand"}'}, ("result", {"by": "hand"})),
    ],
)
def test_actions_of_a_job(
    client: Client, visitor: Visitor, path: str, fields: dict[str, Any], shows: tuple[str, Any]
) -> None:
    _put(client, "j", tags=["old"])

    page = visitor.followed(visitor.post(path, back="/jobs/j", **fields))

    assert 'class="note note-done"' in page
    assert getattr(_job(client, "j"), shows[0]) == shows[1]


def test_a_running_job_is_timed_out(client: Client, visitor: Visitor) -> None:
    _put(client, "j")
    client.queues["mail"].pop()

    visitor.post("/jobs/j/timeout")

    assert _job(client, "j").state == "stalled"


def test_a_failed_job_is_retried(client: Client, visitor: Visitor) -> None:
    _fail(client, "j")

    visitor.post("/jobs/j/retry")

    assert _job(client, "j").state == "waiting"


def test_a_dependency_is_removed(client: Client, visitor: Visitor) -> None:
    _put(client, "parent")
    _put(client, "j", depends=["parent"])

    visitor.post("/jobs/j/undepend", parent="parent")

    assert _job(client, "j").state == "waiting"


def test_canceling_asks_for_confirmation(client: Client, visitor: Visitor) -> None:
    _put(client, "j")

    asked = visitor.post("/jobs/j/cancel", confirmed=False)
    assert client.jobs["j"] is not None
    done = visitor.post("/jobs/j/cancel")

    assert "Cancel job</button>" in asked.text
    assert "qless-py job cancel j --yes" in html.unescape(asked.text)
    assert done.status_code == 303
    assert client.jobs["j"] is None


def test_a_refusal_is_shown_on_the_next_page_and_changes_nothing(
    client: Client, visitor: Visitor
) -> None:
    _put(client, "parent")
    _put(client, "child", depends=["parent"])

    page = visitor.followed(visitor.post("/jobs/parent/cancel", back="/jobs/parent"))

    assert 'class="note note-refused"' in page
    assert "Job parent is a dependency of child" in page
    assert _job(client, "parent").state == "waiting"
    assert "note-refused" not in visitor.get("/jobs/parent").text


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/jobs/j/priority", {"priority": "high"}, "priority must be a number"),
        ("/jobs/j/priority", {"priority": "nan"}, "priority"),
        ("/jobs/j/move", {"queue": "a b"}, "queue"),
        ("/jobs/j/tag", {"tags": ""}, "tag"),
        ("/jobs/j/finish", {"result": "{"}, "result must be JSON"),
        ("/jobs/j/timeout", {}, "not currently running"),
        ("/queues/mail/pause", {"minutes": "soon"}, "minutes must be a number"),
        ("/queues/mail/pause", {"minutes": "-1"}, "minutes must be more than 0"),
        ("/throttles/set", {"name": "api", "concurrency": "-1"}, "concurrency"),
        ("/throttles/set", {"name": "api", "concurrency": "1.5"}, "whole number"),
        ("/throttles/set", {"name": "api", "rate": "fast"}, "rate must be a number"),
        ("/users/set", {"name": "ann", "weight": "nan"}, "weight"),
        ("/throttles/api/block", {"seconds": "x"}, "seconds must be a number"),
        ("/failures/retry", {"group": "nobody", "queue": "a b"}, "queue"),
    ],
)
def test_invalid_values_are_refused_with_a_message(
    client: Client, visitor: Visitor, path: str, fields: dict[str, Any], message: str
) -> None:
    _put(client, "j")
    client.config.set("audit-log", 0)
    before = client.redis.execute_command("DEBUG", "DIGEST")

    page = visitor.followed(visitor.post(path, **fields))

    assert message in html.unescape(page)
    assert "note-refused" in page
    assert client.redis.execute_command("DEBUG", "DIGEST") == before


def test_a_queue_is_paused_with_a_reason_and_a_duration(client: Client, visitor: Visitor) -> None:
    visitor.post("/queues/mail/pause", reason="deploy", minutes="30")

    pause = client.queues["mail"].counts["pause"]
    assert pause["reason"] == "deploy"
    assert pause["until"] - pause["since"] == 1800

    visitor.post("/queues/mail/unpause")
    assert not client.queues["mail"].is_paused


def test_forgetting_a_queue_requires_typing_its_name(client: Client, visitor: Visitor) -> None:
    _put(client, "j")
    client.jobs["j"].cancel()  # type: ignore[union-attr]

    wrong = visitor.post("/queues/mail/forget", typed="nail")
    assert "The text does not match mail." in wrong.text
    assert "mail" in client.queues
    visitor.post("/queues/mail/forget", typed="mail")

    assert "mail" not in client.queues


def test_the_lease_duration_is_changed(client: Client, visitor: Visitor) -> None:
    visitor.post("/queues/mail/heartbeat", heartbeat="90")
    assert client.queues["mail"].heartbeat == 90

    visitor.post("/queues/mail/heartbeat", heartbeat="")
    assert client.queues["mail"].heartbeat == 60


def test_selected_jobs_are_canceled_together(client: Client, visitor: Visitor) -> None:
    for jid in ("a", "b", "c"):
        _put(client, jid)

    visitor.post("/jobs/chosen", action="cancel", state="waiting", jid=["a", "c"])

    assert client.queues["mail"].jobs.waiting() == ["b"]


def test_a_failure_group_is_retried(client: Client, visitor: Visitor) -> None:
    _fail(client, "a", "b")

    asked = visitor.post("/failures/retry", confirmed=False, group="app.Send:Timeout", queue="mail")
    page = visitor.followed(
        visitor.post("/failures/retry", group="app.Send:Timeout", queue="mail", back="/failures")
    )

    assert '<p class="big">2</p>' in asked.text
    assert "Retried 2 jobs of app.Send:Timeout in mail" in page
    assert sorted(client.queues["mail"].jobs.waiting()) == ["a", "b"]


def test_jobs_of_several_queues_are_not_retried_in_one_by_mistake(
    client: Client, visitor: Visitor
) -> None:
    _fail(client, "a")
    of_one = visitor.get("/failures/group?group=app.Send:Timeout").text
    client.queues["other"].put("app.Send", {})
    (job,) = client.queues["other"].pop(1)
    job.fail("app.Send:Timeout", "no answer")
    of_two = visitor.get("/failures/group?group=app.Send:Timeout").text

    assert 'name="queue" type="text" value="mail"' in of_one
    assert 'name="queue" type="text" value=""' in of_two
    assert "come from several queues" in of_two


@pytest.mark.parametrize("what", ["run", "pause", "resume"])
def test_schedules_are_run_paused_and_resumed(client: Client, visitor: Visitor, what: str) -> None:
    client.queues["mail"].recur("app.Digest", {}, interval=60, jid="digest")
    if what == "resume":
        client.jobs["digest"].pause()  # type: ignore[union-attr]

    visitor.post(f"/recurring/digest/{what}")

    found = client.jobs["digest"]
    assert isinstance(found, RecurringJob)
    assert found.is_paused == (what == "pause")
    assert client.queues["mail"].counts["waiting"] == (1 if what == "run" else 0)


def test_removing_a_schedule_asks_for_confirmation(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].recur("app.Digest", {}, interval=60, jid="digest")

    visitor.post("/recurring/digest/cancel", confirmed=False)
    assert client.jobs["digest"] is not None
    visitor.post("/recurring/digest/cancel")

    assert client.jobs["digest"] is None


def test_throttles_are_set_blocked_released_and_deleted(client: Client, visitor: Visitor) -> None:
    visitor.post("/throttles/set", name="api", concurrency="1", rate="10", per="60", burst="5")
    state = client.throttles["api"].get()
    assert (state.concurrency, state.rate, state.per, state.burst) == (1, 10, 60, 5)
    page = visitor.get("/throttles/api").text
    shown = dict(
        re.findall(r'name="(concurrency|rate|per|burst)" type="number" value="(.*?)"', page)
    )
    assert shown == {"concurrency": "1", "rate": "10", "per": "60", "burst": "5"}
    visitor.post("/throttles/set", name="api", concurrency="1", rate="", per="", burst="")
    state = client.throttles["api"].get()
    assert (state.concurrency, state.rate) == (1, None)
    _put(client, "a", throttles=["api"])
    _put(client, "b", throttles=["api"])
    client.queues["mail"].pop(2)
    assert client.throttles["api"].holders() == ["a"]

    visitor.post("/throttles/api/release", jid="a")
    assert client.throttles["api"].holders() == []
    visitor.post("/throttles/api/block", seconds="60")
    assert client.throttles["api"].get().blocked_until is not None
    visitor.post("/throttles/api/block", seconds="0")
    assert client.throttles["api"].get().blocked_until is None
    visitor.post("/throttles/api/delete")
    assert "api" not in client.throttles


def test_users_are_given_weights(client: Client, visitor: Visitor) -> None:
    visitor.post("/users/set", name="ann", weight="2.5", max_running="3")

    assert (client.users["ann"].weight, client.users["ann"].max_running) == (2.5, 3)

    page = visitor.followed(visitor.post("/users/unset", name="ann", back="/throttles"))

    assert "User ann reset: weight 1, no limit" in page
    assert (client.users["ann"].weight, client.users["ann"].max_running) == (1, None)


def test_options_are_set_and_unset(client: Client, visitor: Visitor) -> None:
    visitor.post("/config", option="heartbeat", value="30", do="set")
    assert client.config["heartbeat"] == 30

    visitor.post("/config", option="heartbeat", value="", do="unset")
    assert client.config["heartbeat"] == 60


def test_workers_get_commands(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].pop(worker="host-1-0")

    page = visitor.followed(visitor.post("/workers/tell/quiet", back="/workers"))
    asked = visitor.post("/workers/tell/stop", confirmed=False, name="host-1")
    everywhere = visitor.post("/workers/tell/quiet", confirmed=False)
    one = visitor.post("/workers/tell/quiet", confirmed=False, name="host-1")
    visitor.post("/workers/host-1-0/forget")

    assert "Sent quiet to 1 worker" in page
    assert "Exits once its jobs have finished, and is not replaced. Affects 1 worker." in asked.text
    assert "Takes no more jobs; running jobs continue. Affects 1 worker." in everywhere.text
    assert one.status_code == 303
    assert client.workers.counts == []


def test_a_worker_that_leaves_is_not_shown_after_its_command(
    client: Client, visitor: Visitor
) -> None:
    client.queues["mail"].pop(worker="host-1-0")
    page = "/workers/host-1-0"

    answers = {
        what: visitor.post(f"/workers/tell/{what}", name="host-1-0", back=page).headers["Location"]
        for what in ("quiet", "resume", "restart", "stop")
    }

    assert answers == {"quiet": page, "resume": page, "restart": "/workers", "stop": "/workers"}


def test_a_job_is_put_and_shown(client: Client, visitor: Visitor) -> None:
    answer = visitor.post(
        "/put", queue="mail", klass="app.Send", data='{"to": "ann"}', jid="new", delay="60",
        priority="5", retries="2", tags="eu news", user="ann",
    )  # fmt: skip

    assert answer.headers["Location"] == "/jobs/new"
    job = _job(client, "new")
    assert (job.state, job.priority, job.tags, job.data) == (
        "scheduled", 5, ["eu", "news"], {"to": "ann"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data", "{", "must be JSON"),
        ("delay", "soon", "must be a number"),
        ("retries", "1.5", "must be a whole number"),
        ("klass", "", "required"),
        ("queue", "a b", "queue"),
        ("priority", "nan", "priority"),
        ("depends", "a/b", "depends"),
    ],
)
def test_an_invalid_field_shows_its_error_and_the_form_keeps_its_values(
    client: Client, visitor: Visitor, field: str, value: str, message: str
) -> None:
    fields: dict[str, Any] = {
        "queue": "mail",
        "klass": "app.Send",
        "data": '{"kept": 1}',
        field: value,
    }

    answer = visitor.post("/put", **fields)

    page = html.unescape(answer.text)
    assert answer.status_code == 422
    assert f'id="error-{field}">' in page
    assert message in page.split(f'id="error-{field}">')[1].split("</p>")[0]
    assert field == "data" or '{"kept": 1}' in page
    assert client.queues.counts == []


def test_a_bulk_action_counts_matches_before_it_starts(client: Client, visitor: Visitor) -> None:
    _fail(client, "a", "b")
    client.workers.deregister(*client.workers)

    asked = visitor.post("/operations", confirmed=False, action="retry", q="state:failed")
    assert client.operations.recent() == []
    begun = visitor.post("/operations", action="retry", q="state:failed")
    page = visitor.followed(begun)

    assert '<p class="big">2</p>' in asked.text
    assert "No workers in the last minute" in page
    (operation,) = client.operations.recent()
    assert (operation.action, operation.search, operation.by) == ("retry", "state:failed", "local")
    visitor.post(f"/operations/{operation.jid}/abort")
    assert client.operations[operation.jid].is_aborted


def test_a_bulk_action_on_everything_requires_typing(client: Client, visitor: Visitor) -> None:
    _put(client, "j")

    asked = visitor.post("/operations", action="cancel", q="")
    assert "Type <strong>everything</strong>" in asked.text
    assert client.operations.recent() == []
    visitor.post("/operations", action="cancel", q="", typed="everything")

    assert len(client.operations.recent()) == 1


def test_changes_are_logged_with_their_user(
    client: Client, visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    _put(client, "j")

    with caplog.at_level(logging.INFO, logger="qless_py.dashboard.audit"):
        visitor.post("/jobs/j/priority", priority="3")
        visitor.post("/jobs/j/priority", priority="x")

    records = [one for one in caplog.records if one.name == "qless_py.dashboard.audit"]
    assert [record.getMessage() for record in records] == [
        "priority of j: user=local address=127.0.0.1 result=Priority of j set to 3",
        (
            "priority of j: user=local address=127.0.0.1 "
            "result=refused: priority must be a number, not 'x'"
        ),
    ]


def _schedule(client: Client, jid: str) -> RecurringJob:
    found = client.jobs[jid]
    assert isinstance(found, RecurringJob)
    return found


def shown(visitor: Visitor, path: str) -> dict[str, Any]:
    """Return the fields of the last form of a page, as a browser would submit them."""
    form = visitor.get(path).text.rpartition("<form")[2]
    fields: dict[str, str] = dict(
        re.findall(r'<input id="field-\w+" name="(\w+)"[^>]*? value="([^"]*)"', form)
    )
    fields |= dict(
        re.findall(
            r'<select id="field-\w+" name="(\w+)".*?<option value="(\w+)" selected', form, re.DOTALL
        )
    )
    area = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", form, re.DOTALL)
    assert area is not None
    fields["data"] = area[1].replace("\n", "\r\n")
    return {name: html.unescape(text) for name, text in fields.items()}


def test_a_schedule_is_created_and_edited_field_by_field(client: Client, visitor: Visitor) -> None:
    made = visitor.post(
        "/recur", queue="mail", klass="app.Digest", interval="60", data='{"to": ["ann", 1]}',
        tags="eu", jid="digest", limit="9",
    )  # fmt: skip
    assert made.headers["Location"] == "/recurring/digest"
    fields = shown(visitor, "/recurring/digest")
    before = client.redis.execute_command("DEBUG", "DIGEST")

    page = visitor.followed(visitor.post("/recurring/digest/edit", **fields))
    assert "Schedule digest not changed" in page
    assert client.redis.execute_command("DEBUG", "DIGEST") == before
    visitor.post("/recurring/digest/edit", **{**fields, "queue": "slow", "tags": "", "limit": ""})
    found = _schedule(client, "digest")
    assert (found.queue_name, found.tags, found.limit, found.interval) == ("slow", [], None, 60)
    cron = {"cron": "0 6 * * *", "zone": "Europe/Berlin", "interval": "", "data": "[1]"}
    visitor.post("/recurring/digest/edit", **{**shown(visitor, "/recurring/digest"), **cron})
    found = _schedule(client, "digest")
    assert (found.cron, found.zone, found.data) == ("0 6 * * *", "Europe/Berlin", [1])
    visitor.post("/recurring/digest/edit", **{**shown(visitor, "/recurring/digest"), "zone": ""})
    assert _schedule(client, "digest").zone == "UTC"
    back = {"cron": "", "zone": "", "interval": "30", "misfire": "skip", "overlap": "skip"}
    visitor.post("/recurring/digest/edit", **{**shown(visitor, "/recurring/digest"), **back})
    found = _schedule(client, "digest")
    assert (found.cron, found.interval, found.data) == (None, 30, [1])
    assert (found.misfire, found.overlap) == ("skip", "skip")


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"interval": ""}, "interval", "an interval or a cron expression"),
        ({"interval": "0"}, "interval", "interval"),
        ({"interval": "soon"}, "interval", "must be a number"),
        ({"interval": "", "cron": "never"}, "cron", "cron"),
        ({"data": "{"}, "data", "must be JSON"),
        ({"queue": "a b"}, "queue", "queue"),
        ({"klass": ""}, "klass", "required"),
        ({"limit": "0"}, "limit", "limit"),
        ({"overlap": "never"}, "overlap", "overlap"),
        ({"priority": "nan"}, "priority", "priority"),
    ],
)
def test_an_invalid_schedule_changes_nothing_and_shows_its_error(
    client: Client, visitor: Visitor, wrong: dict[str, str], field: str, message: str
) -> None:
    client.queues["mail"].recur("app.Digest", {}, interval=60, jid="digest")
    before = client.redis.execute_command("DEBUG", "DIGEST")

    fields = {**shown(visitor, "/recurring/digest"), "priority": "1", **wrong}
    answers = [visitor.post(path, **fields) for path in ("/recur", "/recurring/digest/edit")]

    for answer in answers:
        page = html.unescape(answer.text)
        assert answer.status_code == 422
        assert message in page.split(f'id="error-{field}">')[1].split("</p>")[0]
    assert client.redis.execute_command("DEBUG", "DIGEST") == before


def test_an_existing_schedule_is_not_replaced(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].recur("app.Digest", {}, interval=60, jid="digest")

    answer = visitor.post("/recur", queue="q", klass="K", interval="9", jid="digest")

    assert answer.status_code == 422
    assert _schedule(client, "digest").interval == 60


def test_editing_neither_shows_nor_loses_hidden_data(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    client.queues["mail"].recur("app.Digest", {"token": "hunter"}, interval=60, jid="digest")
    visitor = visit(auth=[lambda _: Access("ann", Role.OPERATOR)], trusted_hosts=["localhost"])

    fields = shown(visitor, "/recurring/digest")
    visitor.post("/recurring/digest/edit", **{**fields, "priority": "3"})

    assert "hunter" not in visitor.get("/recurring/digest").text
    assert fields["data"] == ""
    found = _schedule(client, "digest")
    assert (found.priority, found.data) == (3, {"token": "hunter"})


def test_all_jobs_of_a_queue_are_canceled_by_one_operation(
    client: Client, visitor: Visitor
) -> None:
    _fail(client, "fails")
    for jid in ("a", "b"):
        _put(client, jid)
    _put(client, "other", queue="other")
    page = html.unescape(visitor.get("/queues/mail?tab=settings").text)
    search = re.search(r'name="q" value="(queue:"mail" state:[\w,]+)"', page)
    assert search is not None

    asked = visitor.post("/operations", confirmed=False, action="cancel", q=search[1])

    assert '<p class="big">2</p>' in asked.text


def test_of_many_refusals_the_first_five_are_shown_and_the_rest_counted(visitor: Visitor) -> None:
    jids = [f"gone-{number}" for number in range(7)]

    page = visitor.followed(visitor.post("/jobs/chosen", action="tag", value="x", jid=jids))

    assert [jid in page for jid in jids] == [True] * 5 + [False] * 2
    assert "and 2 more refused" in page
