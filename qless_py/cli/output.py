"""The output of commands: tables for people, JSON for programs, colour on a terminal only."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from qless_py.cli import tables

if TYPE_CHECKING:
    from rich.console import Console

_WIDE: Final = 100_000  # In a pipe no line is folded.
_LONG_WORK: Final = 200
# Surrogates, which cannot be encoded, and characters that control a terminal.
_UNSHOWN: Final = re.compile(
    "[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)

Advance = Callable[[int], None]


class Output:
    """Print answers on standard output and notes on standard error."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self.answered: Any = None  # The answer of the command.

    def answer(self, value: Any, show: Callable[[], None] | None = None) -> None:
        """Print the answer as JSON, or let `show` print it for people."""
        self.answered = value
        if self.is_json:
            click.echo(as_json(value))
        elif show is not None:
            show()

    def line(self, text: str = "") -> None:
        """Print one line."""
        click.echo(safe(text))

    def note(self, text: str) -> None:
        """Print a line on standard error."""
        click.echo(safe(text), err=True)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, has_text: bool = False
    ) -> None:
        """Print rows; `has_text` says that the last column is free text."""
        listed = [list(row) for row in rows]
        made = []
        for at, name in enumerate(columns):
            values = [row[at] for row in listed]
            is_number = any(isinstance(value, int | float) for value in values)
            is_nothing = bool(values) and not any(values)
            cells = [cell(value).expandtabs(4) for value in values]
            made.append(tables.Column(name, cells, is_number, is_nothing))
        where = console(sys.stdout)
        if where.is_terminal:
            tables.show(where, made, has_text=has_text)
            return
        with where.capture() as captured:
            tables.show(where, made, has_text=has_text)
        for line in captured.get().splitlines():
            click.echo(line)  # One by one: a reader such as `head` may close the pipe early.

    def facts(self, pairs: Mapping[str, Any]) -> None:
        """Print names and values, without empty values."""
        given = {safe(name): value for name, value in pairs.items()}
        shown = {name: cell(value) for name, value in given.items() if value not in (None, "", [])}
        width = max(map(len, shown), default=0)
        for name, value in shown.items():
            first, *rest = value.splitlines() or [""]
            click.echo(f"{name:<{width}}  {first}")
            for more in rest:
                click.echo(f"{'':<{width}}  {more}")

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Advance]:
        """Show the progress of long work, on a terminal."""
        if total < _LONG_WORK or not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.progress import Progress  # noqa: PLC0415 - slow to import

        with Progress(console=console(sys.stderr), transient=True) as shown:
            task = shown.add_task(what, total=total)
            yield lambda number: shown.advance(task, number)

    @contextmanager
    def following(self) -> Iterator[Callable[[str], None]]:
        """Show a status line that changes, on a terminal."""
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        with console(sys.stderr).status("") as shown:
            yield lambda text: shown.update(safe(text))


def console(stream: TextIO) -> Console:
    """Return a console that is coloured on a terminal, unless NO_COLOR is set."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    is_terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=is_terminal,
        no_color=bool(os.environ.get("NO_COLOR")) or not is_terminal,
        highlight=False,
        markup=False,
        emoji=False,
        width=shutil.get_terminal_size().columns if is_terminal else _WIDE,
    )


def cell(value: Any) -> str:
    """Return a value as text for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if value.is_integer() else f"{value:.3f}"
    if isinstance(value, list | tuple):
        return safe(", ".join(map(str, value)))
    return safe(str(value))


def safe(text: str) -> str:
    """Escape characters that would control the terminal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def as_json(value: Any) -> str:
    """Return JSON, indented on a terminal."""
    return _written(value, indent=2 if sys.stdout.isatty() else None)


def as_json_line(value: Any) -> str:
    """Return a value as one line of JSON."""
    return _written(value)


def _written(value: Any, indent: int | None = None) -> str:
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    try:
        text = json.dumps(
            _plain(value), ensure_ascii=not is_unicode, indent=indent, allow_nan=False
        )
    except RecursionError:
        raise click.ClickException("the data is nested too deeply for JSON") from None
    # They occur in strings only, where an escape means the same.
    return _UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: Any) -> Any:
    from qless_py.client.serialize import plain  # noqa: PLC0415 - it imports the client

    return plain(value)


def brief(value: Any, longest: int = 60) -> str:
    """Return data as one short line."""
    try:
        text = safe(json.dumps(_plain(value), ensure_ascii=False))
    except RecursionError:
        return "nested too deeply to show"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
