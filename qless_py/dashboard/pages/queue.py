"""One queue: its jobs state by state, its settings, and what is done to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask import redirect, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response as Answer

from qless_py.client.queue import Queue
from qless_py.client.recurring import RecurringJob
from qless_py.client.stats import DayStats
from qless_py.dashboard import charts, commands
from qless_py.dashboard import timeseries as history
from qless_py.dashboard.actions import Effect, ask, command, is_confirmed, perform, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.auth.guard import Refusal
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.formats import quoted
from qless_py.dashboard.paging import cursor_of, offset_of, size_of
from qless_py.dashboard.snapshot import number
from qless_py.dashboard.template_helpers import Words
from qless_py.errors import BadArgumentError
from qless_py.protocol import reads

STATES: Final[Sequence[str]] = (
    "waiting", "running", "scheduled", "stalled", "depends", "throttled",
)  # fmt: skip
TABS: Final = ("stats", *STATES, "recurring", "users", "settings")
_USERS: Final = 100
_FAR: Final = 365 * 86400.0


def queue(name: str) -> str | Answer:
    tab = request.args.get("tab", "stats")
    if tab not in TABS:
        return redirect(Words(dashboard()).link("queue", name=name))
    offset, size = offset_of(), size_of()
    found = client().queues[name]
    counts = found.counts
    more: dict[str, Any] = {}
    if tab in STATES or tab == "recurring":
        page = client().run(reads.state(tab, name, offset, size))
        rows = client().jobs.get(*page.jids)
        kind = [one for one in rows if isinstance(one, RecurringJob) == (tab == "recurring")]
        more = {"jobs": kind, "total": page.total}
    elif tab == "users":
        more = {"users": found.user_page(cursor_of(), _USERS), "at": cursor_of()}
    elif tab == "stats":
        span = history.range_of(request.args.get("range"))
        kept = dashboard().history
        lines = dashboard().snapshots.get().lines
        drawn = history.charts(kept, [name], span, kept.now(), lines)
        more = {"day": _day(found), "charts": drawn, "ranges": history.RANGES, "span": span}
        more["bars"] = _bars(more["day"])
    else:
        search = f"queue:{quoted(name)} state:{','.join(STATES)}"
        more = {"heartbeat": found.heartbeat, "throttle": found.throttle.get(), "search": search}
    return render_template(
        "qless_py/queue.html", name=name, tab=tab, tabs=TABS, counts=counts,
        offset=offset, size=size,
        commands=commands.of_queue(name, is_paused=bool(counts["paused"])), **more,
    )  # fmt: skip


def _bars(day: DayStats) -> dict[str, Markup]:
    """Draw how long the jobs of a day waited and ran."""
    return {
        "wait": charts.bars("Wait", charts.slots(day["wait"]["histogram"])),
        "run": charts.bars("Run", charts.slots(day["run"]["histogram"])),
    }


def _day(found: Queue) -> DayStats:
    """Give the statistics of the day that is asked for, else of today."""
    text = request.args.get("day", "")
    try:
        return found.stats(date.fromisoformat(text) if text else None)
    except ValueError:
        raise Refusal(422, "bad-argument", f"day is a date like 2026-11-21, not {text!r}") from None


@requires(Role.OPERATOR)
def pause_queue(name: str) -> Answer:
    def act() -> str:
        reason = request.form.get("reason", "").strip() or None
        minutes = request.form.get("minutes", "").strip()
        until = client().settings.clock() + _minutes(minutes) if minutes else None
        client().queues[name].pause(reason=reason, until=until)
        return f"{name} is paused: nothing is handed out of it"

    return perform(f"pause of {name}", act)


@requires(Role.OPERATOR)
def unpause_queue(name: str) -> Answer:
    def act() -> str:
        client().queues[name].unpause()
        return f"{name} goes on"

    return perform(f"unpause of {name}", act)


@requires(Role.ADMIN)
def set_heartbeat(name: str) -> Answer:
    def act() -> str:
        text = request.form.get("heartbeat", "").strip()
        if not text:
            del client().queues[name].heartbeat
            return f"leases of {name} last as long as everywhere"
        client().config[f"{name}-heartbeat"] = text
        return f"leases of {name} last {text} s from the next hand-out on"

    return perform(f"heartbeat of {name}", act)


@requires(Role.ADMIN)
def forget_queue(name: str) -> str | Answer:
    counts = client().queues[name].counts
    left = sum(number(counts, state) for state in STATES)
    effect = Effect(
        f"Forget the queue {name}",
        "It leaves the list of queues, and its statistics are deleted. Its jobs stay: with any "
        "left, the first that changes brings it back.",
        "Forget it",
        left,
        command("queue", "forget", name, "--yes"),
        typed=name,
    )
    if not is_confirmed(effect):
        return ask(effect)

    def act() -> str:
        client().queues[name].forget()
        return f"{name} is forgotten"

    words = Words(dashboard())
    ends = words.link("queue", name=name)
    return perform(f"forgetting of {name}", act, ends=ends, leads=words.link("queues"))


def _minutes(text: str) -> float:
    try:
        seconds = float(text) * 60
    except ValueError:
        raise BadArgumentError(f"minutes is a number, not {text!r}") from None
    if not 0 < seconds <= _FAR:
        raise BadArgumentError("a pause lasts more than 0 minutes and at most a year")
    return seconds


ROUTES: Final = (
    ("GET", "/queues/<name>", queue),
    ("POST", "/queues/<name>/pause", pause_queue),
    ("POST", "/queues/<name>/unpause", unpause_queue),
    ("POST", "/queues/<name>/heartbeat", set_heartbeat),
    ("POST", "/queues/<name>/forget", forget_queue),
)
