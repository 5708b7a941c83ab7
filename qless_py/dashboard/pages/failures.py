"""Failures by group, and the jobs of one group."""

from __future__ import annotations

from typing import Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard import commands
from qless_py.dashboard.actions import Effect, ask, command, is_confirmed, perform, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import client, dashboard
from qless_py.dashboard.formats import quoted
from qless_py.dashboard.paging import offset_of, size_of
from qless_py.dashboard.template_helpers import Words
from qless_py.protocol import reads


def failures() -> str:
    offset, size = offset_of(), size_of()
    total, groups = client().run(reads.groups(offset, size))
    return render_template(
        "qless_py/failures.html", groups=groups, total=total, offset=offset, size=size,
        commands=commands.of_failures(),
    )  # fmt: skip


def failure() -> str | Answer:
    group = request.args.get("group", "")
    if not group:
        return redirect(Words(dashboard()).link("failures"))
    offset, size = offset_of(), size_of()
    found = client().jobs.failed(group, offset, size)
    return render_template(
        "qless_py/failure.html", group=group, jobs=found["jobs"], total=found["total"],
        offset=offset, size=size, search=f"state:failed group:{quoted(group)}",
        commands=commands.of_group(group),
        queues=sorted({job.queue_name for job in found["jobs"]}),
    )  # fmt: skip


@requires(Role.OPERATOR)
def retry_group() -> str | Answer:
    group = request.form.get("group", "")
    queue = request.form.get("queue", "").strip()
    total = client().jobs.failed(group, 0, 1)["total"]
    effect = Effect(
        f"Retry {group}",
        f"The failed jobs of this group wait in {queue or 'the queue you name'} again, with "
        "all their retries.",
        "Retry them",
        total,
        command("failed", "retry", group, "--to", queue, "--yes"),
    )
    if not is_confirmed(effect):
        return ask(effect)

    def act() -> str:
        moved = client().unfail(group, queue, max(total, 1))
        return f"{moved} jobs of {group} wait in {queue}"

    return perform(f"retry of the group {group}", act)


ROUTES: Final = (
    ("GET", "/failures", failures),
    ("GET", "/failures/group", failure),
    ("POST", "/failures/retry", retry_group),
)
