"""`qless-py autoscale`: how many workers the queues need."""

from __future__ import annotations

from dataclasses import asdict

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.params import SPAN, Number

_MOST = 100_000


@command(
    "autoscale",
    examples=(
        "qless-py autoscale",
        "qless-py autoscale mail 'report*' --max-wait 30s --slots 8 --max 20",
        "qless-py autoscale mail --json",
    ),
)
@click.argument("queues", nargs=-1, metavar="[QUEUE|PATTERN]...")
@click.option("--max-wait", type=SPAN, default=60.0, help="How long a job may wait.  [default: 1m]")
@click.option(
    "--slots",
    type=click.IntRange(1, _MOST),
    help="Jobs that one worker runs at once. By default the average of the running workers.",
)
@click.option(
    "--min", "minimum", type=click.IntRange(0, _MOST), default=0, show_default=True,
    help="The fewest workers.",
)  # fmt: skip
@click.option(
    "--max", "maximum", type=click.IntRange(1, _MOST), default=100, show_default=True,
    help="The most workers.",
)  # fmt: skip
@click.option(
    "--utilization",
    type=Number(0.1, 1),
    default=0.8,
    show_default=True,
    help="The share of slots that may be busy when nothing waits.",
)
@pass_cli
def autoscale(  # noqa: PLR0913 - one for each option
    cli: CliContext,
    queues: tuple[str, ...],
    *,
    max_wait: float,
    slots: int | None,
    minimum: int,
    maximum: int,
    utilization: float,
) -> None:
    """Print how many workers the queues need, by default all queues.

    The number follows from the jobs that wait, how long the oldest has waited, how many arrive and
    how long they run. One worker is one `qless-py work` with all its children.
    """
    from qless_py.metrics import Target, demand  # noqa: PLC0415 - help needs none

    target = Target(max_wait, slots, minimum, maximum, utilization)
    found = demand(cli.client, queues, target)

    def show() -> None:
        cli.out.line(str(found.desired))
        cli.out.note(f"{found.reason}; {found.current} workers now")

    cli.out.answer({**asdict(found), "reason": found.reason}, show)
