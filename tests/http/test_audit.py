"""Every change over HTTP is in the audit log: who requested it, and what came of it."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from qless_py import Client
from qless_py.auth.identity import Access, Role
from qless_py.http.routes import SUBJECTS
from qless_py.protocol.audit import AuditEntry
from tests.audit_data import prepare
from tests.http.conftest import Api, Sends

HOOK = "hook"
# For each route that changes something for a person: a request that succeeds, the action and its
# first target.
CHANGES: dict[str, tuple[str, Any, str, str]] = {
    "add_webhook": ("/webhooks", {"url": "https://h.example/secret-path"}, "webhook add", ""),
    "change_webhook": (f"/webhooks/{HOOK}", {"description": "d"}, "webhook change", HOOK),
    "check_webhook": (f"/webhooks/{HOOK}/test", None, "webhook test", HOOK),
    "rotate_webhook": (f"/webhooks/{HOOK}/rotate", {}, "webhook rotate", HOOK),
    "replay_webhook": (f"/webhooks/{HOOK}/replay", {"since": 0}, "webhook replay", HOOK),
    "redeliver": (
        f"/webhooks/{HOOK}/deliveries/DELIVERY/redeliver", None, "webhook redeliver", HOOK,
    ),
    "remove_webhook": (f"/webhooks/{HOOK}", None, "webhook remove", HOOK),
    "cancel_batch": ("/batches/night/cancel", None, "batch cancel", "night"),
    "retry_batch": ("/batches/night/retry", None, "batch retry", "night"),
    "cancel_workflow": ("/workflows/flow/cancel", None, "workflow cancel", "flow"),
    "retry_workflow": ("/workflows/flow/retry", None, "workflow retry", "flow"),
    "mark_deploy": ("/deploys", {"name": "v2"}, "deploy", "v2"),
    "remove_deploy": ("/deploys/MARKER", None, "deploy remove", "MARKER"),
    "change_job": ("/jobs/waits", {"priority": 5}, "job edit", "waits"),
    "cancel_job": ("/jobs/waits", None, "job cancel", "waits"),
    "requeue_job": ("/jobs/done/requeue", {}, "job requeue", "done"),
    "time_out_job": ("/jobs/runs/timeout", None, "job timeout", "runs"),
    "promote_job": ("/jobs/later/promote", None, "job retry", "later"),
    "unfail_job": ("/jobs/fails/unfail", None, "job retry", "fails"),
    "finish_job": ("/jobs/waits/finish", {"result": {"pin": 1}}, "job finish", "waits"),
    "track_job": ("/jobs/waits/track", None, "job track", "waits"),
    "untrack_job": ("/jobs/waits/track", None, "job untrack", "waits"),
    "tag_job": ("/jobs/waits/tags/t", None, "job tag", "waits"),
    "untag_job": ("/jobs/waits/tags/t", None, "job untag", "waits"),
    "add_job_dependencies": (
        "/jobs/child/dependencies", {"jids": ["waits"]}, "job depend", "child",
    ),
    "remove_job_dependency": (
        "/jobs/child/dependencies/parent", None, "job undepend", "child",
    ),
    "remove_job_dependencies": ("/jobs/child/dependencies", None, "job undepend", "child"),
    "pause_queue": ("/queues/mail/pause", {"reason": "deploy"}, "queue pause", "mail"),
    "resume_queue": ("/queues/mail/resume", None, "queue unpause", "mail"),
    "configure_queue": ("/queues/mail", {"heartbeat": 30}, "queue set", "mail"),
    "forget_queue": ("/queues/empty", None, "queue forget", "empty"),
    "unfail_into_queue": ("/queues/mail/unfail", {"group": "g"}, "queue unfail", "mail"),
    "purge_queue": ("/queues/mail/purge", {}, "queue purge", "mail"),
    "retry_failures": ("/failures/retry", {"group": "Refused"}, "failures retry", "Refused"),
    "cancel_failures": ("/failures/cancel", {"group": "Refused"}, "failures cancel", "Refused"),
    "set_recurring": (
        "/recurring/new", {"queue": "mail", "klass": "K", "interval": 60}, "recurring set", "new",
    ),
    "change_recurring": ("/recurring/tick", {"priority": 1}, "recurring change", "tick"),
    "remove_recurring": ("/recurring/tick", None, "recurring remove", "tick"),
    "run_recurring": ("/recurring/tick/run", None, "recurring run", "tick"),
    "pause_recurring": ("/recurring/tick/pause", None, "recurring pause", "tick"),
    "resume_recurring": ("/recurring/tick/resume", None, "recurring resume", "tick"),
    "command_worker": ("/workers/w/command", {"command": "quiet"}, "worker quiet", "w"),
    "command_workers": ("/commands", {"command": "stop"}, "worker stop", ""),
    "set_throttle": ("/throttles/api", {"concurrency": 2}, "throttle set", "api"),
    "delete_throttle": ("/throttles/api", None, "throttle delete", "api"),
    "block_throttle": ("/throttles/api/block", {"seconds": 5}, "throttle block", "api"),
    "release_throttle": ("/throttles/api/release", {"jids": ["runs"]}, "throttle release", "api"),
    "change_user": ("/users/ada", {"weight": 2}, "user set", "ada"),
    "reset_user": ("/users/ada", None, "user unset", "ada"),
    "start_operation": (
        "/operations", {"action": "retry", "q": "state:failed"}, "operation retry", "",
    ),
    "abort_operation": ("/operations/OPERATION", None, "operation abort", "OPERATION"),
    "undo_operation": ("/operations/UNDOABLE/undo", None, "operation undo", "UNDOABLE"),
    "restore_canceled_jobs": (
        "/restore", {"jids": ["gone"]}, "canceled restore", "gone",
    ),
    "delete_canceled_job": ("/canceled/gone", None, "canceled delete", "gone"),
    "set_option": ("/config/heartbeat", {"value": "30"}, "option set", "heartbeat"),
    "unset_option": ("/config/heartbeat", None, "option unset", "heartbeat"),
}  # fmt: skip


def _ann(_: object) -> Access:
    return Access("ann", Role.ADMIN, shows_data=True)


@pytest.fixture
def names(client: Client) -> dict[str, str]:
    """Put what the requests change; return what stands for the words in capitals."""
    return prepare(client)


def newest(client: Client) -> AuditEntry:
    return client.audit.page(count=1).entries[0]


def test_every_route_that_changes_something_for_a_person_is_tried_here() -> None:
    routes = {one.name for subject in SUBJECTS for one in subject.all if one.is_audited}

    assert routes == set(CHANGES), "add a request to CHANGES"


def test_every_other_change_is_one_of_a_producer_or_worker() -> None:
    others = [
        one for subject in SUBJECTS for one in subject.all
        if one.method != "GET" and not one.is_audited
    ]  # fmt: skip

    assert {one.scope for one in others} == {"put", "work"}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_recorded_with_who_and_what(
    make_api: Sends, client: Client, names: dict[str, str], name: str
) -> None:
    path, body, action, target = CHANGES[name]
    (route,) = (one for subject in SUBJECTS for one in subject.all if one.name == name)
    path = "/".join(names.get(part, part) for part in path.split("/"))

    make_api(auth=[_ann]).ok(route.method, path, body)

    found = newest(client)
    assert (found.who, found.door, found.action) == ("ann", "http", action)
    assert (found.outcome, found.targets[:1]) == (
        "done", (names.get(target, target),) if target else (),
    )  # fmt: skip
    assert found.address == "127.0.0.1"


def test_parameters_are_recorded_without_secrets_and_data(
    api: Api, client: Client, names: dict[str, str]
) -> None:
    del names
    api.ok("POST", "/queues/mail/pause", {"reason": "password=hunter2 is wrong"})
    assert newest(client).details == "reason=password=••• is wrong"

    api.ok("POST", "/jobs/waits/finish", {"result": {"card": "4111"}})
    assert newest(client).details == "result=…"

    api.ok("POST", "/webhooks", {"url": "https://h.example/T0/secret"})
    assert "secret" not in newest(client).details
    assert "h.example" in newest(client).details


def test_a_refusal_is_recorded_with_its_reason(api: Api, client: Client) -> None:
    client.queues["mail"].put("K", jid="parent")
    client.queues["mail"].put("K", jid="child", depends=["parent"])
    api.problem("DELETE", "/jobs/parent")

    found = newest(client)
    assert (found.outcome, found.targets) == ("refused", ("parent",))
    assert found.result == "Job parent is a dependency of child"
    assert found.count is None


def test_what_was_never_carried_out_is_not_recorded(api: Api, client: Client) -> None:
    viewer = client.tokens.create("v", scopes=["read"]).text
    headers = {"Authorization": f"Bearer {viewer}"}

    api.problem("DELETE", "/jobs/nobody", headers=headers)
    api.problem("DELETE", "/jobs/nobody")
    api.problem("PUT", "/config/heartbeat", {"nonsense": 1})
    api.ok("POST", "/operations", {"action": "cancel", "q": "", "dry_run": True})
    api.ok("POST", "/queues/mail/jobs", {"klass": "K"})

    assert client.audit.page().entries == []


def test_the_number_of_changed_jobs_is_recorded(api: Api, client: Client) -> None:
    jids = [client.queues["mail"].put("K") for _ in range(3)]

    api.ok("POST", "/operations", {"action": "cancel", "jids": [*jids, "nobody"]})

    found = newest(client)
    assert (found.count, found.targets) == (3, (*jids, "nobody"))


def test_a_log_that_cannot_be_written_neither_stops_nor_hides_a_change(
    api: Api, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.queues["mail"].put("K", jid="j")
    user, words = client.redis.execute_command("ACL", "WHOAMI"), ("-xadd",)
    client.redis.execute_command("ACL", "SETUSER", user, *words)
    try:
        assert api("DELETE", "/jobs/j").status_code == 204
    finally:
        client.redis.execute_command("ACL", "SETUSER", user, "+xadd")

    assert client.jobs["j"] is None
    assert "audit entry not stored action='job cancel'" in caplog.text


def test_the_log_is_searched_read_in_pages_and_exported(api: Api, client: Client) -> None:
    for number in range(5):
        client.audit.add(
            AuditEntry(who=f"=user{number}", door="worker", action="worker quiet", targets=["w"])
        )

    first = api.ok("GET", "/audit?limit=3&action=worker+*")
    rest = api.ok("GET", f"/audit?limit=3&cursor={first['cursor']}")
    lines = api("GET", "/audit?format=ndjson&who==user1").text.splitlines()
    rows = list(csv.DictReader(api("GET", "/audit?format=csv").text.splitlines()))

    names = [one["who"] for one in first["entries"] + rest["entries"]]
    assert names == [f"=user{number}" for number in (4, 3, 2, 1, 0)]
    assert (first["limit"], rest["cursor"]) == (10000, None)
    assert [json.loads(line)["who"] for line in lines] == ["=user1"]
    assert [row["who"] for row in rows] == [f"'{name}" for name in names]
    assert api.problem("GET", "/audit?cursor=x")["code"] == "bad-cursor"


def test_a_token_of_some_queues_sees_no_log(api: Api, client: Client) -> None:
    text = client.tokens.create("t", scopes=["operate"], queues=["mail"]).text

    problem = api.problem("GET", "/audit", headers={"Authorization": f"Bearer {text}"})

    assert problem["code"] == "forbidden"
