"""Who works: hosts, processes, what they hold, and how they are told to stop."""

from __future__ import annotations

from typing import Final

from flask import abort, render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.client.workers import addressed
from qless_py.dashboard import commands
from qless_py.dashboard.actions import Effect, ask, command, is_confirmed, perform, requires
from qless_py.dashboard.alerts import LOST
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.pages.lists import jobs_of
from qless_py.dashboard.paging import offset_of, part_of, size_of
from qless_py.dashboard.template_helpers import Words


def workers() -> str:
    rows, where = part_of(dashboard().snapshots.get().workers)
    return render_template(
        "qless_py/workers.html",
        **where,
        rows=rows,
        lost_after=LOST,
        commands=commands.of_workers(),
    )


def worker(name: str) -> str:
    offset, size = offset_of(), size_of()
    found = client().workers.get(name, offset, size)
    return render_template(
        "qless_py/worker.html", name=name, found=found, lost_after=LOST,
        commands=commands.of_worker(name),
        jobs=jobs_of(found["jobs"]), stalled=jobs_of(found["stalled"]),
    )  # fmt: skip


_TOLD: Final = {
    "quiet": "take no more jobs; those that they run go on",
    "resume": "take jobs again",
    "stop": "leave when their jobs have ended, and nobody takes their place",
    "restart": "are replaced by fresh processes; jobs that run may finish",
}


@requires(Role.OPERATOR)
def command_workers(what: str) -> str | Answer:
    """Tell one worker, or all, what to do; they hear of it at once, or with their next beat."""
    if what not in _TOLD:
        abort(404)
    names = [one for one in request.form.getlist("name") if one]
    known = len(addressed(dashboard().snapshots.get().workers, names))
    whom = ", ".join(names) or "all workers"
    effect = Effect(
        f"{what.capitalize()} {whom}",
        f"{known} workers {_TOLD[what]}.",
        f"{what.capitalize()} them",
        known,
        command("workers", what, *(names or ["--all"])),
    )
    # One that is quiet by mistake is no harm, all of them are.
    is_asked = what in {"stop", "restart"} or (what == "quiet" and not names)
    if is_asked and not is_confirmed(effect):
        return ask(effect)

    def act() -> str:
        told = getattr(client().workers, what)(*names)
        return f"{len(told)} workers were told: they {_TOLD[what]}"

    return perform(f"{what} of {whom}", act)


@requires(Role.OPERATOR)
def forget_worker(name: str) -> str | Answer:
    effect = Effect(
        f"Forget the worker {name}",
        "It leaves the list; jobs that it holds come back when their leases lapse. One that "
        "still works comes back to the list with its next beat.",
        "Forget it",
        None,
        command("workers", "forget", name),
    )
    if not is_confirmed(effect):
        return ask(effect)

    def act() -> str:
        client().workers.deregister(name)
        return f"{name} is off the list"

    words = Words(dashboard())
    return perform(
        f"forgetting of the worker {name}", act,
        ends=words.link("worker", name=name), leads=words.link("workers"),
    )  # fmt: skip


ROUTES: Final = (
    ("POST", "/workers/tell/<what>", command_workers),
    ("GET", "/workers", workers),
    ("GET", "/workers/<name>", worker),
    ("POST", "/workers/<name>/forget", forget_worker),
)
