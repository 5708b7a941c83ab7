"""Which part of a list a request asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from flask import request

from qless_py.auth.guard import RequestRejected
from qless_py.dashboard.context import dashboard

T = TypeVar("T")

_MAX_SIZE: Final = 100
_MAX_OFFSET: Final = 2**40


def page_offset(name: str = "offset") -> int:
    """Return the number of rows to skip; raises `RequestRejected` if it is not one."""
    return page_number(name, 0, 0, _MAX_OFFSET)


def page_size() -> int:
    """Return the number of rows of a page; raises `RequestRejected` if it is not one."""
    return page_number("size", dashboard().config.page_size, 1, _MAX_SIZE)


def counted_before(name: str) -> int:
    """Return how many jobs the earlier pages of a search have `searched` or `found`."""
    return page_number(name, 0, 0, _MAX_OFFSET)


def page_cursor(name: str = "cursor") -> str | None:
    """Return where a list continues, or None at its beginning."""
    return request.args.get(name) or None


def paginate(rows: Sequence[T], size: int = _MAX_SIZE) -> tuple[list[T], dict[str, int]]:
    """Return the requested page of a complete list, and the variables of the pagination links."""
    offset = page_offset()
    page = list(rows[offset : offset + size])
    return page, {"offset": offset, "size": size, "total": len(rows)}


def page_number(name: str, default: int, low: int, high: int) -> int:
    """Return a whole number of the query; raises `RequestRejected` if it is not one."""
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or not low <= int(text[:20]) <= high:
        message = f"{name} must be a whole number from {low} to {high}"
        raise RequestRejected(422, "bad-argument", message)
    return int(text)
