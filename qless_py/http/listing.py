"""Pages of lists: where the next one begins, in the body and as a `Link` header."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from flask import request
from pydantic import Field

from qless_py.errors import BadArgumentError
from qless_py.http.fields import Model
from qless_py.http.problems import Problem
from qless_py.http.route import Reply

T = TypeVar("T")

MOST: Final = 100
_OFFSET: Final = re.compile(r"[1-9][0-9]{0,8}")


class PageQuery(Model):
    """Which page of a list."""

    limit: int = Field(25, ge=1, le=MOST, description="At most so many entries.")
    cursor: str | None = Field(
        None, min_length=1, max_length=2000, description="The cursor of the page before."
    )


def page(name: str, entries: Sequence[Any], cursor: str | None, **more: Any) -> Reply:
    """Return a page of a list, with a link to the next one if there is any."""
    headers = {} if cursor is None else {"Link": f'<{_url(cursor)}>; rel="next"'}
    return Reply({name: list(entries), **more, "cursor": cursor}, 200, headers)


def _url(cursor: str) -> str:
    args = {**request.args.to_dict(flat=False), "cursor": [cursor]}
    return f"{request.script_root}{request.path}?{urlencode(args, doseq=True)}"


def by_cursor(query: PageQuery, read: Callable[[str | None, int], T]) -> T:
    """Read a page of the store; a wrong cursor is a problem."""
    try:
        return read(query.cursor, query.limit)
    except BadArgumentError as error:
        if "no cursor" in str(error):
            raise Problem("bad-cursor", "the cursor comes from no page of this list") from None
        raise


def offset_of(query: PageQuery) -> int:
    """Return how many entries are before the page, for lists that are read by position."""
    if query.cursor is None:
        return 0
    if not _OFFSET.fullmatch(query.cursor):
        raise Problem("bad-cursor", "the cursor comes from no page of this list")
    return int(query.cursor)


def next_offset(offset: int, number: int, total: int) -> str | None:
    """Return the cursor behind `number` entries, None at the end of the list."""
    return str(offset + number) if number and offset + number < total else None
