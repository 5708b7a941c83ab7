"""`qless-py failed`: failure groups and their jobs."""

from __future__ import annotations

from typing import Any, Final

import click

from qless_py import protocol
from qless_py.cli import bulk
from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.filters import Filters
from qless_py.cli.params import GROUP, QUEUE, paged
from qless_py.client import serialize
from qless_py.client.humanize import error_line, local_time
from qless_py.protocol import arguments
from qless_py.protocol.jobs import MAX_PAGE

_MAX_ERROR: Final = 100  # characters of an error in the list


@group("failed")
def failed() -> None:
    """List failure groups and their jobs, retry and cancel them."""


@failed.command("groups", examples=("qless-py failed groups", "qless-py failed groups --json"))
@pass_cli
def groups(cli: CliContext) -> None:
    """List failure groups, the last failure first."""
    rows: list[Any] = []
    while True:
        total, page = cli.client.run(protocol.jobs.groups(len(rows), MAX_PAGE))
        rows += page
        if not page or len(rows) >= total:
            break
    answer = [
        {"group": one.group, "number": one.number, "last_failed_at": one.last_failed_at / 1000}
        for one in rows
    ]

    def show() -> None:
        columns = ("group", "jobs", "last failed")
        listed = [(o["group"], o["number"], local_time(o["last_failed_at"])) for o in answer]
        cli.out.table(columns, listed)

    cli.out.answer({"groups": answer}, show)


@failed.command("list", examples=("qless-py failed list app.SendMail:TimeoutError",))
@click.argument("group", type=GROUP)
@paged()
@pass_cli
def list_jobs(cli: CliContext, group: str, count: int, offset: int) -> None:
    """List the jobs of a group, the newest failure first."""
    found = cli.client.jobs.failed(group, offset, count, data_limit=None if cli.is_json else 0)
    answer = [serialize.job(one) for one in found["jobs"]]

    def show() -> None:
        rows = [
            (
                one["jid"],
                one["queue"],
                one["klass"],
                local_time(one["failed_at"]),
                (one["failure"] or {}).get("worker"),
                error_line((one["failure"] or {}).get("message"))[:_MAX_ERROR],
            )
            for one in answer
        ]
        cli.out.table(("jid", "queue", "klass", "failed", "worker", "message"), rows, has_text=True)

    cli.out.answer({"total": found["total"], "offset": offset, "jobs": answer}, show)
    if not found["total"]:
        raise NotFoundError(f"failure group {group} is empty")


@failed.command(
    "retry",
    examples=(
        "qless-py failed retry app.SendMail:TimeoutError --yes",
        "qless-py failed retry app.SendMail:TimeoutError --to slow --limit 10 --yes",
    ),
)
@click.argument("group", type=GROUP)
@click.option("--to", type=QUEUE, help="Put all of them into this queue.  [default: its own]")
@bulk.mode_options
@bulk.in_background
@pass_cli
def retry(cli: CliContext, group: str, to: str | None, **given: Any) -> int:
    """Retry the jobs of a group, with all their retries.

    `qless-py job retry` takes jids and more filters.
    """
    _refuse_empty(cli, group)
    return bulk.run_on(cli, bulk.retrying(to), (), Filters(group=group), bulk.Mode.take(given))


@failed.command("cancel", examples=("qless-py failed cancel app.SendMail:TimeoutError --yes",))
@click.argument("group", type=GROUP)
@bulk.mode_options
@bulk.in_background
@pass_cli
def cancel(cli: CliContext, group: str, **given: Any) -> int:
    """Delete the jobs of a group."""
    _refuse_empty(cli, group)
    return bulk.run_on(cli, bulk.canceling(), (), Filters(group=group), bulk.Mode.take(given))


def _refuse_empty(cli: CliContext, group: str) -> None:
    known = cli.client.jobs.failed()
    if group not in known:
        near = arguments.nearest(group, sorted(known))
        hint = f": did you mean {near}?" if near else ""
        raise NotFoundError(f"failure group {group} is empty{hint}")
