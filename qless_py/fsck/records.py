"""Reads stored jobs and the other packed values, believing nothing about them."""

from dataclasses import dataclass
from typing import Any

import msgpack

from qless_py.fsck.names import text

WHOLE = 4


class UnreadableError(ValueError):
    """Stored bytes are not in the form that the layout gives them."""


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of a stored job and the data kept beside them."""

    fields: dict[str, Any]
    data: bytes

    def __getitem__(self, field: str) -> Any:
        return self.fields.get(field)

    @property
    def state(self) -> str:
        """The state as stored, "" when there is none."""
        return str(self.fields.get("state", ""))

    @property
    def queue(self) -> str:
        """The queue, "" for a complete job."""
        return str(self.fields.get("queue", ""))

    @property
    def priority(self) -> float:
        """The priority, whose default is not stored."""
        return float(self.fields.get("priority", 0))

    @property
    def tags(self) -> list[str]:
        """The tags in the order of their addition."""
        return [str(tag) for tag in self.fields.get("tags") or []]

    @property
    def user(self) -> str:
        """The user, "" when it has none."""
        return str(self.fields.get("user") or "")

    @property
    def gate(self) -> str:
        """The throttle that it is parked on, "" when there is none."""
        return str(self.fields.get("gate") or "")

    @property
    def subqueue(self) -> str:
        """The name of its subqueue: queue, user and gate."""
        return f"{self.queue}/{self.user}/{self.gate}"

    @property
    def holds(self) -> list[str]:
        """The throttles whose holder it is, while it runs."""
        own = [*self.list_of("throttles"), *([f"user:{self.user}"] if self.user else [])]
        return [throttle for throttle in own if throttle not in self.list_of("excused")]

    def list_of(self, field: str) -> list[str]:
        """Give a list of texts, empty when it is not stored."""
        found = self.fields.get(field) or []
        return [str(one) for one in found] if isinstance(found, list) else []

    @property
    def has_ended(self) -> bool:
        """Whether the job is done with, until somebody puts it again."""
        return self.state in ("complete", "failed")


def job(value: bytes | None) -> Record | None:
    """Read a stored job; None when there is none."""
    if value is None:
        return None
    end = WHOLE + int.from_bytes(value[:WHOLE], "big")
    if len(value) < end or end == WHOLE:
        raise UnreadableError("the length in front does not fit the value")
    return Record(packed_map(value[WHOLE:end], keep=("order",)), value[end:])


def packed_map(value: bytes, keep: tuple[str, ...] = ()) -> dict[str, Any]:
    """Unpack a map with names for keys; `keep` names fields that stay bytes."""
    fields = _unpacked(value)
    # An empty map and an empty list are one thing to the packer in the server.
    if fields == []:
        return {}
    if not isinstance(fields, dict):
        raise UnreadableError("it is not a map")
    return {
        text(name): (one if text(name) in keep else _readable(one)) for name, one in fields.items()
    }


def _unpacked(value: bytes) -> Any:
    try:
        return msgpack.unpackb(value, raw=True, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise UnreadableError("it is not one msgpack value") from error


def packed_value(value: bytes) -> Any:
    """Unpack any one value, its strings as text."""
    return _readable(_unpacked(value))


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, list):
        return [_readable(one) for one in value]
    if isinstance(value, dict):
        return {_readable(name): _readable(one) for name, one in value.items()}
    return value
