"""`qless-py export`: write jobs to a file of JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.filters import Filters, filter_options
from qless_py.client import bulk
from qless_py.client.humanize import plural
from qless_py.errors import BadArgumentError
from qless_py.transfer import export_jobs, settings

_MORE: Final = {
    "recurring": "recurring jobs",
    "throttle": "throttles",
    "user": "users",
    "config": "options",
    "pause": "paused queues",
}


@command(
    "export",
    examples=(
        "qless-py export --output jobs.jsonl",
        "qless-py export --output jobs.jsonl --resume",
        "qless-py export --queue mail --state failed --history > failed.jsonl",
        "qless-py export --output all.jsonl --with everything --running",
    ),
)
@click.argument("search", nargs=-1)
@filter_options
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, which must not exist; by default standard output.",
)
@click.option("--resume", is_flag=True, help="Continue a file whose export was cut off.")
@click.option("--history", is_flag=True, help="Export the history of each job, too.")
@click.option("--running", is_flag=True, help="Export running jobs, as waiting ones.")
@click.option(
    "--with",
    "kinds",
    multiple=True,
    type=click.Choice([*settings.KINDS, "everything"]),
    help="What else to export. May be repeated.",
)
@pass_cli
def export(  # noqa: PLR0913 - the options of the command
    cli: CliContext,
    search: tuple[str, ...],
    output: Path | None,
    kinds: tuple[str, ...],
    *,
    resume: bool,
    history: bool,
    running: bool,
    **given: Any,
) -> None:
    """Export jobs in any state as JSON lines, for `qless-py import`.

    SEARCH and the filters choose jobs as for `qless-py jobs`; without them all are exported.
    Pause the queues first: a job that changes its state meanwhile may be left out or written twice.
    """
    if resume and output is None:
        raise click.UsageError("--resume needs --output")
    query = Filters(**given, search=" ".join(search) or None).query()
    target = output or sys.stdout.buffer
    chosen = settings.KINDS if "everything" in kinds else kinds
    try:
        number, is_all = bulk.count(cli.client, query, budget=1000)
        with cli.out.progress("export", number if is_all else 10 * number) as advance:
            report = export_jobs(
                cli.client,
                target,
                query,
                kinds=chosen,
                history=history,
                running=running,
                resume=resume,
                advance=advance,
            )
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error
    answer = {
        "output": None if output is None else str(output),
        "counts": report.counts,
        "running": report.running,
        "resumed": report.is_resumed,
    }
    others = [
        f"{report.counts[kind]:,} {name}" for kind, name in _MORE.items() if report.counts.get(kind)
    ]
    cli.out.note(f"Exported {', '.join([plural(report.jobs, 'job'), *others])}")
    if report.running:
        cli.out.note(f"Left out {plural(report.running, 'running job')}: --running exports them")
    if output is not None:
        cli.out.answer(answer)
