"""`qless-py health`: whether the store can be used, for containers."""

from __future__ import annotations

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED


@command("health", examples=("qless-py health", "qless-py health --ready"))
@click.option("--ready", is_flag=True, help="Also require scripts, memory policy and writes.")
@pass_cli
def health(cli: CliContext, *, ready: bool) -> int:
    """Check the store for a container: exit code 1 unless it answers.

    With --ready it must also run the scripts, keep jobs when its memory is full, and accept writes.
    This is what /readyz of `qless-py web` answers. For one worker use `qless-py workers check`; for
    advice `qless-py doctor`.
    """
    from qless_py.metrics.health import Health, check  # noqa: PLC0415 - help needs none

    found = check(cli.open())
    if not ready:
        found = Health({name: why for name, why in found.problems.items() if name == "store"})

    def show() -> None:
        for name, why in found.problems.items():
            cli.out.line(f"{name.replace('_', ' ')}: {why}")
        if found.is_ready:
            cli.out.line("ready" if ready else "the store answers")

    answer = {"ready" if ready else "live": found.is_ready, "problems": found.problems}
    cli.out.answer(answer, show)
    return 0 if found.is_ready else FAILED
