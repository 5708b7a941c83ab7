"""Workers: hosts, processes, the jobs they hold, and commands to them."""

from __future__ import annotations

from typing import Final

from flask import abort, render_template, request
from werkzeug.wrappers import Response

from qless_py.auth.guard import RequestRejected
from qless_py.auth.identity import Role
from qless_py.client.humanize import plural
from qless_py.dashboard import commands, context
from qless_py.dashboard.actions import Confirmation, perform, refuse, requires
from qless_py.dashboard.context import client, find_jobs, link
from qless_py.dashboard.paging import page_offset, page_size, paginate
from qless_py.errors import BadArgumentError
from qless_py.overview.workers import LOST_AFTER
from qless_py.protocol.workers import addressed

# What each command makes workers do.
ACTIONS: Final = {
    "quiet": "Takes no more jobs; running jobs continue.",
    "resume": "Takes jobs again.",
    "stop": "Exits once its jobs have finished, and is not replaced.",
    "restart": "Is replaced by a new process; running jobs may finish.",
    "dump": "Reports the stacks of its threads: what it runs just now.",
}


def workers() -> str:
    rows, where = paginate(context.snapshot().workers)
    return render_template(
        "qless_py/workers.html", rows=rows, **where, lost_after=LOST_AFTER, actions=ACTIONS,
        commands=commands.of_page("workers"),
    )  # fmt: skip


def worker(name: str) -> str:
    found = client().workers.get(name, page_offset(), page_size())
    if (
        not found.get("seen_at")
        and not found["jobs"]
        and not found["stalled"]
        and not page_offset()
    ):
        raise RequestRejected(404, "worker-not-found", f"worker {name} does not exist")
    return render_template(
        "qless_py/worker.html", name=name, worker=found, lost_after=LOST_AFTER, actions=ACTIONS,
        commands=commands.of_page("worker", name), jobs=find_jobs(found["jobs"]),
        stalled=find_jobs(found["stalled"]),
    )  # fmt: skip


@requires(Role.OPERATOR)
def command_workers(what: str) -> str | Response:
    """Send a command to the named workers, or to all; they get it at once or with a heartbeat."""
    if what not in ACTIONS:
        abort(404)
    names = [name for name in request.form.getlist("name") if name]
    count = len(addressed(context.snapshot().workers, names))
    target = ", ".join(names) or "all workers"
    if not count:
        missing = f"worker {target} does not exist" if names else "there are no workers"
        return refuse(f"{what} of {target}", BadArgumentError(missing))
    confirmation = Confirmation(
        f"{what.capitalize()} {target}",
        f"{ACTIONS[what]} Affects {plural(count, 'worker')}.",
        f"{what.capitalize()} {plural(count, 'worker')}",
        count,
        commands.command("workers", what, *(names or ["--all"])),
    )
    # Quieting a single worker by mistake does no harm; quieting all of them does.
    needs_confirmation = what in {"stop", "restart"} or (what == "quiet" and not names)
    if needs_confirmation and not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        reached = getattr(client().workers, what)(*names)
        return f"Sent {what} to {plural(len(reached), 'worker')}"

    # A worker that stops or restarts leaves the list, and then its page no longer exists.
    leaves = what in {"stop", "restart"} and len(names) == 1
    gone = link("worker", name=names[0]) if leaves else None
    return perform(f"{what} of {target}", act, gone=gone, instead=link("workers"))


@requires(Role.OPERATOR)
def forget_worker(name: str) -> str | Response:
    confirmation = Confirmation(
        f"Forget worker {name}",
        "Removes it from the list; jobs it holds return to their queues when their leases expire. "
        "A live worker reappears with its next heartbeat.",
        "Forget worker",
        None,
        commands.command("workers", "forget", name),
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        client().workers.deregister(name)
        return f"Worker {name} forgotten"

    gone = link("worker", name=name)
    return perform(f"forget of worker {name}", act, gone=gone, instead=link("workers"))


ROUTES: Final = (
    ("POST", "/workers/tell/<what>", command_workers),
    ("GET", "/workers", workers),
    ("GET", "/workers/<name>", worker),
    ("POST", "/workers/<name>/forget", forget_worker),
)
