"""Jobs on the wire: as they are put, and as they come back in replies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from qless_py.protocol.call import original, unpack, unpack_all, unpack_raw

_POPPED_FIELDS: Final = ("jid", "value", "expires_at")

# How a job is stored: `lua/lib/job/record.lua`.
_ARRAY: Final = 0x9E
_PLACED: Final = (
    *("state", "klass", "queue", "retries", "put_at", "generation", "order", "worker", "lease"),
    *("instant", "entries", "history"),
)
_STATES: Final = (
    *("", "waiting", "scheduled", "depends", "throttled", "running", "stalled", "failed"),
    *("complete", "recur"),
)
_INSTANTS: Final = {"running": "popped_at", "complete": "completed_at"}
_ABSENT: Final = frozenset(("", b"", 2**63))
# A job that no script has written since jobs were maps: the length of the map, the map, the data.
_LENGTH_BYTES: Final = 4


@dataclass(slots=True)
class EncodedJob:
    """A checked and encoded job, ready to be put; the options are those of the script."""

    jid: str
    klass: str
    data: bytes
    options: dict[str, Any] = field(default_factory=dict)

    def as_map(self, queue: str | None = None) -> dict[str, Any]:
        """Return this job as a map, for a call with several jobs."""
        more = {} if queue is None else {"queue": queue}
        return {"jid": self.jid, "klass": self.klass, **more, **self.options}


@dataclass(slots=True)
class JobRecord:
    """A job as stored: the fields that differ from their defaults, and its data as opaque bytes.

    In a list, `cut` has the whole lengths of those of data, result and progress of which only the
    beginning was read, and `popped` says how often the job was popped.
    """

    jid: str
    fields: dict[str, Any]
    data: bytes
    expires_at: int = 0
    failure: dict[str, Any] = field(default_factory=dict)
    earlier: list[dict[str, Any]] = field(default_factory=list)
    result: bytes | None = None
    progress: bytes | None = None
    dependencies: list[str] = field(default_factory=list)
    dependents: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    older: list[Any] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    popped: int | None = None

    def history(self) -> list[list[Any]]:
        """Return the history entries that are kept, oldest first."""
        stored = self.fields.get("history") or b""
        entries = unpack_all(stored) if isinstance(stored, bytes) else list(stored)
        return entries[:1] + [_entry(one) for one in self.older] + entries[1:]

    def cut_to(self, most: int) -> None:
        """Keep only the first bytes of data, result and progress."""
        for name in ("data", "result", "progress"):
            text = getattr(self, name)
            if text is not None and len(text) > most:
                self.cut[name] = len(text)
                setattr(self, name, text[:most])


@dataclass(slots=True)
class RecurringRecord:
    """A recurring job as stored; `next_at` is the slot of its next child, if one is known."""

    jid: str
    fields: dict[str, Any]
    data: bytes
    next_at: int | None = None
    cut: dict[str, int] = field(default_factory=dict)


Record = JobRecord | RecurringRecord


def job(view: Mapping[bytes, Any], jid: str | None = None) -> JobRecord:
    """Decode one job of a raw reply."""
    fields, data = _stored(view[b"value"])
    record = JobRecord(jid or _jid(view, fields), fields, view.get(b"data", data))
    record.expires_at = int(view.get(b"expires_at", 0))
    if len(view) > len(_POPPED_FIELDS):
        record.failure = _fields(view.get(b"failure"))
        record.earlier = [_fields(one) for one in view.get(b"earlier", ())]
        record.result = view.get(b"result")
        record.progress = view.get(b"progress")
        record.parents = [one.decode() for one in view.get(b"parents", ())]
        record.dependencies = [one.decode() for one in view.get(b"dependencies", ())]
        record.dependents = [one.decode() for one in view.get(b"dependents", ())]
        record.older = list(view.get(b"history", ()))
        record.cut = _lengths(view)
        record.popped = view.get(b"popped")
    return record


def recurring(view: Mapping[bytes, Any], jid: str | None = None) -> RecurringRecord:
    """Decode one recurring job of a raw reply."""
    fields, data = _stored(view[b"recurring"])
    slot = view.get(b"next")
    next_at = None if slot is None else int(slot)
    return RecurringRecord(jid or _jid(view, fields), fields, data, next_at, _lengths(view))


def either(view: Mapping[bytes, Any] | None, jid: str | None = None) -> Record | None:
    """Decode a job, a recurring job, or the mark that there is none."""
    if not view:
        return None
    return recurring(view, jid) if b"recurring" in view else job(view, jid)


def jobs(reply: bytes | None) -> list[JobRecord]:
    """Decode a list of jobs."""
    return [job(view) for view in unpack_raw(reply)]


def _stored(value: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the fields that have a value, the history still packed, and the inline data."""
    if value[0] != _ARRAY:
        end = _LENGTH_BYTES + int.from_bytes(value[:_LENGTH_BYTES], "big")
        fields = dict(unpack(value[_LENGTH_BYTES:end]) or {})
        if "order" in fields:
            fields["order"] = original(fields["order"])
        return fields, value[end:]
    *placed, others, data = unpack(value)
    fields = {name: one for name, one in zip(_PLACED, placed, strict=True) if one not in _ABSENT}
    fields["state"] = state = _STATES[fields["state"]]
    if state in _INSTANTS:
        fields[_INSTANTS[state]] = fields.pop("instant", None)
    return fields | unpack(others) if others else fields, data


def _lengths(view: Mapping[bytes, Any]) -> dict[str, int]:
    return {name.decode(): int(length) for name, length in view.get(b"cut", {}).items()}


def _jid(view: Mapping[bytes, Any], fields: Mapping[str, Any]) -> str:
    jid = view.get(b"jid")
    return jid.decode() if jid is not None else str(fields["jid"])


def _fields(raw: Any) -> dict[str, Any]:
    """Decode a map inside a raw reply, packed or not, whose strings are text."""
    if isinstance(raw, bytes):
        return dict(unpack(raw) or {})
    return dict(unpack(msgpack.packb(raw, use_bin_type=False)) or {}) if raw else {}


def _entry(raw: Any) -> list[Any]:
    entry = unpack(raw if isinstance(raw, bytes) else msgpack.packb(raw, use_bin_type=False))
    return list(entry)
