"""Changes that users request: required roles, confirmation, where to go afterwards."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py.auth.guard import RequestRejected
from qless_py.auth.identity import Role
from qless_py.client.bulk_preview import Preview
from qless_py.dashboard import flash
from qless_py.dashboard.audit import audit, audit_refusal
from qless_py.dashboard.context import access, link
from qless_py.errors import QlessError, StoreFullError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
CONFIRMED: Final = "confirmed"


def requires(role: Role) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Restrict a view to users with at least this role."""

    def wrap(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @functools.wraps(view)
        def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            if not access().may(role):
                message = f"this requires the role {role.name.lower()}"
                raise RequestRejected(403, "forbidden", message)
            return view(*args, **kwargs)

        return checked

    return wrap


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What an action will do, shown to the user before it is done.

    `count` is the number of jobs or other things affected, `command` the equivalent command line.
    `typed` is a text that the user must type: for actions that cannot be undone, unless
    `is_undoable`, and for those on very many jobs. `preview` shows which jobs are concerned;
    `asks_reason` adds a field for the reason of a cancellation.
    """

    title: str
    sentence: str
    button: str
    count: int | None = None
    command: Sequence[str] = ()
    typed: str | None = None
    is_undoable: bool = False
    preview: Preview | None = None
    asks_reason: bool = False

    @property
    def shell(self) -> str:
        """The command as typed in a shell."""
        return shlex.join(self.command)

    @property
    def is_given(self) -> bool:
        """Whether the submitted form confirms the action."""
        if request.form.get(CONFIRMED) != "yes":
            return False
        typed = request.form.get("typed", "").strip()
        return self.typed is None or typed.replace(",", "") == self.typed

    def page(self) -> str:
        """Return the page that asks for confirmation and submits the same form again."""
        skipped = {CONFIRMED, "form_token", "back", "typed", "reason", "counted"}
        return render_template(
            "qless_py/confirm.html",
            confirmation=self,
            fields=[pair for pair in request.form.items(multi=True) if pair[0] not in skipped],
            return_url=return_url(),
            is_wrong=request.form.get(CONFIRMED) == "yes",
            reason=request.form.get("reason", ""),
        )


def perform(
    action: str,
    act: Callable[[], str],
    *,
    gone: str | None = None,
    instead: str | None = None,
    undo: str = "",
) -> Response:
    """Perform an action, record it, and redirect to the page it was requested from.

    `act` returns the message for the next page, which also shows an error of the store. `gone` is
    the URL of a page that no longer exists afterwards: from there the user is sent to `instead`.
    `undo` is the name under which the action can be undone; the message gets a button for that.
    """
    target = return_url()
    try:
        message = act()
    except QlessError as error:
        return refuse(action, error)
    audit(action, message)
    flash.add(message, undo=undo)
    if instead is not None and urlsplit(target).path == gone:
        target = instead
    return redirect(target, 303)


def words(error: QlessError) -> str:
    """Return the message of an error, and for a full store what to do."""
    if isinstance(error, StoreFullError):
        return (
            "The store is full, so nothing was changed. New jobs are refused; existing ones still "
            "run and end. Free memory or raise maxmemory, then try again."
        )
    return str(error)


def refuse(action: str, error: QlessError) -> Response:
    """Refuse an action before it asks for confirmation; the page it came from shows the error."""
    audit_refusal(action, error)
    flash.add(words(error), "refused")
    return redirect(return_url(), 303)


def return_url() -> str:
    """Return the page of this dashboard that the form names, else the overview.

    Never returns a URL of another site.
    """
    wanted = request.form.get("back") or request.args.get("back") or ""
    root = link("overview")
    # A URL of one line that begins with one slash cannot have a host, and needs no parsing.
    is_ours = wanted.startswith(root) and not wanted.startswith("//")
    return wanted if is_ours and wanted.isprintable() and "\\" not in wanted else root
