"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from qless_py import options
from qless_py.errors import BadArgumentError
from qless_py.store import parse, resolve

Command = TypeVar("Command", bound=Callable[..., Any])


def checked_name(_context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Check a name, or several, so that a wrong one is wrong use and not an error of the store."""
    try:
        for one in [value] if isinstance(value, str) else value or ():
            options.name(str(parameter.human_readable_name), one)
    except BadArgumentError as error:
        raise click.BadParameter(str(error)) from error
    return value


def store(command: Command) -> Command:
    """Add the options that choose the store."""
    for add in (
        click.option(
            "--namespace",
            default="ql",
            show_default=True,
            callback=checked_name,
            help="Of all keys.",
        ),
        click.option(
            "--url",
            help="The store: redis://host:6379/0, unix://…, embedded:///folder. Without it "
            "QLESS_PY_URL, REDIS_URL, else a store of this user's own.",
        ),
    ):
        command = add(command)
    return command


def describe_store(url: str | None) -> str:
    """Give one line that says which store is used, and how to name another."""
    target = parse(resolve(url))
    hint = "; --url or QLESS_PY_URL names another" if target.kind == "embedded" else ""
    return f"Store: {target.shown}{hint}"
