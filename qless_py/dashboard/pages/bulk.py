"""Bulk actions: on the selected rows of a list, or on every match of a search, with progress."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py.auth.identity import Role
from qless_py.client import bulk, bulk_preview
from qless_py.client.humanize import plural
from qless_py.client.operations import UNDOABLE
from qless_py.client.search import STATES
from qless_py.dashboard import commands, context, flash
from qless_py.dashboard.actions import Confirmation, perform, refuse, requires
from qless_py.dashboard.audit import audit, counted
from qless_py.dashboard.context import access, client, link, redactor
from qless_py.dashboard.forms import parse_field, parse_names, parse_number, text_field
from qless_py.errors import BadArgumentError, QlessError
from qless_py.overview.workers import LOST_AFTER

_DIGITS: Final = 12
_ASK_NUMBER: Final = 1_000  # Above so many jobs, the number must be typed.
# What each action does to jobs, for the confirmation; and its past participle, for the result.
_EFFECTS: Final = {
    "cancel": "deleted; copies are kept for a while, and can be restored",
    "retry": "put back into their queues; failed jobs get all their retries back",
    "move": "moved to the queue {}",
    "timeout": "taken from their workers and run next",
    "priority": "given the priority {}",
    "tag": "tagged {}",
    "untag": "no longer tagged {}",
}
_TITLES: Final = {
    "move": "Move all matches to {}",
    "priority": "Set the priority of all matches to {}",
    "tag": "Tag all matches {}",
    "untag": "Untag all matches {}",
}
_DONE: Final = {
    "cancel": "Canceled", "retry": "Retried", "move": "Moved", "timeout": "Timed out",
    "priority": "Changed the priority of", "tag": "Tagged", "untag": "Untagged",
}  # fmt: skip


@requires(Role.OPERATOR)
def change_selected() -> str | Response:
    """Change the selected jobs, or with `all` what the search of the list matches.

    Of the selected ones, those that have left the state of the list are refused.
    """
    if request.form.get("all") == "yes":
        return start_operation()
    name = _action()
    jids = list(dict.fromkeys(jid for jid in request.form.getlist("jid") if jid))
    state = request.form.get("state", "")
    audited = f"{name} of {plural(len(jids), 'selected job')}"
    if not jids:
        return refuse(audited, BadArgumentError("select at least one job"))
    try:
        params, states = _params(name), [state] if state in STATES else []
        undo = uuid.uuid4().hex if name in UNDOABLE else ""
        who = {"by": access().name, "reason": text_field("reason"), "undo": undo}
        action = bulk.store_action(name, states, **who, **params)
    except BadArgumentError as error:
        return refuse(audited, error)

    def act() -> str:
        outcome = bulk.apply(client(), action, jids)
        counted(outcome.done)
        flash.add_refusals(outcome.errors.values())
        return f"{_DONE[name]} {outcome.done} of {plural(len(jids), 'job')}"

    if name in {"cancel", "timeout"}:
        preview = bulk_preview.of_selected(context.client(), action, jids)
        confirmation = Confirmation(
            f"{name.capitalize()} {plural(len(jids), f'{state} job'.strip())}",
            f"Of the selected jobs {preview.jobs} will be {_EFFECTS[name]}. {preview.refusals}",
            f"{name.capitalize()} {preview.jobs}",
            preview.changed,
            commands.bulk(name, jids, {}),
            preview=preview,
            asks_reason=name == "cancel",
        )
        # If all are refused there is nothing to confirm: the next page says why.
        if preview.changed and not confirmation.is_given:
            return confirmation.page()
    return perform(audited, act, undo=undo)


def operations() -> str:
    return render_template(
        "qless_py/operations.html", rows=client().operations.recent(), has_worker=_has_worker(),
        commands=commands.of_page("operations"),
    )  # fmt: skip


def operation(jid: str) -> str:
    found = client().operations[jid]
    return render_template(
        "qless_py/operation.html", operation=found, has_worker=_has_worker(),
        undoable=client().operations.undoable(jid) if found.is_over else 0,
        commands=commands.of_operation(jid, is_over=found.is_over),
    )  # fmt: skip


@requires(Role.OPERATOR)
def start_operation() -> str | Response:
    """Count the matches of a search, ask for confirmation, then let the workers change them."""
    name, search = _action(), text_field("q")
    if hidden := redactor():
        hidden.check_search(search)
    try:
        params = _params(name)
        action = bulk.store_action(name, **params)
    except BadArgumentError as error:
        return refuse(f"operation {name}", error)
    preview = bulk_preview.of_search(context.client(), action, search)
    value = _value(params)
    confirmation = Confirmation(
        _TITLES.get(name, f"{name.capitalize()} all matches").format(value),
        f"Of the jobs that match {search or 'everything'!r}, {preview.jobs} will be "
        f"{_EFFECTS[name].format(value)}. {preview.refusals} "
        "Workers do this in slices and check each job again when its turn comes.",
        f"{name.capitalize()} {preview.jobs if preview.is_all else 'all'}",
        preview.changed,
        commands.in_background(name, search, params),
        typed=_typed(search, preview),
        is_undoable=name in UNDOABLE,
        preview=preview,
        asks_reason=name == "cancel",
    )
    if not confirmation.is_given:
        return confirmation.page()
    jid = client().operations.start(
        name,
        search,
        by=access().name,
        reason=text_field("reason"),
        expected=preview.examined if preview.is_all else None,
        **params,
    )
    audit(f"operation {name}", f"{jid} on {search!r}")
    flash.add(f"Operation {jid} started")
    return redirect(link("operation", jid=jid), 303)


def _typed(search: str, preview: bulk_preview.Preview) -> str | None:
    """Return what must be typed to confirm: the number of very many jobs, as it was shown."""
    if not search:
        return "everything"
    if preview.changed <= _ASK_NUMBER:
        return None
    shown = request.form.get("counted", "")
    # Jobs come and go between the question and its answer.
    is_number = shown.isascii() and shown.isdecimal() and int(shown[:_DIGITS]) > _ASK_NUMBER
    return shown if is_number else str(preview.changed)


@requires(Role.OPERATOR)
def undo_operation(jid: str) -> Response:
    """Start the operation that undoes another one, and show it."""
    try:
        started = client().operations.undo(jid, by=access().name)
    except QlessError as error:
        return refuse(f"undo of {jid}", error)
    audit(f"undo of {jid}", started)
    flash.add(f"Operation {started} undoes {jid}")
    return redirect(link("operation", jid=started), 303)


@requires(Role.OPERATOR)
def abort_operation(jid: str) -> Response:
    def act() -> str:
        done = client().operations.abort(jid).done
        return f"Operation {jid} aborted after {plural(done, 'job')}"

    return perform(f"abort of {jid}", act)


def _action() -> str:
    action = request.form.get("action", "")
    if action not in bulk.ACTIONS:
        raise BadArgumentError(f"unknown action {action!r}; expected {', '.join(bulk.ACTIONS)}")
    return action


def _params(action: str) -> dict[str, Any]:
    """Return the value of an action: each has a field of its own in the bar of a list."""
    if action == "move":
        return {"queue": text_field(_value_field(action))}
    if action == "priority":
        field = _value_field(action)
        return {"priority": parse_field(field, parse_number, is_required=True)}
    if action in {"tag", "untag"}:
        return {"tags": parse_names(text_field(_value_field(action)))}
    return {}


def _value_field(action: str) -> str:
    return action if action in request.form else "value"


def _value(params: Mapping[str, Any]) -> str:
    """Return the queue, priority or tags that an action gives to jobs, as text."""
    (value,) = params.values() or ("",)
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _has_worker() -> bool:
    """Return whether a live worker is there to carry out operations."""
    snapshot = context.snapshot()
    return any(snapshot.at - worker["seen_at"] <= LOST_AFTER for worker in snapshot.workers)


ROUTES: Final = (
    ("POST", "/jobs/chosen", change_selected),
    ("GET", "/operations", operations),
    ("GET", "/operations/<jid>", operation),
    ("POST", "/operations", start_operation),
    ("POST", "/operations/<jid>/abort", abort_operation),
    ("POST", "/operations/<jid>/undo", undo_operation),
)
