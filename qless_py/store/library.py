"""Keep few libraries of functions on a server."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import redis

from qless_py.scripts import assemble

MOST: Final = 8
"""So many versions may have their libraries on a server; a deploy has two or three at once."""


def remove_unused(connection: redis.Redis) -> None:
    """Delete the libraries of all other versions if the server has more than `MOST` of ours.

    The server does not tell which of them are still called. A client whose library is missing loads
    it again, so at worst a few calls take a second round trip. Nothing is deleted where the server
    refuses it.
    """
    with contextlib.suppress(redis.ResponseError):
        found: Any = connection.function_list(f"{assemble.PREFIX}*")
        names = [_name(one) for one in found]
        if len(names) <= MOST:
            return
        for name in names:
            if name != assemble.library().name:
                connection.function_delete(name)


def _name(described: Any) -> str:
    # A map in RESP3, a list of names and values in RESP2.
    pairs = (
        described if isinstance(described, dict) else dict(zip(*[iter(described)] * 2, strict=True))
    )
    name = pairs.get(b"library_name", pairs.get("library_name"))
    return name.decode() if isinstance(name, bytes) else str(name)
