"""Lists that are read page by page, each of which says where the next one begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

from qless_py.cli.output import Output
from qless_py.errors import BadArgumentError

Command = TypeVar("Command", bound=Callable[..., Any])


class Page(Protocol):
    """Part of a list."""

    @property
    def total(self) -> int:
        """How many there are in all."""

    @property
    def cursor(self) -> str | None:
        """Where to go on."""


P = TypeVar("P", bound=Page)


def by_cursor(command: Command) -> Command:
    """Add the options that choose a page."""
    for option in (
        click.option(
            "--count",
            type=click.IntRange(1, 250),
            default=100,
            show_default=True,
            help="How many to show.",
        ),
        click.option("--cursor", help="Go on where another page ended, which said this."),
    ):
        command = option(command)
    return command


def read_page(read: Callable[[str | None, int], P], cursor: str | None, count: int) -> P:
    """Read a page; a cursor of nobody is an error of usage."""
    try:
        return read(cursor, count)
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error


def note_rest(out: Output, page: Page) -> None:
    """Say where to go on, if there is more."""
    if page.cursor is not None:
        out.note(f"of {page.total}; more with --cursor {page.cursor}")
