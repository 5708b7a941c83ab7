"""Who works: hosts, processes, what they hold, and how they are told to stop."""

from __future__ import annotations

from typing import Final

from flask import render_template
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard.access import Role
from qless_py.dashboard.actions import Effect, ask, command, is_confirmed, perform, requires
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.pages.lists import jobs_of
from qless_py.dashboard.paging import offset_of, size_of

LOST_AFTER = 60.0


def workers() -> str:
    rows = dashboard().snapshots.get().workers
    return render_template("qless_py/workers.html", rows=rows, lost_after=LOST_AFTER)


def worker(name: str) -> str:
    offset, size = offset_of(), size_of()
    found = client().workers.get(name, offset, size)
    return render_template(
        "qless_py/worker.html", name=name, found=found, lost_after=LOST_AFTER,
        jobs=jobs_of(found["jobs"]), stalled=jobs_of(found["stalled"]),
    )  # fmt: skip


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

    return perform(f"forgetting of the worker {name}", act)


ROUTES: Final = (
    ("GET", "/workers", workers),
    ("GET", "/workers/<name>", worker),
    ("POST", "/workers/<name>/forget", forget_worker),
)
