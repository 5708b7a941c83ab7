"""The header `Idempotency-Key`: the same request sent again takes effect once."""

from __future__ import annotations

from typing import Final, TypeVar

from flask import request

from qless_py.http.context import api, caller
from qless_py.http.problems import Problem
from qless_py.http.route import read_body
from qless_py.protocol.call import Call

T = TypeVar("T")

_LENGTH: Final = 255
KEY_HEADER: Final = {
    "Idempotency-Key": "Any text of up to 255 characters. The same request sent again with the "
    "same key gets the first answer and puts nothing twice."
}


def idempotency_key() -> str | None:
    """Return the key of the request, if it has one."""
    given = request.headers.get("Idempotency-Key")
    if given is not None and not 1 <= len(given) <= _LENGTH:
        raise Problem("invalid", f"Idempotency-Key does not have 1 to {_LENGTH} characters")
    return given


def idempotent(call: Call[T], number: int) -> Call[T]:
    """Return the call under the Idempotency-Key of the request, which belongs to its sender.

    `number` distinguishes the calls of one request.
    """
    key = idempotency_key()
    if key is None:
        return call
    name = f"{caller().name}\0{number}\0{key}"
    content = request.path.encode() + b"\0" + read_body()
    return call.idempotent(name, content, api().config.idempotency_life)
