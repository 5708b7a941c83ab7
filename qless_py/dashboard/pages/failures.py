"""Failures by group, and the jobs of one group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import redirect, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.identity import Role
from qless_py.client.failure_groups import MAX_EXAMINED, SORTS, FailureList
from qless_py.client.humanize import error_line, plural
from qless_py.client.search import quote
from qless_py.client.session import answered
from qless_py.dashboard import commands, flash
from qless_py.dashboard.actions import Confirmation, perform, refuse, requires
from qless_py.dashboard.context import LISTED_DATA, client, link, redactor
from qless_py.dashboard.forms import text_field
from qless_py.dashboard.paging import page_offset, page_size
from qless_py.dashboard.sparkline import sparkline
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.failures import SeenGroup

RANGES: Final = {"1h": 3600, "24h": 86400, "7d": 604800}
_ALL: Final = "all"
_TABS: Final = ("failed", "new", "seen")
# Rows of a page, unless the request says otherwise: it has 40 KB at most.
_GROUPS: Final = 20
_JOBS: Final = 15
_MAX_LINE: Final = 160  # Characters of the newest error in the list.
_MAX_CLUSTERS: Final = 10
_MAX_TEXT: Final = 255  # Characters that a filter may have.


@dataclass(frozen=True, slots=True)
class _Row:
    """A group as the list shows it."""

    group: SeenGroup
    is_new: bool
    line: str
    hours: Markup
    search: str


def failures() -> str:
    offset, size = page_offset(), _size(_GROUPS)
    tab, range_name, sort = _choice("tab", _TABS), _range(), _choice("sort", SORTS)
    text = request.args.get("q", "").strip()[:_MAX_TEXT]
    now = client().settings.clock()
    since = now - RANGES[range_name] if range_name in RANGES else 0.0
    found = client().failures.groups(
        since=since, seen=tab == "seen", new=tab == "new", text=text, sort=sort
    )
    rows = _rows(found, found.groups[offset : offset + size], range_name, now)
    return render_template(
        "qless_py/failures.html", rows=rows, found=found, offset=offset, size=size, text=text,
        tab=tab, sort=sort, range=range_name, total=len(found.groups),
        examined=min(found.total, MAX_EXAMINED),
        search=_search(range_name), ranges=(_ALL, *RANGES),
        commands=_list_commands(tab, range_name),
    )  # fmt: skip


def _size(most: int) -> int:
    """Return the number of rows asked for, by default at most so many."""
    return page_size() if "size" in request.args else min(page_size(), most)


def _choice(name: str, allowed: tuple[Any, ...]) -> Any:
    """Return a query parameter that is one of a few words, the first by default."""
    given = request.args.get(name)
    return given if given in allowed else allowed[0]


def _range() -> str:
    given = request.args.get("range", _ALL)
    return given if given in RANGES else _ALL


def _search(range_name: str, group: str | None = None) -> str:
    """Return the search for the failed jobs of a range, of one group or of all."""
    terms = ["state:failed"]
    terms += [] if group is None else [f"group:{quote(group)}"]
    return " ".join([*terms, *([f"failed:<{range_name}"] if range_name in RANGES else [])])


def _rows(found: FailureList, groups: list[SeenGroup], range_name: str, now: float) -> list[_Row]:
    """Return the groups of a page with the error of the newest job of each."""
    calls = [protocol.failures.texts(one.group, 0, 1) for one in groups]
    newest = [page.texts for page in answered(client().run_many(calls))] if calls else []
    hidden = redactor()
    shown = hidden.redact_text if hidden else str
    return [
        _Row(
            group=one,
            is_new=found.is_new(one),
            line=error_line(shown(texts[0].message))[:_MAX_LINE] if texts else "",
            hours=sparkline(one.hours(now), "failed"),
            search=_search(range_name, one.group),
        )
        for one, texts in zip(groups, newest, strict=True)
    ]


def _list_commands(tab: str, range_name: str) -> commands.Commands:
    options = [] if tab == "failed" else [f"--{tab}"]
    options += ["--within", range_name] if range_name in RANGES else []
    return [
        commands.command("failed", "groups", *options),
        commands.command(
            *("job", "retry", "--search", _search(range_name), "--in-background", "--yes")
        ),
        commands.command("deploy", "VERSION"),
    ]


def failure() -> str | tuple[str, int] | Response:
    group = request.args.get("group", "")
    if not group:
        return redirect(link("failures"))
    offset, size = page_offset(), _size(_JOBS)
    found = client().jobs.failed(group, offset, size, data_limit=LISTED_DATA)
    if not found["total"] and flash.is_pending():
        # The last action has emptied the group.
        return redirect(link("failures"))
    hidden = redactor()
    details = client().failures.group(group, redact=hidden.redact_text if hidden else str)
    known = client().failures.groups(seen=True, text=group)
    seen = next((one for one in known.groups if one.group == group), None)
    now = client().settings.clock()
    page = render_template(
        "qless_py/failure.html", group=group, jobs=found["jobs"], total=found["total"],
        offset=offset, size=size, search=_search(_ALL, group), recent=_search("1h", group),
        commands=commands.of_page("failure", group), details=details, seen=seen,
        is_new=seen is not None and known.is_new(seen), deploy=known.deploy,
        clusters=details.clusters[:_MAX_CLUSTERS],
        hours=sparkline(seen.hours(now), "failed") if seen else "",
        last_day=sum(seen.hours(now)) if seen else 0, sees_data=hidden is None,
        queues=sorted(name for name, _ in details.queues),
        facets=(
            ("Classes", _facet(details.klasses, group, "klass")),
            ("Queues", _facet(details.queues, group, "queue")),
            ("Workers", _facet(details.workers, group)),
        ),
    )  # fmt: skip
    return page if found["total"] or seen else (page, 404)


def _facet(
    values: list[tuple[str, int]], group: str, field: str = ""
) -> list[tuple[str, int, str]]:
    """Return values with their numbers, and the search for the jobs that have them, if any."""
    base = _search(_ALL, group)
    return [(name, k, f"{base} {field}:{quote(name)}" if field else "") for name, k in values]


@requires(Role.OPERATOR)
def retry_group() -> str | Response:
    group, queue = request.form.get("group", ""), text_field("queue")
    total = client().jobs.failed(group, 0, 1, data_limit=0)["total"]
    try:
        arguments.name("queue", queue)
    except BadArgumentError as error:
        return refuse(f"retry of group {group}", error)
    confirmation = Confirmation(
        f"Retry {group}",
        f"Puts the failed jobs of this group into the queue {queue}, with all their retries.",
        f"Retry {plural(total, 'job')}",
        total,
        commands.command("failed", "retry", group, "--to", queue, "--yes"),
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        moved = client().unfail(group, queue, max(total, 1))
        return f"Retried {plural(moved, 'job')} of {group} in {queue}"

    return perform(f"retry of group {group}", act)


ROUTES: Final = (
    ("GET", "/failures", failures),
    ("GET", "/failures/group", failure),
    ("POST", "/failures/retry", retry_group),
)
