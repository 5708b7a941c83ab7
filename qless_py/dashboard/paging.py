"""Which part of a list a request asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from flask import request

from qless_py.dashboard.auth.guard import Refusal
from qless_py.dashboard.context import dashboard

T = TypeVar("T")

_LARGEST: Final = 100
_FAREST: Final = 2**40


def offset_of() -> int:
    """Give the number of rows to skip; refuses what is no such number."""
    return _whole("offset", 0, 0, _FAREST)


def size_of() -> int:
    """Give the number of rows of a page."""
    return _whole("size", dashboard().config.page_size, 1, _LARGEST)


def cursor_of(name: str = "cursor") -> str | None:
    """Give where a list goes on, if it is not at its beginning."""
    return request.args.get(name) or None


def part_of(rows: Sequence[T], size: int = _LARGEST) -> tuple[list[T], dict[str, int]]:
    """Cut the page that is asked for out of what is there in whole, for lists that are rarely long.

    Gives its rows, and what the template needs to lead to the others.
    """
    offset = offset_of()
    shown = list(rows[offset : offset + size])
    return shown, {"offset": offset, "size": size, "total": len(rows)}


def _whole(name: str, default: int, low: int, high: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or not low <= int(text[:20]) <= high:
        raise Refusal(422, "bad-argument", f"{name} is a whole number from {low} to {high}")
    return int(text)
