"""Lists that are read page by page, by offset or by cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

from qless_py.cli.output import Output
from qless_py.errors import BadArgumentError

Command = TypeVar("Command", bound=Callable[..., Any])


class Page(Protocol):
    """A page of a list."""

    @property
    def total(self) -> int:
        """The length of the whole list."""

    @property
    def cursor(self) -> str | None:
        """The cursor of the next page, if there is one."""


P = TypeVar("P", bound=Page)


def by_cursor(command: Command) -> Command:
    """Add --count and --cursor."""
    for option in (
        click.option(
            "--count",
            type=click.IntRange(1, 250),
            default=100,
            show_default=True,
            help="Show at most this many.",
        ),
        click.option("--cursor", help="Continue after the page that printed this cursor."),
    ):
        command = option(command)
    return command


def read_page(read: Callable[[str | None, int], P], cursor: str | None, count: int) -> P:
    """Read a page; an unknown cursor is a usage error."""
    try:
        return read(cursor, count)
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error


def note_rest(out: Output, page: Page) -> None:
    """Print the cursor of the next page, if there is one."""
    if page.cursor is not None:
        out.note(f"of {page.total:,} in all; next page: --cursor {page.cursor}")
