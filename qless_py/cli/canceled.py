"""`qless-py canceled`: jobs that were canceled, which are kept for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED, NotFoundError
from qless_py.cli.output import brief
from qless_py.cli.paging import by_cursor, note_rest, read_page
from qless_py.cli.params import JID, confirm, yes
from qless_py.cli.views import history_table
from qless_py.client import serialize
from qless_py.client.humanize import local_time, plural

Command = TypeVar("Command", bound=Callable[..., Any])

_SHOWN: Final = 10
_PAGE: Final = 250
_HELP: Final = {
    "queue": "Jobs that were in this queue.",
    "klass": "Jobs of this klass.",
    "tag": "Jobs with this tag.",
    "user": "Jobs of this user.",
    "by": "Jobs that this person or program canceled.",
    "reason": "Jobs that were canceled for this reason.",
    "jid": "Jobs with this jid.",
}


def _filters(command: Command) -> Command:
    """Add the options that choose canceled jobs."""
    for name in reversed(_HELP):
        command = click.option(f"--{name}", help=f"{_HELP[name]} * matches anything.")(command)
    return command


@group("canceled")
def canceled() -> None:
    """List, show, restore and delete canceled jobs, which are kept for a while.

    The options canceled-history (7 days by default), canceled-history-count and
    canceled-history-size say for how long, how many, and how many bytes.
    """


@canceled.command(
    "list",
    examples=("qless-py canceled list", "qless-py canceled list --queue 'mail*' --by ann --json"),
)
@_filters
@by_cursor
@pass_cli
def list_canceled(cli: CliContext, cursor: str | None, count: int, **filters: str | None) -> None:
    """List canceled jobs, the newest first."""
    page = read_page(lambda at, most: cli.client.canceled.page(at, most, **filters), cursor, count)
    rows = [serialize.canceled_summary(one) for one in page.jobs]

    def show() -> None:
        columns = ("canceled", "jid", "klass", "queue", "state", "by", "reason")
        cli.out.table(
            columns,
            [
                (
                    local_time(one["canceled_at"]),
                    one["jid"],
                    one["klass"],
                    one["queue"],
                    one["state"],
                    one["canceled_by"],
                    one["reason"],
                )
                for one in rows
            ],
        )
        note_rest(cli.out, page)

    cli.out.answer({"jobs": rows, "total": page.total, "cursor": page.cursor}, show)


@canceled.command("show", examples=("qless-py canceled show letter-1",))
@click.argument("jid", type=JID)
@pass_cli
def show(cli: CliContext, jid: str) -> None:
    """Show a canceled job as it was, with who canceled it and why."""
    one = cli.client.canceled.get(jid)
    if one is None:
        raise NotFoundError(f"no canceled job has the jid {jid}")
    answer = serialize.canceled(one)

    def shown() -> None:
        facts = {name: answer[name] for name in answer if name not in {"history", "data_error"}}
        facts["data"] = brief(answer["data"])
        for name in ("put_at", "canceled_at"):
            facts[name] = local_time(answer[name])
        cli.out.facts({name.replace("_", " "): value for name, value in facts.items() if value})
        history_table(cli.out, answer["history"])

    cli.out.answer(answer, shown)


@canceled.command(
    "restore",
    examples=(
        "qless-py canceled restore letter-1",
        "qless-py canceled restore --by ann --tag customer-7 --yes",
    ),
)
@click.argument("jids", nargs=-1, type=JID, metavar="[JID]...")
@_filters
@click.option("--everything", is_flag=True, help="All canceled jobs that are kept.")
@yes
@pass_cli
def restore(
    cli: CliContext, jids: tuple[str, ...], *, everything: bool, yes: bool, **filters: str | None
) -> int:
    """Restore canceled jobs: into their queues with their age, or failed as they were.

    A job whose jid or unique key is taken, whose batch is closed, or which waits for a job that is
    itself canceled, is refused.
    """
    chosen = _chosen(cli, "restore", jids, filters, everything=everything)
    if not jids and chosen:
        confirm(f"Restore {plural(len(chosen), 'job')}?", agreed=yes, out=cli.out)
    found = cli.client.canceled.restore_each(*chosen)
    refused = {jid: str(error) for jid, error in found.refused.items()}

    def shown() -> None:
        cli.out.line(f"Restored {plural(len(found.jids), 'job')}")
        for jid, error in list(refused.items())[:_SHOWN]:
            cli.out.note(f"{jid}: {error}")
        if len(refused) > _SHOWN:
            cli.out.note(f"and {len(refused) - _SHOWN:,} more were refused")

    listed = [{"jid": jid, "error": error} for jid, error in refused.items()]
    cli.out.answer({"restored": found.jids, "refused": listed}, shown)
    return FAILED if refused else 0


@canceled.command(
    "delete",
    examples=("qless-py canceled delete letter-1", "qless-py canceled delete --everything --yes"),
)
@click.argument("jids", nargs=-1, type=JID, metavar="[JID]...")
@_filters
@click.option("--everything", is_flag=True, help="All canceled jobs that are kept.")
@yes
@pass_cli
def delete(
    cli: CliContext, jids: tuple[str, ...], *, everything: bool, yes: bool, **filters: str | None
) -> None:
    """Delete canceled jobs for good: they cannot be restored then."""
    chosen = _chosen(cli, "delete", jids, filters, everything=everything)
    if chosen:
        confirm(f"Delete {plural(len(chosen), 'job')} for good?", agreed=yes, out=cli.out)
    deleted = cli.client.canceled.delete(*chosen)
    cli.out.answer(
        {"deleted": deleted}, lambda: cli.out.line(f"Deleted {plural(deleted, 'canceled job')}")
    )


def _chosen(
    cli: CliContext,
    what: str,
    jids: Sequence[str],
    filters: Mapping[str, str | None],
    *,
    everything: bool,
) -> list[str]:
    """Return the chosen jids: those given, or those of all canceled jobs that match."""
    given = {name: value for name, value in filters.items() if value is not None}
    ways = [bool(jids), bool(given), everything]
    if sum(ways) > 1:
        raise click.UsageError("give jids, filters or --everything, only one of them")
    if not any(ways):
        raise click.UsageError(f"choose jobs to {what}: give jids or filters")
    if jids:
        return list(dict.fromkeys(jids))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = cli.client.canceled.page(cursor, _PAGE, **given)
        found += [one.jid for one in page.jobs]
        cursor = page.cursor
        if cursor is None:
            return found
