"""A form to put a job."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any, Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard import commands, notes
from qless_py.dashboard.access import Role
from qless_py.dashboard.actions import audit, requires
from qless_py.dashboard.context import access, client, dashboard
from qless_py.dashboard.pages.job import load
from qless_py.dashboard.view import Words
from qless_py.errors import QlessError, UndecodableDataError


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"this is a number, not {text!r}") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"this is a whole number, not {text!r}") from None


def _data(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"this is not JSON: {error}") from None


def _names(text: str) -> list[str]:
    return text.replace(",", " ").split()


# Each field of the form, and how its text is read; an empty one is not given.
_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "queue": str,
    "klass": str,
    "data": _data,
    "jid": str,
    "delay": _number,
    "priority": _number,
    "retries": _whole,
    "tags": _names,
    "depends": _names,
    "user": str,
    "throttles": _names,
}
_LONGEST: Final = 100_000
_NEEDED: Final = ("queue", "klass")


def put_job() -> str:
    """Show the form, filled in as the address says."""
    jid = request.args.get("from")
    if jid is not None:
        return _form(*_like(jid))
    return _form({name: request.args.get(name, "") for name in _READERS}, {})


def _like(jid: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Fill the form with what another job was put with, but for its jid."""
    found = load(jid)
    like = f"As {jid} was put; it gets a jid of its own."
    data = "{}"
    if not access().shows_data:
        like += " Its data is left out, for parts of it are hidden from you."
    elif len(found.raw) > _LONGEST:
        like += " Its data is too long for a form."
    else:
        try:
            data = commands.data_of(found)
        except (ValueError, UndecodableDataError) as error:
            like += f" Its data is left out: {error}"
    given = {
        "queue": found.queue_name, "klass": found.klass_name, "data": data,
        "priority": f"{found.priority:g}" if found.priority else "",
        "retries": str(found.original_retries), "tags": " ".join(found.tags),
        "user": found.user or "", "throttles": " ".join(found.throttles),
    }  # fmt: skip
    return {name: given.get(name, "") for name in _READERS}, {}, like


@requires(Role.OPERATOR)
def put_job_now() -> tuple[str, int] | Answer:
    """Put the job, or show the form with what is wrong beside each field."""
    given = {name: request.form.get(name, "").strip() for name in _READERS}
    options, errors = _read(given)
    if errors:
        return _form(given, errors), 422
    queue, klass = options.pop("queue"), options.pop("klass")
    try:
        jid = client().queues[queue].put(klass, **options)
    except QlessError as error:
        return _form(given, {_field_of(str(error)): str(error)}), 422
    audit("a put", f"{jid} in {queue}")
    notes.say(f"{jid} is put into {queue}")
    return redirect(Words(dashboard()).link("job", jid=jid), 303)


def _read(given: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    options: dict[str, Any] = {}
    errors = {name: "this is needed" for name in _NEEDED if not given[name]}
    for name, text in given.items():
        try:
            if text:
                options[name] = _READERS[name](text)
        except ValueError as error:
            errors[name] = str(error)
    return options, errors


def _field_of(message: str) -> str:
    """Find the field that a refusal of the core is about; each begins with its word."""
    first = message.split(" ", 1)[0].strip(":'\"")
    return first if first in _READERS else "queue"


def _form(given: dict[str, str], errors: dict[str, str], like: str = "") -> str:
    queues = [row["name"] for row in dashboard().snapshots.get().queues]
    return render_template(
        "qless_py/put.html",
        given=given,
        errors=errors,
        queues=queues,
        shell=shlex.join(commands.of_put(given)),
        like=like,
    )


ROUTES: Final = (
    ("GET", "/put", put_job),
    ("POST", "/put", put_job_now),
)
