"""`qless-py demo`: watch real jobs run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from rich.console import Console

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext


@command("demo", examples=("qless-py demo", "qless-py demo src --store /tmp/demo"))
@click.argument(
    "folder",
    required=False,
    type=click.Path(exists=True, file_okay=False, readable=True, path_type=Path),
)
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the embedded store, by default a new temporary one.",
)
@pass_cli
def demo(cli: CliContext, folder: Path | None, store: Path | None) -> int:
    """Watch jobs index the Python files in FOLDER while workers are killed.

    The default FOLDER is the standard library of the running Python. At the end the totals are
    compared with a plain count; exit code 1 if they differ.
    """
    from qless_py.cli.demo.run import Demo, standard_library  # noqa: PLC0415 - only when asked for

    place = store or Path(tempfile.mkdtemp(prefix="qless-py-demo-"))
    # Standard output is for the JSON answer.
    console = Console(stderr=cli.is_json)
    made = Demo((folder or standard_library()).resolve(), place, console)
    agrees = made.run()
    cli.out.answer({"agrees": agrees, "store": str(place)})
    return 0 if agrees else 1
