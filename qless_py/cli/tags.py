"""`qless-py tags`: tags and how many jobs have each."""

from __future__ import annotations

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.params import paged


@command("tags", examples=("qless-py tags", "qless-py tags --minimum 2 --json"))
@paged(100)
@click.option(
    "--minimum",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Only tags of at least this many jobs.",
)
@pass_cli
def tags(cli: CliContext, count: int, offset: int, minimum: int) -> None:
    """List tags and how many jobs have each, the most used first."""
    found = cli.client.tag_counts(offset, count, minimum=minimum)
    answer = {"tags": [{"tag": tag, "number": number} for tag, number in found]}
    cli.out.answer(answer, lambda: cli.out.table(("tag", "jobs"), found))
