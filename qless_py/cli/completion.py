"""`qless-py completion`: make a shell complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext

_VARIABLE = "_QLESS_PY_COMPLETE"


@command(
    "completion",
    examples=(
        "qless-py completion bash > ~/.local/share/bash-completion/completions/qless-py",
        "qless-py completion zsh > ~/.zfunc/_qless-py",
        "qless-py completion fish > ~/.config/fish/completions/qless-py.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_cli
def completion(cli: CliContext, shell: str) -> None:
    """Print a script that completes commands, options and names of the store in SHELL.

    Names of queues, jobs, tags and others come from the store, some of each.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    root = click.get_current_context().find_root().command
    made = kind(root, {}, "qless-py", _VARIABLE)
    # Not made.source(): that starts a bash to ask for its version.
    text = made.source_template % made.source_vars()
    cli.out.answer({"shell": shell, "script": text}, lambda: click.echo(text))
