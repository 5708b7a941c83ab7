"""`qless-py import`: restore jobs from a file that `qless-py export` has written."""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED
from qless_py.cli.params import SPAN
from qless_py.client.humanize import plural
from qless_py.errors import BadArgumentError
from qless_py.transfer import ImportReport, import_jobs, settings
from qless_py.transfer.importing import REMEMBER

_SHOWN: Final = 20
_LONG: Final = 1_000_000  # Bytes of a file from which on progress is shown.


@command(
    "import",
    examples=(
        "qless-py import jobs.jsonl --dry-run",
        "qless-py import jobs.jsonl --namespace staging --queue mail=letters",
        "ssh old-host qless-py export | qless-py import -",
    ),
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="OLD=NEW",
    help="Restore the jobs of one queue into another. May be repeated.",
)
@click.option(
    "--without",
    "without",
    multiple=True,
    type=click.Choice(settings.KINDS),
    help="Leave these lines of the file alone. May be repeated.",
)
@click.option(
    "--remember",
    type=SPAN,
    default=REMEMBER,
    help="For how long a second import of the same jobs does nothing, even if they have run.  "
    "[default: 1d]",
)
@click.option("--incomplete", is_flag=True, help="Import a file that was cut off or changed.")
@click.option(
    "--orphans",
    is_flag=True,
    help="Also restore jobs that wait for a job which is neither in the file nor in the store.",
)
@click.option("--dry-run", is_flag=True, help="Only check the file.")
@pass_cli
def import_command(  # noqa: PLR0913 - the options of the command
    cli: CliContext,
    path: Path,
    queues: tuple[str, ...],
    without: tuple[str, ...],
    remember: float,
    *,
    incomplete: bool,
    orphans: bool,
    dry_run: bool,
) -> int:
    """Restore the jobs of an export. FILE may be - for standard input.

    Every line is checked before anything is written. Bad lines and jobs that the store refuses are
    left out and listed; the exit code is 1 then. Jobs that exist are left alone, so an import that
    was interrupted is simply run again.
    """
    kinds = [kind for kind in settings.KINDS if kind not in without]
    with ExitStack() as stack:
        stream = stack.enter_context(_opened(path))
        try:
            with cli.out.progress("import", _lines(path)) as advance:
                report = import_jobs(
                    cli.client,
                    stream,
                    queues=dict(_pair(one) for one in queues),
                    kinds=kinds,
                    remember=remember,
                    incomplete=incomplete,
                    orphans=orphans,
                    dry_run=dry_run,
                    advance=advance,
                )
        except BadArgumentError as error:
            raise click.UsageError(str(error)) from error
    cli.out.answer(_shape(report, dry_run=dry_run), lambda: _show(cli, report, dry_run=dry_run))
    return FAILED if report.refused else 0


def _opened(path: Path) -> IO[bytes]:
    """Open the file; standard input is copied, since it is read twice."""
    if str(path) != "-":
        return path.open("rb")
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    shutil.copyfileobj(sys.stdin.buffer, copy)
    return copy


def _lines(path: Path) -> int:
    """Estimate the number of jobs, if the file is so long that progress is worth showing."""
    size = path.stat().st_size if path.is_file() else 0
    return size // 300 if size > _LONG else 0


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not OLD=NEW", param_hint="--queue")
    return old, new


def _shape(report: ImportReport, *, dry_run: bool) -> dict[str, object]:
    return {
        "namespace": report.namespace,
        "jobs": report.jobs,
        "restored": report.restored,
        "existing": report.existing,
        "refused": report.refused,
        "others": report.others,
        "reasons": [{"line": at, "reason": why} for at, why in sorted(report.reasons.items())],
        "dry_run": dry_run,
    }


def _show(cli: CliContext, report: ImportReport, *, dry_run: bool) -> None:
    if dry_run:
        cli.out.line(f"Would restore up to {plural(report.jobs, 'job')}")
    else:
        cli.out.line(f"Restored {plural(report.restored, 'job')}")
    if report.existing:
        cli.out.line(f"Skipped {plural(report.existing, 'job')} whose jid exists or has run")
    for kind, number in report.others.items():
        cli.out.line(f"Set {number:,} of kind {kind}")
    for at, why in itertools.islice(sorted(report.reasons.items()), _SHOWN):
        cli.out.note(f"line {at}: {why}")
    if report.refused > _SHOWN:
        cli.out.note(f"and {report.refused - _SHOWN:,} more lines were refused: see --json")
