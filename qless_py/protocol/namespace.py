"""Queries of a namespace as a whole, and repairs of it."""

from typing import Any

from qless_py.protocol.call import Call, boolean, mapping, unpack_raw


def meta() -> Call[dict[str, Any]]:
    """Read the schema version and the clock of the namespace."""
    return Call("read/meta", (), mapping)


def request(name: str) -> Call[dict[str, Any]]:
    """Read whether a request was answered before; `reply` is the answer as bytes."""
    return Call("read/request", (name,), _request)


def _request(reply: bytes | None) -> dict[str, Any]:
    value = {key.decode(): one for key, one in dict(unpack_raw(reply) or {}).items()}
    return {**value, "state": value["state"].decode()}


def repair(kind: str, name: str | bytes, member: bytes = b"", index: str = "") -> Call[bool]:
    """Correct one key to match the records of its jobs; return whether anything was to be done."""
    return Call("repair", (kind, name, member, index), boolean)
