"""Recurring jobs: when each comes next, and what is done to it."""

from __future__ import annotations

from typing import Final

from flask import abort, render_template
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard import commands
from qless_py.dashboard.access import Role
from qless_py.dashboard.actions import Effect, ask, command, is_confirmed, perform, requires
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.paging import offset_of, size_of
from qless_py.errors import JobNotFoundError
from qless_py.protocol import reads
from qless_py.recurring import RecurringJob


def load(jid: str) -> RecurringJob:
    """Read a recurring job; raises `JobNotFoundError`."""
    found = client().jobs[jid]
    if not isinstance(found, RecurringJob):
        raise JobNotFoundError(f"Recurring job {jid} does not exist")
    return found


def recurring() -> str:
    names = [row["name"] for row in dashboard().snapshots.get().queues if row["recurring"]]
    offset, size = offset_of(), size_of()
    jids: list[str] = []
    total = 0
    for page in client().run_many([reads.state("recurring", name, 0, 1000) for name in names]):
        if isinstance(page, Exception):
            raise page
        total += page.total
        jids += page.jids
    found = client().jobs.get(*sorted(jids)[offset : offset + size])
    jobs = [one for one in found if isinstance(one, RecurringJob)]
    return render_template(
        "qless_py/recurring.html",
        jobs=jobs,
        total=total,
        offset=offset,
        size=size,
        commands=[command("recur", "list")],
    )


def recurring_job(jid: str) -> str:
    return render_template(
        "qless_py/recurring_job.html", job=load(jid), commands=commands.of_recurring(jid)
    )


@requires(Role.OPERATOR)
def cancel_recurring(jid: str) -> str | Answer:
    found = load(jid)
    effect = Effect(
        f"Remove the schedule {jid}",
        "No more jobs come of it. Those that it made already stay.",
        "Remove it",
        None,
        command("recur", "remove", jid),
    )
    if not is_confirmed(effect):
        return ask(effect)

    def act() -> str:
        found.cancel()
        return f"{jid} is removed"

    return perform(f"removal of the schedule {jid}", act)


@requires(Role.OPERATOR)
def change_recurring(jid: str, what: str) -> Answer:
    found = load(jid)

    def act() -> str:
        if what == "run":
            return f"{found.run()} was put, beside the schedule"
        if what == "pause":
            found.pause()
            return f"{jid} is paused"
        found.resume()
        return f"{jid} goes on"

    if what not in ("run", "pause", "resume"):
        abort(404)
    return perform(f"{what} of {jid}", act)


ROUTES: Final = (
    ("GET", "/recurring", recurring),
    ("GET", "/recurring/<jid>", recurring_job),
    ("POST", "/recurring/<jid>/cancel", cancel_recurring),
    ("POST", "/recurring/<jid>/<what>", change_recurring),
)
