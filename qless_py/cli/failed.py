"""`qless-py failed`: failure groups and their jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import click

from qless_py.cli import bulk
from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.filters import Filters
from qless_py.cli.params import GROUP, QUEUE, SPAN, paged
from qless_py.client import serialize
from qless_py.client.failure_groups import MAX_EXAMINED, SORTS, Sort
from qless_py.client.humanize import error_line, local_time
from qless_py.protocol import arguments

_MAX_ERROR: Final = 100  # characters of an error in the list


@group("failed")
def failed() -> None:
    """List failure groups and their jobs, retry and cancel them."""


@failed.command(
    "groups",
    examples=(
        "qless-py failed groups",
        "qless-py failed groups --new",
        "qless-py failed groups --within 1h --sort count",
        "qless-py failed groups --seen --json",
    ),
)
@click.option("--new", is_flag=True, help="Only those first seen since the last `deploy`.")
@click.option("--within", type=SPAN, help="Only those that failed within this time: 1h, 7d.")
@click.option("--seen", is_flag=True, help="Also those whose jobs were retried or canceled since.")
@click.option("--text", default="", help="Only those whose group, queue or class contains this.")
@click.option("--sort", type=click.Choice(SORTS), default="last", help="What comes first.")
@pass_cli
def groups(  # noqa: PLR0913 - one for each option
    cli: CliContext, *, new: bool, within: float | None, seen: bool, text: str, sort: Sort
) -> None:
    """List failure groups, the last failure first; + marks what is new since the last deploy.

    With --within the jobs are those that failed within that time, and still are.
    """
    now = cli.client.settings.clock()
    since = 0 if within is None else max(now - within, 0)
    found = cli.client.failures.groups(since=since, seen=seen, new=new, text=text, sort=sort)
    answer = [found.as_dict(one, now) for one in found.groups]

    def show() -> None:
        columns = ("group", "jobs", "failures", "24 h", "first failed", "last failed", "queues")
        cli.out.table(columns, [_row(one) for one in answer])
        if new and found.deploy is None:
            cli.out.note("No deploy is marked: see `qless-py deploy --help`")
        if found.total > MAX_EXAMINED:
            cli.out.note(f"Examined {MAX_EXAMINED:,} of {found.total:,} groups")

    deploy = None if found.deploy is None else asdict(found.deploy)
    cli.out.answer({"groups": answer, "total": found.total, "deploy": deploy}, show)


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    return (
        f"{'+ ' if one['new'] else ''}{one['group']}",
        one["recent"],
        one["failures"],
        sum(one["hours"]),
        local_time(one["first_failed_at"]),
        local_time(one["last_failed_at"]),
        one["queues"],
    )


@failed.command("show", examples=("qless-py failed show app.SendMail:TimeoutError",))
@click.argument("group", type=GROUP)
@pass_cli
def show_group(cli: CliContext, group: str) -> None:
    """Show the messages of a group, those alike together, with a search for each.

    They are those of the 500 newest failed jobs. … stands for numbers, ids, quoted text and paths.
    """
    found = cli.client.failures.group(group)

    def show() -> None:
        for what, some in (
            ("queues", found.queues),
            ("classes", found.klasses),
            ("workers", found.workers),
        ):
            cli.out.line(f"{what}: {', '.join(f'{name} ({number})' for name, number in some)}")
        rows = [
            (one.count, local_time(one.last_at), one.pattern[:_MAX_ERROR], one.search)
            for one in found.clusters
        ]
        cli.out.table(("jobs", "last failed", "message", "search"), rows, has_text=True)

    cli.out.answer(found.as_dict(), show)
    if not found.total:
        raise NotFoundError(f"failure group {group} is empty")


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
