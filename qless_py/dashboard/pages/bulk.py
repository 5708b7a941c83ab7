"""Bulk actions: on the selected rows of a list, or on every match of a search, with progress."""

from __future__ import annotations

from typing import Any, Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py.client import bulk
from qless_py.client.humanize import plural
from qless_py.client.search import STATES
from qless_py.dashboard import commands, flash
from qless_py.dashboard.actions import Confirmation, audit, perform, requires
from qless_py.dashboard.alerts import LOST_AFTER
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import access, client, dashboard, link, redactor
from qless_py.dashboard.forms import parse_field, parse_names, parse_number, text_field
from qless_py.errors import BadArgumentError

_MAX_REFUSALS: Final = 5
# What each action does to jobs, for the confirmation; and its past participle, for the result.
_EFFECTS: Final = {
    "cancel": "deleted with their data",
    "retry": "put back into their queues; failed jobs get all their retries back",
    "move": "moved to another queue",
    "timeout": "taken from their workers and run next",
    "priority": "given another priority",
    "tag": "tagged",
    "untag": "untagged",
}
_DONE: Final = {
    "cancel": "Canceled", "retry": "Retried", "move": "Moved", "timeout": "Timed out",
    "priority": "Changed the priority of", "tag": "Tagged", "untag": "Untagged",
}  # fmt: skip


@requires(Role.OPERATOR)
def change_selected() -> str | Response:
    """Change the selected jobs; those that have left the state of the list are refused."""
    action = _action()
    jids = list(dict.fromkeys(jid for jid in request.form.getlist("jid") if jid))
    state = request.form.get("state", "")
    states = [state] if state in STATES else []

    def act() -> str:
        if not jids:
            raise BadArgumentError("select at least one job")
        outcome = bulk.apply(client(), bulk.store_action(action, states, **_params(action)), jids)
        refusals = [str(error) for error in outcome.errors.values()]
        for text in refusals[:_MAX_REFUSALS]:
            flash.add(text, "refused")
        if len(refusals) > _MAX_REFUSALS:
            flash.add(f"and {len(refusals) - _MAX_REFUSALS} more refused", "refused")
        return f"{_DONE[action]} {outcome.done} of {plural(len(jids), 'job')}"

    if jids and action in {"cancel", "timeout"}:
        confirmation = Confirmation(
            f"{action.capitalize()} {plural(len(jids), f'{state} job'.strip())}",
            f"The selected jobs are {_EFFECTS[action]}.",
            f"{action.capitalize()} {plural(len(jids), 'job')}",
            len(jids),
            commands.bulk(action, jids, {}),
        )
        if not confirmation.is_given:
            return confirmation.page()
    return perform(f"{action} of {plural(len(jids), 'selected job')}", act)


def operations() -> str:
    return render_template(
        "qless_py/operations.html", rows=client().operations.recent(), has_worker=_has_worker(),
        commands=commands.of_page("operations"),
    )  # fmt: skip


def operation(jid: str) -> str:
    found = client().operations[jid]
    return render_template(
        "qless_py/operation.html", operation=found, has_worker=_has_worker(),
        commands=commands.of_operation(jid, is_over=found.is_over),
    )  # fmt: skip


@requires(Role.OPERATOR)
def start_operation() -> str | Response:
    """Count the matches of a search, ask for confirmation, then let the workers change them."""
    action, search = _action(), text_field("q")
    if hidden := redactor():
        hidden.check_search(search)
    params = _params(action)
    number, is_all = bulk.count(client(), search)
    matches = plural(number, "job") if is_all else f"at least {plural(number, 'job')}"
    confirmation = Confirmation(
        f"{action.capitalize()} all matches",
        f"All jobs that match {search or 'everything'!r}, {matches}, are {_EFFECTS[action]}. "
        "Workers do this in slices and check each job again when its turn comes.",
        f"{action.capitalize()} {'all' if not is_all else plural(number, 'job')}",
        number,
        commands.in_background(action, search, params),
        typed="everything" if not search else None,
    )
    if not confirmation.is_given:
        return confirmation.page()
    jid = client().operations.start(action, search, by=access().name, **params)
    audit(f"operation {action}", f"{jid} on {search!r}")
    flash.add(f"Operation {jid} started")
    return redirect(link("operation", jid=jid), 303)


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
    if action == "move":
        return {"queue": text_field("value")}
    if action == "priority":
        return {"priority": parse_field("value", parse_number, is_required=True)}
    if action in {"tag", "untag"}:
        return {"tags": parse_names(text_field("value"))}
    return {}


def _has_worker() -> bool:
    """Return whether a live worker is there to carry out operations."""
    snapshot = dashboard().snapshots.get()
    return any(snapshot.at - worker["seen_at"] <= LOST_AFTER for worker in snapshot.workers)


ROUTES: Final = (
    ("POST", "/jobs/chosen", change_selected),
    ("GET", "/operations", operations),
    ("GET", "/operations/<jid>", operation),
    ("POST", "/operations", start_operation),
    ("POST", "/operations/<jid>/abort", abort_operation),
)
