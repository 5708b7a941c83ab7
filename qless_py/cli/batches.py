"""`qless-py batches`: sets of jobs with callbacks, and what both lists of batches share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.params import NAME, confirm, yes
from qless_py.client import serialize
from qless_py.client.humanize import local_time, plural
from qless_py.errors import BadArgumentError
from qless_py.protocol.batches import MAX_PAGE, PHASES, BatchPage

Command = TypeVar("Command", bound=Callable[..., Any])


def listed(command: Command) -> Command:
    """Add what chooses a page of batches: --name, --phase, --count and --cursor."""
    for option in (
        click.option("--cursor", help="Continue after the page that printed this cursor."),
        click.option(
            "--count",
            type=click.IntRange(1, MAX_PAGE),
            default=25,
            show_default=True,
            help="Show at most this many.",
        ),
        click.option(
            "--phase",
            "phases",
            type=click.Choice(PHASES),
            multiple=True,
            help="Only those in this phase; can be given more than once.",
        ),
        click.option("--name", help="Only those whose names match this pattern, such as 'night*'."),
    ):
        command = option(command)
    return command


def show_page(
    cli: CliContext, what: str, read: Callable[[], BatchPage], *, prefix: str = ""
) -> None:
    """Print a page of batches; their names are shown without the prefix."""
    try:
        page = read()
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error
    answer = [serialize.batch(one) for one in page.batches]

    def show() -> None:
        columns = (what, "phase", "done", "of", "failed", "canceled", "started", "ended")
        cli.out.table((*columns, "owner", "within"), [_row(one, prefix) for one in answer])
        if page.cursor is not None:
            number = f"{page.examined:,} of {page.total:,} batches examined"
            cli.out.note(f"{number}; next page: --cursor {page.cursor}")

    whole = {"batches": answer, "examined": page.examined, "total": page.total}
    cli.out.answer({**whole, "cursor": page.cursor}, show)


def _row(one: dict[str, Any], prefix: str) -> Sequence[Any]:
    return (
        one["name"].removeprefix(prefix),
        one["phase"],
        one["total"] - one["pending"],
        one["total"],
        one["failed"],
        one["canceled"],
        local_time(one["opened_at"]),
        local_time(one["finished_at"]),
        one["owner"],
        one["within"],
    )


@group("batches")
def batches() -> None:
    """List batches, cancel them and retry their failed jobs.

    A batch is a set of jobs with callbacks: jobs that are put when all others have ended.
    """


@batches.command(
    "list",
    examples=(
        "qless-py batches list",
        "qless-py batches list --name 'night*' --phase failed --phase running",
        "qless-py batches list --within nightly --json",
    ),
)
@click.option("--within", type=NAME, help="Only those nested in this batch.")
@listed
@pass_cli
def list_batches(cli: CliContext, cursor: str | None, count: int, **wanted: Any) -> None:
    """List batches without those of workflows, the one opened or finished last in front."""
    show_page(
        cli, "batch", lambda: cli.client.batches.page(cursor, count, workflows=False, **wanted)
    )


@batches.command("show", examples=("qless-py batches show nightly",))
@click.argument("batch", type=NAME)
@pass_cli
def show(cli: CliContext, batch: str) -> None:
    """Show a batch: its progress, its owner and its callbacks.

    `qless-py jobs batch:NAME` lists its jobs.
    """
    status = cli.client.batches[batch].status
    if status is None:
        raise NotFoundError(f"batch {batch} does not exist")
    answer = serialize.batch(status)
    cli.out.answer(answer, lambda: cli.out.facts(facts(answer)))


def facts(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of a batch, by name."""
    return {
        "batch": answer["name"],
        "phase": answer["phase"],
        "jobs": answer["total"],
        "pending": answer["pending"],
        "completed": answer["completed"],
        "failed": answer["failed"] or None,
        "canceled": answer["canceled"] or None,
        "owner": answer["owner"],
        "within": answer["within"],
        "opened": local_time(answer["opened_at"]),
        "closed": local_time(answer["closed_at"]),
        "finished": local_time(answer["finished_at"]),
        **answer["callbacks"],
        **{f"{name} not put": f"because of {jid}" for name, jid in answer["conflicts"].items()},
    }


@batches.command("cancel", examples=("qless-py batches cancel nightly --yes",))
@click.argument("batch", type=NAME)
@yes
@pass_cli
def cancel(cli: CliContext, batch: str, *, yes: bool) -> None:
    """Close a batch and delete its unfinished jobs, with those of the batches within it.

    Jobs that have failed stay. Callbacks that run when all jobs have ended are put.
    """
    status = cli.client.batches[batch].status
    if status is None:
        raise NotFoundError(f"batch {batch} does not exist")
    question = f"Cancel the {plural(status['pending'], 'unfinished job')} of batch {batch}?"
    confirm(question, agreed=yes, out=cli.out)
    number = cli.client.batches[batch].cancel()
    answer = {"batch": batch, "canceled": number}
    cli.out.answer(answer, lambda: cli.out.line(f"Canceled {plural(number, 'job')}"))


@batches.command("retry", examples=("qless-py batches retry nightly",))
@click.argument("batch", type=NAME)
@pass_cli
def retry(cli: CliContext, batch: str) -> None:
    """Run the failed jobs of a batch again, and those of the batches within it."""
    jids = cli.client.batches[batch].retry()
    answer = {"batch": batch, "retried": jids}
    cli.out.answer(answer, lambda: cli.out.line(f"Retried {plural(len(jids), 'job')}"))
