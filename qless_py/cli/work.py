"""`qless-py work`: run a worker in the foreground."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys

import click

from qless_py.cli.frame import command, pass_state
from qless_py.cli.names import checked_name
from qless_py.cli.options import describe_store
from qless_py.cli.state import State


@command("work", examples=("qless-py work --queue mail --import app",))
@click.option(
    "-q",
    "--queue",
    "queues",
    multiple=True,
    required=True,
    callback=checked_name,
    help="May be repeated.",
)
@click.option(
    "-n",
    "--children",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default="one per processor",
    help="How many processes run jobs.",
)
@click.option(
    "--import",
    "imports",
    multiple=True,
    metavar="MODULE",
    help="Run handlers of this module and of those below it, and no others. May be repeated.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=25.0,
    show_default=True,
    help="Seconds that running jobs get after TERM or INT.",
)
@click.option("--burst", is_flag=True, help="Leave when nothing is left to take.")
@click.option("--quiet", is_flag=True, help="Say warnings only.")
@pass_state
def work(  # noqa: PLR0913 - one for each option
    state: State,
    queues: tuple[str, ...],
    children: int,
    imports: tuple[str, ...],
    *,
    grace: float,
    burst: bool,
    quiet: bool,
) -> int:
    """Take jobs and run them, in forked children.

    TERM and INT stop taking jobs, give the running ones --grace seconds, then hand them back; a
    second one does so at once. QUIT waits for the running jobs.
    """
    # Jobs name modules of the project in whose folder the worker is started.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the import system takes texts
    _check(imports)
    from qless_py.worker import Worker, WorkerOptions  # noqa: PLC0415 - help needs no worker

    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO,
        format="%(asctime)s %(process)d %(levelname)s %(message)s",
    )
    if not quiet:
        click.echo(describe_store(state.url), err=True)
    return Worker(
        WorkerOptions(
            queues=queues,
            imports=imports,
            children=children,
            url=state.url,
            namespace=state.namespace,
            grace=grace,
            burst=burst,
        )
    ).run()


def _check(imports: tuple[str, ...]) -> None:
    if not imports:
        raise click.UsageError("name the modules whose handlers may run: --import MODULE")
    for name in imports:
        # Only the first part: looking for the rest would import, and the parent runs no job code.
        top = name.partition(".")[0]
        if not all(part.isidentifier() for part in name.split(".")):
            raise click.BadParameter(f"{name!r} is no module name", param_hint="--import")
        if importlib.util.find_spec(top) is None:
            raise click.BadParameter(f"there is no module {top!r}", param_hint="--import")
