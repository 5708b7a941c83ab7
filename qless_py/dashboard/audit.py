"""Record the changes that come through the dashboard: who requested what, and what came of it.

`pages.register` wraps every view that takes a POST, so no action can be left out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from flask import g, request

from qless_py.auth.audit_log import LOGGER
from qless_py.client import audited as entries
from qless_py.client import redaction
from qless_py.dashboard.context import access, client
from qless_py.errors import BadArgumentError, ConfigError, JobNotFoundError, QlessError
from qless_py.protocol.audit import AuditEntry

View = Callable[..., Any]
_REFUSED: Final = "refused: "
_MISTAKES: Final = (BadArgumentError, ConfigError, JobNotFoundError)
# Fields of forms that name what is changed, and those that only lead through the pages.
_TARGETS: Final = ("jid", "name", "names", "option", "group")
_OF_PAGES: Final = frozenset({"confirmed", "form_token", "back", "typed", "do", "action"})


def audit(action: str, outcome: str) -> None:
    """Log who did what from which address, and keep the outcome for the audit log."""
    g.qless_py_outcome = outcome
    LOGGER.info(
        "%s: user=%s address=%s result=%s",
        _single_line(action),
        _single_line(access().name),
        request.remote_addr,
        _single_line(outcome),
    )


def audit_refusal(action: str, error: QlessError) -> None:
    """Log that an action was refused; a mistake in a form is not in the audit log."""
    audit(action, f"{_REFUSED}{error}")
    if isinstance(error, _MISTAKES):
        g.qless_py_outcome = None


def counted(number: int) -> None:
    """Say how many things the action of this request has changed."""
    g.qless_py_count = number


def audited(view: View) -> View:
    """Return a view that records what it did; one that only asks for confirmation did nothing."""

    @functools.wraps(view)
    def called(**values: str) -> Any:
        try:
            response = view(**values)
        except QlessError as error:
            if not isinstance(error, _MISTAKES):
                _record(view.__name__, values, f"{_REFUSED}{error}")
            raise
        outcome = g.get("qless_py_outcome")
        if outcome is not None:
            _record(view.__name__, values, outcome)
        return response

    return called


def _record(view: str, values: dict[str, str], outcome: str) -> None:
    form = request.form
    path = {name: value for name, value in values.items() if name != "what"}
    named = [form.getlist(name) for name in _TARGETS]
    rest = {
        name: ", ".join(form.getlist(name))
        for name in form
        if name not in _TARGETS and name not in _OF_PAGES
    }
    sender, is_refused = access(), outcome.startswith(_REFUSED)
    targets = entries.names_of([*path.values(), *named])
    count = g.get("qless_py_count", 1 if len(targets) == 1 else None)
    entry = AuditEntry(
        who=sender.name,
        role=sender.role.name.lower(),
        door="dashboard",
        address=request.remote_addr or "",
        action=entries.action_of_route(view, values.get("what") or _verb(view)),
        targets=targets,
        details=entries.details_of(rest),
        count=None if is_refused else count,
        outcome="refused" if is_refused else "done",
        result=entries.text_of(outcome.removeprefix(_REFUSED)),
    )
    entries.record(client(), entry)


def _verb(view: str) -> str | None:
    """Return the verb of a view whose form chooses between several."""
    if view == "set_config":
        return "unset" if request.form.get("do") == "unset" else "set"
    return request.form.get("action") or None


def _single_line(text: str) -> str:
    """Bound a text and remove line breaks, so that it cannot forge a log line of its own."""
    bounded = redaction.truncate(text, 1_000)
    return "".join(one if one.isprintable() else " " for one in bounded)
