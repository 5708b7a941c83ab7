"""The table of all queues; and one queue: its jobs by state, charts, settings and actions."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from flask import redirect, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.guard import RequestRejected
from qless_py.auth.identity import Role
from qless_py.client.queue import Queue
from qless_py.client.recurring import RecurringJob
from qless_py.client.search import quote
from qless_py.dashboard import charts, commands, context, timeseries
from qless_py.dashboard.actions import Confirmation, perform, requires
from qless_py.dashboard.context import access, client, dashboard, link
from qless_py.dashboard.forms import parse_field, parse_number, text_field
from qless_py.dashboard.paging import page_cursor, page_offset, page_size, paginate
from qless_py.errors import BadArgumentError
from qless_py.overview import series as queue_series
from qless_py.overview.snapshot import count
from qless_py.protocol.stats import DayStats

STATES: Final = ("waiting", "running", "scheduled", "stalled", "depends", "throttled")
TABS: Final = ("stats", *STATES, "recurring", "users", "settings")
_QUEUES_PER_PAGE: Final = 35  # So many fit into 40 KB.
_USERS_PER_PAGE: Final = 100
_MAX_PAUSE: Final = 365 * 86400.0
_MAX_NAME: Final = 255  # Bytes of the name of who paused a queue.


def queues() -> str:
    rows = list(context.snapshot().queues)
    sort = request.args.get("sort", "name")
    text = request.args.get("q", "").strip()
    rows = [row for row in rows if text.lower() in row["name"].lower()]
    if sort in ("name", *STATES):
        rows.sort(key=lambda row: row["name"] if sort == "name" else -count(row, sort))
    page, where = paginate(rows, _QUEUES_PER_PAGE)
    return render_template(
        "qless_py/queues.html", rows=page, **where, sort=sort, columns=STATES, text=text,
        commands=commands.of_page("queues"),
    )  # fmt: skip


def queue(name: str) -> str | Response:
    tab = request.args.get("tab", "stats")
    if tab not in TABS:
        return redirect(link("queue", name=name))
    found = client().queues[name]
    counts = found.counts
    is_in_use = counts["paused"] or counts["recurring"] or any(count(counts, one) for one in STATES)
    # The names may be a second old.
    is_known = is_in_use or name in context.queue_names() or name in client().queues
    if not is_known:
        raise RequestRejected(404, "queue-not-found", f"queue {name} does not exist")
    return render_template(
        "qless_py/queue.html", name=name, tab=tab, tabs=TABS, counts=counts,
        commands=commands.of_queue(name, is_paused=bool(counts["paused"])), **_tab(found, tab),
    )  # fmt: skip


def _tab(queue: Queue, tab: str) -> dict[str, Any]:
    """Return the template variables of a tab."""
    if tab == "stats":
        return _stats(queue)
    if tab == "users":
        cursor = page_cursor()
        return {"users": queue.user_page(cursor, _USERS_PER_PAGE), "cursor": cursor}
    if tab == "settings":
        search = f"queue:{quote(queue.name)} state:{','.join(STATES)}"
        return {"heartbeat": queue.heartbeat, "throttle": queue.throttle.get(), "search": search}
    offset, size = page_offset(), page_size()
    page = client().run(protocol.jobs.in_state(tab, queue.name, offset, size))
    rows = client().jobs.get(page.jids, data_limit=context.LISTED_DATA)
    jobs = [one for one in rows if isinstance(one, RecurringJob) == (tab == "recurring")]
    return {"jobs": jobs, "total": page.total, "offset": offset, "size": size}


def _stats(queue: Queue) -> dict[str, Any]:
    span = queue_series.find_range(request.args.get("range"))
    series, backlog = dashboard().series, context.snapshot().backlog
    found = timeseries.Rows.read(series, [queue.name], span, series.now(), backlog=backlog)
    day = _day_stats(queue)
    return {
        "day": day,
        "charts": timeseries.Plot(found, context.deploy_marks()).of_queues(),
        "ranges": queue_series.RANGES,
        "span": span,
        "histograms": {"wait": _histogram("Wait time", day["wait"]["histogram"]),
                       "run": _histogram("Run time", day["run"]["histogram"])},
    }  # fmt: skip


def _histogram(title: str, slots: dict[str, int]) -> Markup:
    return charts.bar_chart(title, charts.duration_histogram(slots))


def _day_stats(queue: Queue) -> DayStats:
    """Return the statistics of the requested day, by default of today."""
    text = request.args.get("day", "")
    try:
        return queue.stats(date.fromisoformat(text) if text else None)
    except ValueError:
        message = f"day must be a date like 2026-11-21, not {text!r}"
        raise RequestRejected(422, "bad-argument", message) from None


@requires(Role.OPERATOR)
def pause_queue(name: str) -> Response:
    def act() -> str:
        minutes = parse_field("minutes", parse_number)
        if minutes is not None and not 0 < 60 * minutes <= _MAX_PAUSE:
            raise BadArgumentError("minutes must be more than 0 and at most a year")
        until = None if minutes is None else client().settings.clock() + 60 * minutes
        reason = text_field("reason") or None
        by = access().name.encode()[:_MAX_NAME].decode(errors="ignore")
        client().run(protocol.queues.pause([name], reason, until, by))
        return f"Queue {name} paused"

    return perform(f"pause of {name}", act)


@requires(Role.OPERATOR)
def unpause_queue(name: str) -> Response:
    def act() -> str:
        client().queues[name].unpause()
        return f"Queue {name} resumed"

    return perform(f"unpause of {name}", act)


@requires(Role.ADMIN)
def set_heartbeat(name: str) -> Response:
    def act() -> str:
        text = text_field("heartbeat")
        if not text:
            del client().queues[name].heartbeat
            return f"Lease duration of {name} reset to the default"
        client().config[f"{name}-heartbeat"] = text
        return f"Lease duration of {name} set to {text} s for jobs popped from now on"

    return perform(f"heartbeat of {name}", act)


@requires(Role.ADMIN)
def forget_queue(name: str) -> str | Response:
    counts = client().queues[name].counts
    confirmation = Confirmation(
        f"Forget queue {name}",
        "Removes the queue from the list and deletes its statistics. Its jobs stay; if there are "
        "any, the queue reappears when the first of them changes.",
        "Forget queue",
        sum(count(counts, state) for state in STATES),
        commands.command("queue", "forget", name, "--yes"),
        typed=name,
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        client().queues[name].forget()
        return f"Queue {name} forgotten"

    gone = link("queue", name=name)
    return perform(f"forget of {name}", act, gone=gone, instead=link("queues"))


ROUTES: Final = (
    ("GET", "/queues", queues),
    ("GET", "/queues/<name>", queue),
    ("POST", "/queues/<name>/pause", pause_queue),
    ("POST", "/queues/<name>/unpause", unpause_queue),
    ("POST", "/queues/<name>/heartbeat", set_heartbeat),
    ("POST", "/queues/<name>/forget", forget_queue),
)
