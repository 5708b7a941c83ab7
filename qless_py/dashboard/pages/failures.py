"""Failures by group, and the jobs of one group."""

from __future__ import annotations

from typing import Final

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py import protocol
from qless_py.auth.identity import Role
from qless_py.client.humanize import plural
from qless_py.client.search import quote
from qless_py.dashboard import commands, flash
from qless_py.dashboard.actions import Confirmation, perform, refuse, requires
from qless_py.dashboard.context import LISTED_DATA, client, link
from qless_py.dashboard.forms import text_field
from qless_py.dashboard.paging import page_offset, page_size
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments


def failures() -> str:
    offset, size = page_offset(), page_size()
    total, groups = client().run(protocol.jobs.groups(offset, size))
    return render_template(
        "qless_py/failures.html", groups=groups, total=total, offset=offset, size=size,
        commands=commands.of_page("failures"),
    )  # fmt: skip


def failure() -> str | tuple[str, int] | Response:
    group = request.args.get("group", "")
    if not group:
        return redirect(link("failures"))
    offset, size = page_offset(), page_size()
    found = client().jobs.failed(group, offset, size, data_limit=LISTED_DATA)
    if not found["total"] and flash.is_pending():
        # The last action has emptied the group.
        return redirect(link("failures"))
    page = render_template(
        "qless_py/failure.html", group=group, jobs=found["jobs"], total=found["total"],
        offset=offset, size=size, search=f"state:failed group:{quote(group)}",
        commands=commands.of_page("failure", group),
        queues=sorted({job.queue_name for job in found["jobs"]}),
    )  # fmt: skip
    return page if found["total"] else (page, 404)


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
