"""Canceled jobs: those that are kept for a while, one of them, restore and delete."""

from __future__ import annotations

import shlex
from typing import Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py.auth.identity import Role
from qless_py.client import bulk
from qless_py.client.humanize import plural
from qless_py.dashboard import commands, flash
from qless_py.dashboard.actions import Confirmation, perform, refuse, requires
from qless_py.dashboard.context import client, link
from qless_py.dashboard.paging import page_cursor, page_size
from qless_py.errors import BadArgumentError, JobNotFoundError
from qless_py.protocol.canceled import FILTERS

_MAX_LISTED: Final = 50


def canceled() -> str | tuple[str, int]:
    text = request.args.get("q", "").strip()
    found, error, status = None, None, 200
    try:
        found = client().canceled.page(page_cursor(), page_size(), **_filters(text))
    except BadArgumentError as wrong:
        error, status = str(wrong), 422
    page = render_template(
        "qless_py/canceled.html", text=text, found=found, error=error, cursor=page_cursor(),
        commands=commands.of_page("canceled"),
    )  # fmt: skip
    return page, status


def _filters(text: str) -> dict[str, str]:
    """Read `field:pattern` terms; a word without a field is a pattern of the jid."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadArgumentError(f"the search cannot be read: {error}") from error
    found: dict[str, str] = {}
    for word in words:
        field, colon, value = word.partition(":")
        if not colon:
            field, value = "jid", word
        if field not in FILTERS:
            raise BadArgumentError(f"unknown field {field!r}; expected {', '.join(FILTERS)}")
        found[field] = value
    return found


def canceled_job(jid: str) -> str | Response:
    found = client().canceled.get(jid)
    if found is None:
        if client().jobs[jid] is not None:
            return redirect(link("job", jid=jid))
        raise JobNotFoundError(f"No canceled job has the jid {jid}")
    return render_template(
        "qless_py/canceled_job.html", job=found, listed=_MAX_LISTED,
        together=[jid, *found.awaits, *found.dependents][:_MAX_LISTED],
        commands=commands.of_page("canceled_job", jid),
    )  # fmt: skip


@requires(Role.OPERATOR)
def restore_canceled() -> Response:
    """Restore the selected canceled jobs, each judged by itself."""
    jids = _chosen()
    audited = f"restore of {plural(len(jids), 'canceled job')}"
    if not jids:
        return refuse(audited, BadArgumentError("select at least one job"))

    def act() -> str:
        found = client().canceled.restore_each(*jids)
        flash.add_refusals(found.refused.values())
        return f"Restored {len(found.jids)} of {plural(len(jids), 'job')}"

    only = jids[0] if len(jids) == 1 else ""
    gone = link("canceled_job", jid=only) if only else None
    return perform(audited, act, gone=gone, instead=link("job", jid=only) if only else None)


@requires(Role.OPERATOR)
def delete_canceled() -> str | Response:
    """Delete the copies of the selected canceled jobs, after asking."""
    jids = _chosen()
    audited = f"delete of {plural(len(jids), 'canceled job')}"
    if not jids:
        return refuse(audited, BadArgumentError("select at least one job"))
    confirmation = Confirmation(
        f"Delete {plural(len(jids), 'canceled job')}",
        "The copies are deleted with their data, and cannot be restored then.",
        f"Delete {plural(len(jids), 'job')}",
        len(jids),
        commands.command("canceled", "delete", *jids, "--yes"),
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        return f"Deleted {plural(client().canceled.delete(*jids), 'canceled job')}"

    gone = link("canceled_job", jid=jids[0])
    return perform(audited, act, gone=gone, instead=link("canceled"))


@requires(Role.OPERATOR)
def undo_selected(name: str) -> Response:
    """Undo an action on selected jobs."""

    def act() -> str:
        outcome = bulk.undo(client(), name)
        flash.add_refusals(outcome.errors.values())
        total = outcome.done + len(outcome.errors)
        return (
            f"Undone for {outcome.done} of {plural(total, 'job')}" if total else "Nothing to undo"
        )

    return perform("undo", act)


def _chosen() -> list[str]:
    """Return the jid of the row whose button was used, or those of the selected rows."""
    given = [request.form["only"]] if request.form.get("only") else request.form.getlist("jid")
    return list(dict.fromkeys(jid for jid in given if jid))


ROUTES: Final = (
    ("GET", "/canceled", canceled),
    ("GET", "/canceled/<jid>", canceled_job),
    ("POST", "/canceled/restore", restore_canceled),
    ("POST", "/canceled/delete", delete_canceled),
    ("POST", "/undo/<name>", undo_selected),
)
