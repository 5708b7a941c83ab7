"""Tables: as wide as needed in a pipe, folded to the width of a terminal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
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
    for line in _lines(where, [one.name for one in columns], columns, widths):
        line.stylize("bold")
        _write(where, line)
    for at in range(len(columns[0].cells)):
        for line in _lines(where, [one.cells[at] for one in columns], columns, widths):
            _write(where, line)
        if text is not None and text.cells[at]:
            for line in _wrapped(where, text.cells[at], where.width - _INDENT):
                line.pad_left(_INDENT)
                _write(where, line)


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


def _lines(
    where: Console, texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int]
) -> Iterator[Text]:
    """Yield the lines of a row."""
    from rich.text import Text  # noqa: PLC0415 - slow to import

    cells = [_wrapped(where, text, width) for text, width in zip(texts, widths, strict=True)]
    for parts in itertools.zip_longest(*cells):
        line = Text()
        for part, column, width in zip(parts, columns, widths, strict=True):
            shown = part or Text()
            shown.align("right" if column.is_number else "left", width)
            line.append_text(shown).append(" " * GAP)
        yield line


def _wrapped(where: Console, text: str, width: int) -> list[Text]:
    from rich.cells import cell_len  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    parts: list[Text] = []
    for line in text.splitlines() or [""]:
        fits = cell_len(line) <= width
        parts += [Text(line)] if fits else Text(line).wrap(where, width, overflow="fold")
    return parts


def _write(where: Console, line: Text) -> None:
    line.rstrip()
    where.print(line, no_wrap=True, overflow="ignore", crop=False)
