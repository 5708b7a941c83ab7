"""Lines for batches: their counts, their callbacks, and the data that they remember."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from qless_py import protocol
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, arguments
from qless_py.protocol.batches import CALLBACKS
from qless_py.protocol.call import original, unpack
from qless_py.transfer.shapes import as_text, check_fields, from_text, seconds

_TIMES: Final = ("opened_at", "finished_at", "canceled_at")
_OUTCOMES: Final = ("completed", "failed", "canceled")
_LATEST: Final = 2**52
_FIELDS: Final = frozenset(
    {
        "kind", "name", "closed", "within", "counted", "data", "data64", *_TIMES, *_OUTCOMES,
        *CALLBACKS,
    }
)  # fmt: skip
_CALLBACK_FIELDS: Final = frozenset({"jid", "klass", "queue", "data", "data64", "options", "fired"})
# What every callback has, besides its options.
_CORE: Final = ("jid", "klass", "queue", "data", "on_conflict")


def batch(name: str, fields: Mapping[str, bytes], data: bytes | None) -> dict[str, Any]:
    """Return a batch as the object of its line."""
    line: dict[str, Any] = {"kind": "batch", "name": name}
    line |= {one: seconds(int(fields[one])) for one in _TIMES if one in fields}
    line |= {one: int(fields[one]) for one in _OUTCOMES if int(fields.get(one, 0))}
    line |= {one: fields[one].decode() for one in ("within", "counted") if one in fields}
    # A batch whose owner is a job of the other store would never be closed.
    if "closed_at" in fields or "owner" in fields:
        line["closed"] = True
    for which in CALLBACKS:
        if which in fields:
            line[which] = _callback(unpack(fields[which]), is_fired=f"{which}_fired" in fields)
    return line | (as_text("data", data) if data is not None else {})


def _callback(spec: Mapping[str, Any], *, is_fired: bool) -> dict[str, Any]:
    options = {name: value for name, value in spec.items() if name not in _CORE}
    return {
        **{name: spec[name] for name in ("jid", "klass", "queue")},
        **as_text("data", original(spec["data"])),
        **({"options": options} if options else {}),
        **({"fired": True} if is_fired else {}),
    }


def read_batch(line: Mapping[str, Any], queues: Mapping[str, str]) -> Call[bool]:
    """Return the call that restores a batch; raises `BadArgumentError`."""
    check_fields(line, _FIELDS)
    name = arguments.name("name", line.get("name"))
    wire: dict[str, Any] = {one: arguments.instant(one, line[one]) for one in _TIMES if one in line}
    if "opened_at" not in wire:
        raise BadArgumentError("opened_at is missing")
    if "finished_at" in wire:
        wire["closed_at"] = wire["finished_at"]
    wire |= {one: arguments.whole(one, line[one], 0, _LATEST) for one in _OUTCOMES if one in line}
    if "within" in line:
        wire["within"] = arguments.name("within", line["within"])
    if "counted" in line:
        wire["counted"] = arguments.choice("counted", line["counted"], _OUTCOMES)
    data: list[bytes] = []
    wire["fired"] = [
        which
        for which in CALLBACKS
        if which in line and _read_callback(which, line[which], queues, wire, data)
    ]
    remembered = from_text(line, "data")
    if remembered is not None:
        data.append(remembered)
        wire["data"] = len(data)
    return protocol.transfers.batch_restore(name, wire, data)


def _read_callback(
    which: str, value: Any, queues: Mapping[str, str], wire: dict[str, Any], data: list[bytes]
) -> bool:
    """Add a callback to the fields and to the data; return whether it was put already."""
    if not isinstance(value, Mapping):
        raise BadArgumentError(f"{which} is not an object")
    check_fields(value, _CALLBACK_FIELDS)
    options = value.get("options", {})
    if not isinstance(options, Mapping):
        raise BadArgumentError(f"{which}.options is not an object")
    own = from_text(value, "data")
    if own is None:
        raise BadArgumentError(f"{which} has neither data nor data64")
    data.append(own)
    queue = arguments.name(f"{which}.queue", value.get("queue"))
    wire[which] = {
        **options,
        "jid": arguments.name(f"{which}.jid", value.get("jid")),
        "klass": arguments.klass_name(str(value.get("klass", ""))),
        "queue": queues.get(queue, queue),
        "data": len(data),
    }
    return bool(value.get("fired", False))
