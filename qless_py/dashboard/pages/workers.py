"""Workers: hosts, processes, the jobs they hold, and commands to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flask import abort, render_template, request
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.guard import RequestRejected
from qless_py.auth.identity import Role
from qless_py.client.humanize import plural
from qless_py.client.job import Job
from qless_py.client.session import answered
from qless_py.dashboard import commands, context
from qless_py.dashboard.actions import Confirmation, perform, refuse, requires
from qless_py.dashboard.context import client, find_jobs, link
from qless_py.dashboard.paging import page_offset, page_size, paginate
from qless_py.errors import BadArgumentError
from qless_py.overview.fleet import Child, Fleet, read_fleet, state_of
from qless_py.protocol.workers import WorkerCounts, WorkerJobs, WorkerReport, addressed

# What each command makes workers do.
ACTIONS: Final = {
    "quiet": "Takes no more jobs; running jobs continue.",
    "resume": "Takes jobs again.",
    "stop": "Exits once its jobs have finished, and is not replaced.",
    "restart": "Is replaced by a new process; running jobs may finish.",
    "dump": "Reports the stacks of its threads: what it runs just now.",
}


# Each row has up to a kilobyte of HTML.
_ROWS: Final = 20
_JOBS_OF_ROW: Final = 3


@dataclass(frozen=True, slots=True)
class Held:
    """The first jobs that a worker of the list holds, and what became of its last command."""

    jobs: list[Job]
    stalled: frozenset[str]
    report: WorkerReport


def workers() -> str:
    seen = context.snapshot()
    fleet = read_fleet(seen.workers, seen.at)
    state = request.args.get("state", "")
    rows, where = paginate([one for one in fleet.children if state in {"", one.state}], _ROWS)
    tabs = [("All", link("workers"), not state, len(fleet.children))] + [
        (one.capitalize(), link("workers", state=one), state == one, number)
        for one, number in fleet.states.items()
    ]
    supervisors = {one.supervisor for one in fleet.children if one.supervisor}
    return render_template(
        "qless_py/workers.html", fleet=fleet, groups=_groups(fleet, Fleet("", rows)), tabs=tabs,
        hosts=len({one.host for one in fleet.children if one.host}), supervisors=len(supervisors),
        lost_jobs=sum(one.held for one in fleet.children if one.state == "lost"), state=state,
        details=_details(rows), actions=ACTIONS, **where, commands=commands.of_page("workers"),
    )  # fmt: skip


def _groups(fleet: Fleet, page: Fleet) -> list[tuple[Fleet, list[tuple[Fleet, Sequence[Child]]]]]:
    """Return the hosts and supervisors of a page as they are as a whole, with its own workers."""
    hosts = {one.name: one for one in fleet.hosts()}
    found = []
    for host in page.hosts():
        whole = {one.name: one for one in hosts[host.name].supervisors()}
        members = [(whole[one.name], one.children) for one in host.supervisors()]
        found.append((hosts[host.name], members))
    return found


def _details(rows: Sequence[Child]) -> dict[str, Held]:
    """Read in two round trips what the workers of a page hold, stalled jobs first."""
    calls = [protocol.workers.read(one.name, 0, _JOBS_OF_ROW, text=0) for one in rows]
    answers: list[WorkerJobs] = answered(client().run_many(calls)) if calls else []
    held = [[*one["stalled"], *one["jobs"]][:_JOBS_OF_ROW] for one in answers]
    jobs = {job.jid: job for job in find_jobs([jid for jids in held for jid in jids])}
    return {
        row.name: Held(
            [jobs[jid] for jid in jids if jid in jobs],
            frozenset(answer["stalled"]),
            answer.get("report", WorkerReport()),
        )
        for row, answer, jids in zip(rows, answers, held, strict=True)
    }


def worker(name: str) -> str:
    found = client().workers.get(name, page_offset(), page_size())
    if (
        not found.get("seen_at")
        and not found["jobs"]
        and not found["stalled"]
        and not page_offset()
    ):
        raise RequestRejected(404, "worker-not-found", f"worker {name} does not exist")
    registered = found.get("seen_at")
    counts = WorkerCounts(
        name=name, seen_at=registered or 0, info=found.get("info", {}),
        jobs=len(found["jobs"]), stalled=len(found["stalled"]),
    )  # fmt: skip
    state = state_of(counts, client().settings.clock()) if registered else ""
    return render_template(
        "qless_py/worker.html", name=name, worker=found, child=Child(counts, state),
        actions=ACTIONS, commands=commands.of_page("worker", name),
        jobs=find_jobs(found["jobs"]), stalled=find_jobs(found["stalled"]),
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
