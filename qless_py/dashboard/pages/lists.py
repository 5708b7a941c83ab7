"""Lists of jobs that have something in common: found, complete, tracked, tagged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import jsonify, render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.client.job import Job
from qless_py.client.search import STATES, SearchError, parse
from qless_py.dashboard import commands
from qless_py.dashboard.actions import perform, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import access, client, dashboard
from qless_py.dashboard.errors import wants_json
from qless_py.dashboard.paging import offset_of, size_of
from qless_py.protocol import reads

_BUDGET: Final = 5_000  # Jobs that a page looks at; a link goes on behind them.


def jobs_of(jids: Sequence[str]) -> list[Job]:
    """Read jobs in that order, without those that are gone."""
    return [job for job in client().jobs.get(*jids) if isinstance(job, Job)]


def jobs() -> str | tuple[str, int] | Answer:
    text = request.args.get("q", "").strip()
    found, refused, status = None, None, 200
    try:
        cursor = request.args.get("cursor") or None
        check_search(text)
        found = client().jobs.search(text, limit=size_of(), cursor=cursor, budget=_BUDGET)
    except SearchError as error:
        if wants_json():
            raise
        refused, status = error, 422
    if found is not None and wants_json():
        shapes = [_shape(job) for job in found.jobs]
        return jsonify({"jobs": shapes, "looked_at": found.scanned, "cursor": found.cursor})
    page = render_template(
        "qless_py/jobs.html",
        text=text,
        found=found,
        refused=refused,
        commands=commands.of_search(text),
    )
    return page, status


def _shape(job: Job) -> dict[str, Any]:
    """Say which job it is, as `qless-py jobs --json` does; its data stay on its page."""
    return {
        "jid": job.jid,
        "klass": job.klass_name,
        "queue": job.queue_name or None,
        "state": job.state,
        "priority": job.priority,
        "tags": job.tags,
        "user": job.user,
    }


def check_search(text: str) -> None:
    """Refuse to look into data for who may not see all of it: it could be guessed bit by bit.

    Raises `SearchError`.
    """
    if access().shows_data or not dashboard().config.redact:
        return
    if any(term.field in {"data", "text", "error"} for term in parse(text)):
        raise SearchError(
            "data and errors may not be searched by those from whom parts of them are hidden; "
            "name a field, such as jid:NAME or queue:NAME"
        )


def completed() -> str:
    offset, size = offset_of(), size_of()
    jids = client().jobs.complete(offset, size)
    return _page(
        "Completed", jobs_of(jids), offset=offset, more=len(jids) == size,
        commands=commands.of_completed(),
    )  # fmt: skip


def tracked() -> str:
    offset, size = offset_of(), size_of()
    found = client().run(reads.tracked(offset, size))
    return render_template(
        "qless_py/tracked.html", jobs=[Job(client(), record) for record in found.jobs],
        gone=found.expired, total=found.total, offset=offset, size=size, states=STATES,
        commands=commands.of_tracked(),
    )  # fmt: skip


def tags() -> str:
    offset, size = offset_of(), 100
    rows = client().tag_counts(offset, size)
    return render_template(
        "qless_py/tags.html", rows=rows, offset=offset, size=size, commands=commands.of_tags()
    )


def tag(name: str) -> str:
    offset, size = offset_of(), size_of()
    found = client().jobs.tagged(name, offset, size)
    return _page(
        f"Tagged {name}", jobs_of(found["jobs"]), offset=offset, total=found["total"],
        commands=commands.of_tag(name),
    )  # fmt: skip


@requires(Role.OPERATOR)
def forget_tracked(jid: str) -> Answer:
    def act() -> str:
        client().untrack(jid)
        return f"{jid} is not tracked any more"

    return perform(f"untrack of {jid}", act)


def _page(title: str, jobs: list[Job], **more: Any) -> str:
    size = size_of()
    total = more.pop("total", None)
    if total is None:
        total = more["offset"] + len(jobs) + (1 if more.pop("more", False) else 0)
    return render_template(
        "qless_py/list.html", title=title, jobs=jobs, total=total, size=size, **more
    )


def page_size() -> int:
    """Give the number of rows of a page that nobody asked otherwise."""
    return dashboard().config.page_size


ROUTES: Final = (
    ("GET", "/jobs", jobs),
    ("GET", "/completed", completed),
    ("GET", "/tracked", tracked),
    ("GET", "/tags", tags),
    ("GET", "/tags/<name>", tag),
    ("POST", "/jobs/<jid>/untrack-gone", forget_tracked),
)
