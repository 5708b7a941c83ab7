"""Bulk actions on all that a search finds: count first, then progress and refusals."""

from __future__ import annotations

from typing import Any, Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.client import bulk as core
from qless_py.dashboard import commands
from qless_py.dashboard import flash as notes
from qless_py.dashboard.actions import Effect, ask, audit, is_confirmed, perform, requires
from qless_py.dashboard.alerts import LOST
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import access, client, dashboard
from qless_py.dashboard.pages.lists import check_search
from qless_py.dashboard.template_helpers import Words
from qless_py.errors import BadArgumentError

DONE: Final = {
    "cancel": "are deleted with their data",
    "retry": "wait in their queues again, failed ones with all their retries",
    "move": "go to another queue",
    "timeout": "are taken from their workers and go first in their queues",
    "priority": "get another priority",
    "tag": "are tagged",
    "untag": "lose tags",
}


def operations() -> str:
    return render_template(
        "qless_py/operations.html", rows=client().operations.recent(), has_worker=_has_worker(),
        commands=commands.of_operations(),
    )  # fmt: skip


def operation(jid: str) -> str:
    found = client().operations[jid]
    return render_template(
        "qless_py/operation.html", one=found, has_worker=_has_worker(),
        commands=commands.of_operation(jid, is_over=found.is_over),
    )  # fmt: skip


@requires(Role.OPERATOR)
def start_operation() -> str | Answer:
    action, search = request.form.get("action", ""), request.form.get("q", "").strip()
    if action not in core.ACTIONS:
        raise BadArgumentError(f"there is no action {action!r}")
    check_search(search)
    params = params_of(action)
    number, is_all = core.count(client(), search)
    least = "" if is_all else "at least "
    effect = Effect(
        f"{action.capitalize()} everything that matches",
        f"{least}{number} jobs that match {search or 'everything'!r} {DONE[action]}. The workers "
        "do it in slices; each job is judged again when its turn comes.",
        f"{action.capitalize()} them",
        number,
        commands.in_background(action, search, params),
        typed="everything" if not search else None,
    )
    if not is_confirmed(effect):
        return ask(effect)
    jid = client().operations.start(action, search, by=access().name, **params)
    audit(f"an operation {action}", f"{jid} on {search!r}")
    notes.say(f"{jid} has begun")
    return redirect(Words(dashboard()).link("operation", jid=jid), 303)


@requires(Role.OPERATOR)
def abort_operation(jid: str) -> Answer:
    def act() -> str:
        return f"{jid} ends after {client().operations.abort(jid).done} jobs"

    return perform(f"abort of {jid}", act)


def params_of(action: str) -> dict[str, Any]:
    value = request.form.get("value", "").strip()
    if action == "move":
        return {"queue": value}
    if action == "priority":
        try:
            return {"priority": float(value)}
        except ValueError:
            raise BadArgumentError(f"a priority is a number, not {value!r}") from None
    if action in {"tag", "untag"}:
        return {"tags": value.replace(",", " ").split()}
    return {}


def _has_worker() -> bool:
    """Tell whether anybody is there to carry operations out."""
    snapshot = dashboard().snapshots.get()
    return any(snapshot.at - worker["seen_at"] <= LOST for worker in snapshot.workers)


ROUTES: Final = (
    ("GET", "/operations", operations),
    ("GET", "/operations/<jid>", operation),
    ("POST", "/operations", start_operation),
    ("POST", "/operations/<jid>/abort", abort_operation),
)
