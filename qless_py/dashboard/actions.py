"""Changes that people ask for: who may, what is asked back first, where it leads afterwards."""

from __future__ import annotations

import functools
import logging
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard import flash as notes
from qless_py.dashboard import redaction as shown
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.auth.guard import Refusal
from qless_py.dashboard.context import access, dashboard
from qless_py.errors import QlessError

logger = logging.getLogger("qless_py.dashboard.audit")

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
CONFIRMED: Final = "confirmed"


def requires(role: Role) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Let only people of at least this role use a view."""

    def wrap(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @functools.wraps(view)
        def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            if not access().may(role):
                raise Refusal(403, "forbidden", f"this needs the role {role.name.lower()}")
            return view(*args, **kwargs)

        return checked

    return wrap


@dataclass(frozen=True, slots=True)
class Effect:
    """What an action would do, in words: asked back before it is done.

    `count` jobs or other things are touched; `command` is the same on the command line. `typed`, if
    given, must be typed by the person, because there is no way back.
    """

    title: str
    sentence: str
    button: str
    count: int | None = None
    command: Sequence[str] = ()
    typed: str | None = None

    @property
    def shell(self) -> str:
        """The command as one types it."""
        return shlex.join(self.command)


def is_confirmed(effect: Effect) -> bool:
    """Tell whether the person has seen what will happen and wants it."""
    if request.form.get(CONFIRMED) != "yes":
        return False
    return effect.typed is None or request.form.get("typed", "").strip() == effect.typed


def ask(effect: Effect) -> str:
    """Show what would happen, with the form again and a button."""
    skipped = {CONFIRMED, "form_token", "typed"}
    fields = [(key, one) for key, one in request.form.items(multi=True) if key not in skipped]
    is_wrong = request.form.get(CONFIRMED) == "yes"
    return render_template(
        "qless_py/confirm.html", effect=effect, fields=fields, back=back_to(), is_wrong=is_wrong
    )


def perform(
    what: str, act: Callable[[], str], *, ends: str | None = None, leads: str | None = None
) -> Answer:
    """Do it, note who did, and go back to where the person came from.

    `act` gives the sentence that the next page says. A refusal of the core is said there as well.
    `ends` is the address of a page that there will be no more; who was there is led to `leads`.
    """
    back = back_to()
    try:
        said = act()
    except QlessError as error:
        audit(what, f"refused: {error}")
        notes.say(str(error), "refused")
    else:
        audit(what, said)
        notes.say(said)
        if leads is not None and urlsplit(back).path == ends:
            back = leads
    return redirect(back, 303)


def audit(what: str, outcome: str) -> None:
    """Write down who did what, from where."""
    logger.info(
        "%s did %s from %s: %s",
        _in_a_line(access().name),
        _in_a_line(what),
        request.remote_addr,
        _in_a_line(outcome),
    )


def _in_a_line(text: str) -> str:
    """Bound a text and keep it from beginning a line of its own in the log."""
    return "".join(one if one.isprintable() else " " for one in shown.cut(text, 1_000))


def back_to() -> str:
    """Give the page of this dashboard that the form named, or the overview; never another site."""
    wanted = request.form.get("back") or request.args.get("back") or ""
    parts = urlsplit(wanted)
    root = url_for(f"{g.qless_py_blueprint}.overview")
    is_ours = not parts.scheme and not parts.netloc and wanted.startswith(root)
    if is_ours and "\\" not in wanted and not wanted.startswith("//"):
        return wanted
    return root


def command(*words: Any) -> list[str]:
    """Give the command line that does the same, for the namespace of this dashboard."""
    client = dashboard().client
    known = [] if client.namespace == "ql" else ["--namespace", client.namespace]
    return ["qless-py", *(str(one) for one in words), *known]
