"""Lists of jobs: matches of a search, by state, tracked, and with a tag."""

from __future__ import annotations

import re
from typing import Any, Final

from flask import jsonify, redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.guard import RequestRejected
from qless_py.auth.identity import Role
from qless_py.client import serialize
from qless_py.client.job import Job
from qless_py.client.search import MAX_LENGTH, STATES, SearchError
from qless_py.dashboard import commands, completion, context, flash, search_form
from qless_py.dashboard.actions import perform, requires
from qless_py.dashboard.context import LISTED_DATA, client, find_jobs, link, redactor
from qless_py.dashboard.errors import wants_json
from qless_py.dashboard.paging import (
    counted_before,
    page_cursor,
    page_number,
    page_offset,
    page_size,
)

_BUDGET: Final = 5_000  # Jobs that a page searches; a link continues the search.
_TAGS_PER_PAGE: Final = 100
_STATE: Final = re.compile(r"(?:^|(?<=\s))state:\S*")


def jobs() -> str | tuple[str, int] | Response:
    text = request.args.get("q", "").strip()
    if added := [one for one in request.args.getlist("add") if one]:
        return redirect(link("jobs", q=search_form.with_terms(text, added)))
    found, error, status = None, None, 200
    before = {"searched": 0, "found": 0}
    try:
        if hidden := redactor():
            hidden.check_search(text)
        size, cursor = page_size(), page_cursor()
        if cursor is not None:
            before = {name: counted_before(name) for name in before}
        found = client().jobs.search(
            text, limit=size, cursor=cursor, budget=_BUDGET, data_limit=LISTED_DATA
        )
    except SearchError as search_error:
        if wants_json():
            raise
        error, status = search_error, 422
    if found is not None and wants_json():
        rows = [serialize.outline(job) for job in found.jobs]
        return jsonify({"jobs": rows, "looked_at": found.scanned, "cursor": found.cursor})
    form = {} if found is None else _form(text, found.jobs)
    page = render_template(
        "qless_py/jobs.html", text=text, found=found, error=error, tabs=_tabs(text),
        searched=before["searched"] + (found.scanned if found else 0), found_before=before["found"],
        commands=commands.of_search(text), **form,
    )  # fmt: skip
    return page, status


def _form(text: str, jobs: list[Job]) -> dict[str, Any]:
    """Return the template variables of the form of a valid search."""
    return {
        "chips": search_form.chips(text),
        "menus": search_form.menus(jobs),
        "state": search_form.only_state(text),
    }


def complete_search() -> Response:
    """Return what can stand at a position of a search, for the list below the field."""
    text = request.args.get("q", "")[:MAX_LENGTH]
    at = page_number("at", len(text), 0, len(text))
    found = completion.complete(text, at)
    return jsonify({"start": found.start, "end": found.end, "options": found.options})


def _tabs(text: str) -> list[tuple[str, str, bool, int | None]]:
    """Return the states as tabs: label, URL of the same search in it, whether it is shown, count.

    The counts are those of all jobs, so they are left out of a search for some of them.
    """
    rest = " ".join(_STATE.sub(" ", text).split())
    given = _STATE.search(text)
    snapshot = context.snapshot()
    counts = {**snapshot.totals, "failed": snapshot.failed, "complete": snapshot.complete}
    found: list[tuple[str, str, bool, int | None]] = [
        ("All", link("jobs", q=rest or None), given is None, None)
    ]
    for state in STATES:
        term = f"state:{state}"
        url = link("jobs", q=f"{term} {rest}".strip())
        is_here = given is not None and given[0].strip() == term
        found.append((state.capitalize(), url, is_here, None if rest else counts[state]))
    return [*found, ("Canceled", link("canceled"), False, None)]


def completed() -> Response:
    """Redirect a link to the list that completed jobs once had."""
    return redirect(link("jobs", q="state:complete"))


def tracked() -> str:
    offset, size = page_offset(), page_size()
    found = client().run(protocol.jobs.tracked(offset, size, LISTED_DATA))
    return render_template(
        "qless_py/tracked.html", jobs=[Job(client(), record) for record in found.jobs],
        expired=found.expired, total=found.total, offset=offset, size=size, states=STATES,
        commands=commands.of_page("tracked"),
    )  # fmt: skip


def tags() -> str:
    offset = page_offset()
    rows = client().tag_counts(offset, _TAGS_PER_PAGE)
    return render_template(
        "qless_py/tags.html", rows=rows, offset=offset, size=_TAGS_PER_PAGE,
        total=offset + len(rows) + (len(rows) == _TAGS_PER_PAGE), commands=commands.of_page("tags"),
    )  # fmt: skip


def tag(name: str) -> str | Response:
    offset, size = page_offset(), page_size()
    found = client().jobs.tagged(name, offset, size)
    if not found["total"]:
        if flash.is_pending():
            # The last action has removed the tag from its last job.
            return redirect(link("tags"))
        raise RequestRejected(404, "tag-not-found", f"no job has the tag {name}")
    return render_template(
        "qless_py/job_list.html", title=f"Tagged {name}", jobs=find_jobs(found["jobs"]),
        offset=offset, size=size, total=found["total"], commands=commands.of_page("tag", name),
        search=search_form.search_for(tag=name),
    )  # fmt: skip


@requires(Role.OPERATOR)
def untrack_expired(jid: str) -> Response:
    """Untrack a job that does not exist any more."""

    def act() -> str:
        client().untrack(jid)
        return f"Job {jid} is no longer tracked"

    return perform(f"untrack of {jid}", act)


ROUTES: Final = (
    ("GET", "/jobs", jobs),
    ("GET", "/search/complete", complete_search),
    ("GET", "/completed", completed),
    ("GET", "/tracked", tracked),
    ("GET", "/tags", tags),
    ("GET", "/tags/<name>", tag),
    ("POST", "/jobs/<jid>/untrack-gone", untrack_expired),
)
