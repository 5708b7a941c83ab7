"""Tables: as wide as needed in a pipe, folded to the width of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

GAP: Final = 2
_NARROW: Final = 4  # Characters that each column keeps at least.
_NAME: Final = 5  # Characters of its name.
_WHOLE: Final = 40  # Characters of the first column that are not folded, so that it can be copied.
_FREE: Final = 16  # Characters that free text needs beside the other columns.
_INDENT: Final = 4  # Of free text below its row.


@dataclass(frozen=True, slots=True)
class Column:
    """A column: numbers are flushed right; one that is_nothing may be left out."""

    name: str
    cells: Sequence[str]
    is_number: bool
    is_nothing: bool


def show(where: Console, columns: Sequence[Column], *, has_text: bool) -> None:
    """Print the columns; `has_text` says that the last one is free text.

    On a terminal that is too narrow, columns without values are left out, then free text goes
    below its row, then the widest columns are folded.
    """
    widths = [_natural(column) for column in columns]
    if where.is_terminal and _total(widths) > where.width:
        has_text = has_text and not columns[-1].is_nothing
        columns = [one for at, one in enumerate(columns) if at == 0 or not one.is_nothing]
        widths = [_natural(column) for column in columns]
    text: Column | None = None
    if where.is_terminal:
        if has_text and _total(widths[:-1]) + GAP + min(_FREE, widths[-1]) > where.width:
            *columns, text = columns
        widths = _fitted(columns, where.width, has_text=has_text and text is None)
    grid = _grid(columns, widths)
    grid.add_row(*(_cell(one.name) for one in columns), style="bold")
    for at in range(len(columns[0].cells)):
        grid.add_row(*(_cell(one.cells[at]) for one in columns))
        if text is not None and text.cells[at]:
            _print(where, grid, _total(widths))
            _print(where, _below(text.cells[at]), where.width)
            grid = _grid(columns, widths)
    _print(where, grid, _total(widths))


def _natural(column: Column) -> int:
    return max(_longest([column.name]), _longest(column.cells))


def _longest(texts: Sequence[str]) -> int:
    from rich.cells import cell_len  # noqa: PLC0415 - slow to import

    return max((cell_len(line) for text in texts for line in text.splitlines()), default=0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _fitted(columns: Sequence[Column], room: int, *, has_text: bool) -> list[int]:
    """Narrow free text, then the names of columns, then the widest columns, until all fit."""
    fitted = [_natural(column) for column in columns]
    if has_text:
        left = room - _total(fitted[:-1]) - GAP
        fitted[-1] = min(fitted[-1], max(_FREE, left))
    least = [min(width, _NARROW if at else _WHOLE) for at, width in enumerate(fitted)]
    unbroken = [least[0], *(max(_NAME, _longest(column.cells)) for column in columns[1:])]
    for leasts in (unbroken, least):
        while _total(fitted) > room:
            spare = [width if width > leasts[at] else 0 for at, width in enumerate(fitted)]
            if not any(spare):
                break
            fitted[spare.index(max(spare))] -= 1
    return fitted


def _grid(columns: Sequence[Column], widths: Sequence[int]) -> Table:
    from rich.table import Table  # noqa: PLC0415 - slow to import

    grid = Table.grid(padding=(0, GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        grid.add_column(
            width=width, justify="right" if column.is_number else "left", overflow="fold"
        )
    return grid


def _cell(text: str) -> Text:
    from rich.text import Text  # noqa: PLC0415 - slow to import

    return Text(text)


def _below(text: str) -> Padding:
    from rich.padding import Padding  # noqa: PLC0415 - slow to import

    shown = _cell(text)
    shown.overflow = "fold"
    return Padding(shown, (0, 0, 0, _INDENT))


def _print(where: Console, table: RenderableType, width: int) -> None:
    """Print at this width, even on a terminal that is narrower, without blanks at line ends."""
    from rich.text import Text  # noqa: PLC0415 - slow to import

    for segments in where.render_lines(table, where.options.update(width=width), pad=False):
        line = Text.assemble(*((one.text, one.style or "") for one in segments))
        line.rstrip()
        where.print(line, no_wrap=True, overflow="ignore", crop=False)
