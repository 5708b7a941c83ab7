"""`qless-py migrate`: take waiting jobs out of qless, RQ and Celery."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED
from qless_py.client.humanize import plural
from qless_py.errors import BadArgumentError
from qless_py.transfer.migrate import MigrationReport, migrate
from qless_py.transfer.migrate.run import ORIGINS

if TYPE_CHECKING:
    import redis

_SHOWN: Final = 20
_CONNECT_TIMEOUT: Final = 5.0
_ANSWER_TIMEOUT: Final = 60.0


@command(
    "migrate",
    examples=(
        "qless-py migrate --from redis://old/0 --kind rq --dry-run",
        "qless-py migrate --from redis://old --kind celery --queue celery --map tasks.add=app.add",
        "qless-py migrate --from redis://old/0 --kind qless --to-queue mail=letters",
    ),
)
@click.option(
    "--from", "source", required=True, metavar="URL", help="The Redis of the other queue."
)
@click.option("--kind", required=True, type=click.Choice(list(ORIGINS)), help="What it is.")
@click.option("--queue", "queues", multiple=True, help="A queue there, by default all. Repeatable.")
@click.option(
    "--map",
    "klasses",
    multiple=True,
    metavar="OLD=NEW",
    help="The klass here for a function, task or klass there. May be repeated.",
)
@click.option(
    "--to-queue",
    "renamed",
    multiple=True,
    metavar="OLD=NEW",
    help="The queue here for one there. May be repeated.",
)
@click.option("--prefix", help="Before all keys there: ql: of qless, Celery's global_keyprefix.")
@click.option("--dry-run", is_flag=True, help="Only count and check the jobs.")
@pass_cli
def migrate_command(  # noqa: PLR0913, PLR0917 - the options of the command
    cli: CliContext,
    source: str,
    kind: str,
    queues: tuple[str, ...],
    klasses: tuple[str, ...],
    renamed: tuple[str, ...],
    prefix: str | None,
    *,
    dry_run: bool,
) -> int:
    """Move waiting and scheduled jobs of qless, RQ or Celery here.

    Stop the workers there first. Each job is put here, then removed there; a run that was
    interrupted is simply repeated. Only JSON is read: pickled jobs are refused, stay where they
    are, and are listed. The exit code is 1 if any job was refused.
    """
    with contextlib.closing(_connect(source)) as origin:
        try:
            with cli.out.following() as say:
                examined = 0

                def advance(number: int) -> None:
                    nonlocal examined
                    examined += number
                    say(f"{plural(examined, 'job')} examined")

                report = migrate(
                    cli.client,
                    origin,
                    kind,
                    queues=queues,
                    klasses=dict(_pair("--map", one) for one in klasses),
                    renamed=dict(_pair("--to-queue", one) for one in renamed),
                    prefix=prefix,
                    dry_run=dry_run,
                    advance=advance,
                )
        except BadArgumentError as error:
            raise click.UsageError(str(error)) from error
    cli.out.answer(_shape(report, dry_run=dry_run), lambda: _show(cli, report, dry_run=dry_run))
    return FAILED if report.refused or report.doubled else 0


def _connect(url: str) -> redis.Redis:
    """Return a connection to the other system."""
    import redis  # noqa: PLC0415 - help needs none

    # Celery writes a socket in its own way.
    address = url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)
    try:
        return redis.Redis.from_url(
            address, socket_connect_timeout=_CONNECT_TIMEOUT, socket_timeout=_ANSWER_TIMEOUT
        )
    except (ValueError, TypeError) as error:
        raise click.BadParameter(
            f"it is not the URL of a Redis: {error}", param_hint="--from"
        ) from None


def _pair(option: str, text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise click.BadParameter(f"{text!r} is not OLD=NEW", param_hint=option)
    return old, new


def _shape(report: MigrationReport, *, dry_run: bool) -> dict[str, Any]:
    return {
        "moved": report.moved,
        "finished": report.finished,
        "taken": report.taken,
        "doubled": report.doubled,
        "refused": report.refused,
        "refusals": [
            {"queue": one.queue, "id": one.id, "reason": one.reason} for one in report.refusals
        ],
        "others": report.others,
        "dry_run": dry_run,
    }


def _show(cli: CliContext, report: MigrationReport, *, dry_run: bool) -> None:
    cli.out.line(f"{'Would move' if dry_run else 'Moved'} {plural(report.moved, 'job')}")
    if report.taken:
        cli.out.note(f"{plural(report.taken, 'job')} left to workers there, which took them")
    for jid in report.doubled:
        cli.out.note(f"{jid} was started there and here")
    for queue, others in report.others.items():
        for what, number in others.items():
            cli.out.note(f"{queue}: {number:,} {what} left there")
    if report.refused:
        cli.out.note(f"Refused, and left there: {plural(report.refused, 'job')}")
    for one in report.refusals[:_SHOWN]:
        cli.out.note(f"{one.queue} {one.id}: {one.reason}")
    if report.refused > _SHOWN:
        cli.out.note(f"and {report.refused - _SHOWN:,} more: see --json")
