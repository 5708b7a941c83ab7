"""Every change by the dashboard is in the audit log: who requested it, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client
from qless_py.dashboard import Access, Role, create_app
from qless_py.protocol.audit import AuditEntry
from tests.audit_data import prepare
from tests.dashboard.conftest import Visitor
from tests.dashboard.test_actions import shown

# For each view that takes a form: its path, the fields, the action and the first target.
CHANGES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "change_selected": (
        "/jobs/chosen", {"action": "cancel", "jid": "fails"}, "job cancel", "fails",
    ),
    "start_operation": ("/operations", {"action": "retry", "q": "jid:x"}, "operation retry", ""),
    "abort_operation": ("/operations/OPERATION/abort", {}, "operation abort", "OPERATION"),
    "undo_operation": ("/operations/UNDOABLE/undo", {}, "operation undo", "UNDOABLE"),
    "undo_selected": ("/undo/UNDOABLE", {}, "job undo", "UNDOABLE"),
    "restore_canceled": ("/canceled/restore", {"jid": "gone"}, "canceled restore", "gone"),
    "delete_canceled": ("/canceled/delete", {"jid": "gone"}, "canceled delete", "gone"),
    "set_config": ("/config", {"option": "heartbeat", "value": "9"}, "option set", "heartbeat"),
    "retry_group": (
        "/failures/retry", {"group": "Refused", "queue": "mail"}, "failures retry", "Refused",
    ),
    "cancel_job": ("/jobs/waits/cancel", {}, "job cancel", "waits"),
    "change_job": ("/jobs/waits/move", {"queue": "other"}, "job move", "waits"),
    "untrack_expired": ("/jobs/waits/untrack-gone", {}, "job untrack", "waits"),
    "edit_job_now": ("/jobs/waits/edit", {"priority": "4"}, "job edit", "waits"),
    "put_job_now": ("/put", {"queue": "mail", "klass": "K"}, "job put", ""),
    "pause_queue": ("/queues/mail/pause", {"reason": "deploy"}, "queue pause", "mail"),
    "unpause_queue": ("/queues/mail/unpause", {}, "queue unpause", "mail"),
    "set_heartbeat": ("/queues/mail/heartbeat", {"heartbeat": "9"}, "queue set", "mail"),
    "forget_queue": ("/queues/empty/forget", {"typed": "empty"}, "queue forget", "empty"),
    "add_recurring": (
        "/recur", {"queue": "mail", "klass": "K", "interval": "60"}, "recurring add", "",
    ),
    "cancel_recurring": ("/recurring/tick/cancel", {}, "recurring remove", "tick"),
    "edit_recurring": (
        "/recurring/tick/edit", {"interval": "90"},
        "recurring edit", "tick",
    ),
    "change_recurring": ("/recurring/tick/pause", {}, "recurring pause", "tick"),
    "cancel_batch": ("/batches/night/cancel", {}, "batch cancel", "night"),
    "retry_batch": ("/batches/night/retry", {}, "batch retry", "night"),
    "cancel_workflow": ("/workflows/flow/cancel", {}, "workflow cancel", "flow"),
    "retry_workflow": ("/workflows/flow/retry", {}, "workflow retry", "flow"),
    "set_throttle": ("/throttles/set", {"name": "api", "concurrency": "2"}, "throttle set", "api"),
    "delete_throttle": ("/throttles/api/delete", {}, "throttle delete", "api"),
    "release_throttle": ("/throttles/api/release", {"jid": "runs"}, "throttle release", "api"),
    "block_throttle": ("/throttles/api/block", {"seconds": "5"}, "throttle block", "api"),
    "set_user": ("/users/set", {"name": "ada", "weight": "2"}, "user set", "ada"),
    "unset_user": ("/users/unset", {"name": "ada"}, "user unset", "ada"),
    "command_workers": ("/workers/tell/quiet", {"name": "w"}, "worker quiet", "w"),
    "forget_worker": ("/workers/w/forget", {}, "worker forget", "w"),
}  # fmt: skip


def _ann(_: object) -> Access:
    return Access("ann", Role.ADMIN, shows_data=True)


def newest(client: Client) -> AuditEntry:
    return client.audit.page(count=1).entries[0]


@pytest.fixture
def names(client: Client) -> dict[str, str]:
    """Put what the forms change; return what stands for the words in capitals."""
    return prepare(client)


def test_every_view_that_takes_a_form_is_tried_here(client: Client) -> None:
    views = {
        rule.endpoint.removeprefix("qless_py.")
        for rule in create_app(client).url_map.iter_rules()
        if rule.endpoint.startswith("qless_py.") and "POST" in (rule.methods or ())
    }

    assert views - {"unknown"} == set(CHANGES), "add a form to CHANGES"


@pytest.mark.parametrize("view", CHANGES)
def test_a_change_is_recorded_with_who_and_what(
    client: Client, visit: Callable[..., Visitor], names: dict[str, str], view: str
) -> None:
    path, fields, action, target = CHANGES[view]
    path = "/".join(names.get(part, part) for part in path.split("/"))

    visitor = visit(auth=[_ann])
    if view == "edit_recurring":
        fields = {**shown(visitor, "/recurring/tick"), **fields}

    answer = visitor.post(path, **fields)

    assert answer.status_code == 303, answer.text
    found = newest(client)
    assert (found.who, found.role, found.door) == ("ann", "admin", "dashboard")
    assert (found.action, found.outcome) == (action, "done")
    assert found.targets[:1] == ((names.get(target, target),) if target else ())


@pytest.mark.usefixtures("names")
def test_the_number_of_changed_jobs_is_recorded(client: Client, visitor: Visitor) -> None:
    visitor.post("/jobs/chosen", action="tag", value="seen", jid=["waits", "fails", "nobody"])

    found = newest(client)
    assert (found.action, found.count) == ("job tag", 2)


@pytest.mark.usefixtures("names")
def test_a_refusal_is_recorded_with_its_reason(client: Client, visitor: Visitor) -> None:
    visitor.post("/jobs/waits/timeout")

    found = newest(client)
    assert (found.outcome, found.action, found.count) == ("refused", "job timeout", None)
    assert "not currently running" in found.result


@pytest.mark.usefixtures("names")
def test_asking_for_confirmation_and_wrong_fields_are_not_recorded(
    client: Client, visitor: Visitor, visit: Callable[..., Visitor]
) -> None:
    visitor.post("/jobs/waits/cancel", confirmed=False)
    visitor.post("/put", queue="a b", klass="K")
    visit(auth=[lambda _: Access("eve", Role.VIEWER)]).post("/jobs/waits/cancel")

    assert client.audit.page().entries == []


@pytest.mark.usefixtures("names")
def test_data_and_secrets_are_not_recorded(client: Client, visitor: Visitor) -> None:
    visitor.post("/put", queue="mail", klass="K", data='{"pin": 4711}')
    assert newest(client).details == "queue=mail  klass=K  data=…"

    visitor.post("/queues/mail/pause", reason="token=abc expired")
    assert newest(client).details == "reason=token=••• expired"
