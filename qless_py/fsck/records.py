"""Unpack stored jobs and other packed values, without trusting their form."""

import functools
from dataclasses import dataclass
from typing import Any

import msgpack

from qless_py.fsck.layout import text

WHOLE = 4

# A job as an array of 14 values; behind these the number of entries of the history, these entries,
# further fields as a map, and the data.
ARRAY = b"\x9e"
PLACED = (
    *("state", "klass", "queue", "retries", "put_at", "generation", "order", "worker", "lease"),
    "instant",
)
RECURRING = "recur"
STATES = (
    *("waiting", "scheduled", "depends", "throttled", "running", "stalled", "failed", "complete"),
    RECURRING,
)
INSTANTS = {"running": "popped_at", "complete": "completed_at"}
ABSENT = (b"", 2**63)


class UnreadableError(ValueError):
    """Stored bytes do not have the form of the layout."""


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of a stored job, and its data as far as it is stored inline."""

    fields: dict[str, Any]
    data: bytes

    def __getitem__(self, field: str) -> Any:
        return self.fields.get(field)

    @property
    def state(self) -> str:
        """The state, "" if it is missing."""
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
        """The user, "" without one."""
        return str(self.fields.get("user") or "")

    @property
    def gate(self) -> str:
        """The throttle that the job is parked on, "" if it is not parked."""
        return str(self.fields.get("gate") or "")

    @property
    def subqueue(self) -> str:
        """The name of its subqueue: queue, user and gate."""
        return f"{self.queue}/{self.user}/{self.gate}"

    @property
    def holds(self) -> list[str]:
        """The throttles of which the job is a holder while it runs."""
        own = [*self.list_of("throttles"), *([f"user:{self.user}"] if self.user else [])]
        return [throttle for throttle in own if throttle not in self.list_of("excused")]

    def list_of(self, field: str) -> list[str]:
        """Return a list of texts, empty if it is not stored."""
        found = self.fields.get(field) or []
        return [str(one) for one in found] if isinstance(found, list) else []

    @property
    def has_ended(self) -> bool:
        """Whether the job has ended; it may be put again."""
        return self.state in ("complete", "failed")


# Several rules look at the same job. Nobody changes a record.
@functools.lru_cache(maxsize=256)
def job(value: bytes | None) -> Record | None:
    """Unpack a stored job; None if there is none."""
    if value is None:
        return None
    if value[:1] == ARRAY:
        return _from_array(value)
    end = WHOLE + int.from_bytes(value[:WHOLE], "big")
    if len(value) < end or end == WHOLE:
        raise UnreadableError("the length prefix does not fit the value")
    return Record(packed_map(value[WHOLE:end], keep=("order",)), value[end:])


def _from_array(value: bytes) -> Record:
    *placed, history, others, data = _unpacked(value)
    entries = placed.pop()
    if not isinstance(placed[0], int) or not 0 < placed[0] <= len(STATES):
        raise UnreadableError("the number of the state is unknown")
    fields = {
        name: one if name == "order" else _readable(one)
        for name, one in zip(PLACED, placed, strict=True)
        if one not in ABSENT
    }
    fields["state"] = state = STATES[placed[0] - 1]
    if "instant" in fields:
        fields[INSTANTS.get(state, "instant")] = fields.pop("instant")
    if entries:
        fields["history"] = _entries(history, entries)
    return Record(fields | (packed_map(others) if others else {}), data)


def _entries(packed: bytes, number: int) -> list[Any]:
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
    unpacker.feed(packed)
    try:
        entries = [_readable(one) for one in unpacker]
    except (ValueError, msgpack.UnpackException) as error:
        raise UnreadableError("the history is not msgpack values") from error
    if len(entries) != number or unpacker.tell() != len(packed):
        raise UnreadableError("the history does not have the number of entries that is stored")
    return entries


def packed_map(value: bytes, keep: tuple[str, ...] = ()) -> dict[str, Any]:
    """Unpack a map with text as keys; the fields in `keep` stay bytes."""
    fields = _unpacked(value)
    # The packer in the server writes an empty map as an empty list.
    if fields == []:
        return {}
    if not isinstance(fields, dict):
        raise UnreadableError("the value is not a map")
    named = ((text(name), one) for name, one in fields.items())
    return {name: one if name in keep else _readable(one) for name, one in named}


def _unpacked(value: bytes) -> Any:
    try:
        return msgpack.unpackb(value, raw=True, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise UnreadableError("the value is not one msgpack value") from error


def packed_value(value: bytes) -> Any:
    """Unpack any value, with strings as text."""
    return _readable(_unpacked(value))


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, list):
        return [_readable(one) for one in value]
    if isinstance(value, dict):
        return {_readable(name): _readable(one) for name, one in value.items()}
    return value
