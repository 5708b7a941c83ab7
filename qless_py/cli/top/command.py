"""`qless-py top`: the command."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.params import Span
from qless_py.store import parse, resolve

_PATIENCE: Final = 2.0
_LEAST: Final = 0.2
_LONGEST_WINDOW: Final = 3600.0


class _Within(Span):
    """A duration between two bounds."""

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read and check it."""
        seconds = float(super().convert(value, param, ctx))
        if not self._least <= seconds <= self._most:
            self.fail(f"{value} is not from {self._least:g} to {self._most:g} seconds", param, ctx)
        return seconds


@command(
    "top",
    examples=(
        "qless-py top",
        "qless-py top --interval 5s --window 5m",
        "qless-py top --once",
        "qless-py top --json",
    ),
)
@click.option(
    "--interval",
    type=_Within(_LEAST, _LONGEST_WINDOW),
    default=2.0,
    help="How often the numbers are read.  [default: 2s]",
)
@click.option(
    "--window",
    type=_Within(1.0, _LONGEST_WINDOW),
    default=60.0,
    help="The period over which rates and failed jobs are counted, in whole minutes before the "
    "current one.  [default: 1m]",
)
@click.option("--once", is_flag=True, help="Print the numbers once.")
@pass_cli
def top(cli: CliContext, interval: float, window: float, *, once: bool) -> None:
    """Watch queues, workers, running jobs and alerts in the terminal.

    Keys: q quits, p pauses, s sorts by the next column, / filters, tab shows the next table, arrows
    scroll. --once and --json print the numbers once, for pipes.
    """
    from rich.console import Console  # noqa: PLC0415 - only when asked for

    from qless_py.cli.top.live import LiveView  # noqa: PLC0415
    from qless_py.cli.top.picture import PictureReader  # noqa: PLC0415
    from qless_py.cli.top.view import once as drawn  # noqa: PLC0415

    is_terminal = sys.stdout.isatty() and sys.stdin.isatty()
    if not (once or cli.is_json or is_terminal):
        raise click.UsageError("top needs a terminal: print the numbers with --once or --json")
    target = parse(resolve(cli.url, is_shown=True))
    store = f"{cli.namespace} at {target.shown}"
    client = cli.client.with_patience(_PATIENCE)
    reader = PictureReader(client, window)
    no_color = bool(os.environ.get("NO_COLOR"))
    if cli.is_json or once:
        picture = reader.read()
        is_shown = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if is_shown else 1000
        console = Console(
            width=width, no_color=no_color or not is_shown, highlight=False, markup=False,
            emoji=False, force_terminal=is_shown,
        )  # fmt: skip
        cli.out.answer(
            picture.as_json(),
            lambda: console.print(drawn(picture, store, width, expand=is_shown)),
        )
        return
    console = Console(no_color=no_color, highlight=False, markup=False, emoji=False)
    LiveView(console, reader.read, store, interval).run(sys.stdin.fileno())
