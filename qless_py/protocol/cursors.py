"""Cursors: where a list continues, as text that fits into URLs."""

import base64
import binascii
import json
from typing import Any

from qless_py.errors import BadArgumentError

Mark = tuple[bytes, bytes]
"""The score and the member behind which a page begins."""


def write(*parts: Any) -> str:
    """Write plain values, and marks, as text."""
    plain = json.dumps([_plain(part) for part in parts])
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def read(text: str) -> list[Any]:
    """Read what `write` wrote; raises `BadArgumentError`."""
    try:
        padded = text + "=" * (-len(text) % 4)
        found = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise refused(text) from error
    if not isinstance(found, list):
        raise refused(text)
    return found


def mark(value: Any) -> Mark | None:
    """Read a mark among the parts; raises what is no `BadArgumentError` for anything else."""
    if not value:
        return None
    score, member = value
    return (bytes.fromhex(score), bytes.fromhex(member))


def page_cursor(after: Mark | None) -> str | None:
    """Write where the next page of a list begins; `None` at its end."""
    return None if after is None else write(after)


def page_mark(cursor: str | None) -> Mark | None:
    """Read what `page_cursor` wrote; raises `BadArgumentError`."""
    if cursor is None:
        return None
    try:
        (only,) = read(cursor)
        found = mark(only)
    except (ValueError, TypeError) as error:
        raise refused(cursor) from error
    if found is None:
        raise refused(cursor)
    return found


def refused(text: Any) -> BadArgumentError:
    """Return the error for a text that is no cursor."""
    return BadArgumentError(f"this is no cursor: {text!r}")


def _plain(part: Any) -> Any:
    if part is None:
        return []
    return [one.hex() for one in part] if isinstance(part, tuple) else part
