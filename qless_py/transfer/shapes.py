"""The lines of an export: jobs as JSON objects, and back to what the store restores.

Fields have the names of the put options and of the attributes of a job. Times are Unix seconds,
spans are seconds, both exact to the millisecond. A field at its default is left out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.call import original
from qless_py.protocol.records import JobRecord
from qless_py.protocol.transfers import Edges

MAX_EDGES: Final = 1000
MAX_HISTORY: Final = 100
_MAX_POLICY: Final = 4000
_MAX_MESSAGE: Final = 65_536
_ORDER_TIME: Final = 6  # Bytes of a job's place that hold when it became eligible.
_UNKNOWN_QUEUE: Final = "unknown"
# What a job of each stored state is restored as; others keep their state.
_RESTORED: Final = {"running": "waiting", "stalled": "waiting", "throttled": "waiting"}
STATES: Final = ("waiting", "scheduled", "depends", "failed", "complete")
_ENDS: Final = {"failed": "failed_at", "complete": "completed_at"}

# Fields that are the same in the record, with their names in a line.
_PLAIN: Final = {
    "priority": "priority", "retries": "retries", "left": "retries_left", "crashes": "crashes",
    "stalls": "stalls", "tags": "tags", "user": "user", "retry": "retry", "tries": "retry_state",
    "batch": "batch", "spawned_from": "spawned_from", "codec": "codec", "tracked": "tracked",
    "context": "context",
}  # fmt: skip
_TIMES: Final = {
    "put_at": "put_at", "due": "at", "expires": "expires", "failed_at": "failed_at",
    "completed_at": "completed_at", "keep": "keep", "soft_limit": "soft_limit",
    "hard_limit": "hard_limit",
}  # fmt: skip


def seconds(ms: float) -> float:
    """Return milliseconds as seconds, whole ones as an int."""
    return int(ms) // 1000 if ms % 1000 == 0 else ms / 1000


def as_text(name: str, value: bytes) -> dict[str, str]:
    """Return bytes as a field that holds their text or, if they are not UTF-8, Base64."""
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}64": base64.b64encode(value).decode()}


def job(record: JobRecord, last_queue: str, edges: Edges, *, history: bool) -> dict[str, Any]:
    """Return a job as the object of its line."""
    fields = record.fields
    state = str(fields["state"])
    line: dict[str, Any] = {
        "kind": "job",
        "jid": record.jid,
        "klass": fields["klass"],
        "queue": last_queue or None,
        "state": _RESTORED.get(state, state),
        **as_text("data", record.data),
    }
    line |= {name: fields[own] for own, name in _PLAIN.items() if own in fields}
    line |= {name: seconds(fields[own]) for own, name in _TIMES.items() if own in fields}
    line |= _place(fields) | _claims(fields) | _unique(fields) | _edges(edges)
    if record.failure:
        line["failure"] = {**record.failure, "when": seconds(record.failure["when"])}
    if record.result is not None and state == "complete":
        line |= as_text("result", record.result)
    if history:
        line["history"] = [_entry(*one) for one in record.history()]
    return line


def _place(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return since when a job is eligible, which decides between jobs of one priority."""
    if "order" not in fields:
        return {}
    return {"eligible_at": seconds(int.from_bytes(fields["order"][:_ORDER_TIME], "big"))}


def _claims(fields: Mapping[str, Any]) -> dict[str, Any]:
    if "throttles" not in fields:
        return {}
    costs = fields.get("costs") or {}
    ids = list(fields["throttles"])
    return {"throttles": {one: costs.get(one, 1) for one in ids} if costs else ids}


def _unique(fields: Mapping[str, Any]) -> dict[str, Any]:
    own = fields.get("unique")
    if not own:
        return {}
    window = {"unique_window": seconds(own["window"])} if "window" in own else {}
    return {"unique_key": own["key"], "unique_scope": own["scope"], **window}


def _edges(edges: Edges) -> dict[str, Any]:
    waiting = {jid: policy for jid, (policy, waits) in sorted(edges.items()) if waits}
    ended = {jid: policy for jid, (policy, waits) in sorted(edges.items()) if not waits}
    found = {"depends": waiting, "ended_parents": ended}
    return {name: some for name, some in found.items() if some}


def _entry(what: str, when: int, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    details = dict(more or {})
    entry: dict[str, Any] = {"what": what, "when": seconds(when)}
    if isinstance(details.get("data"), str):
        entry |= as_text("data", original(details.pop("data")))
    return {**entry, "more": details} if details else entry


@dataclass(frozen=True, slots=True)
class Restorable:
    """A checked job: the fields that the store restores, without `result`, and the data."""

    jid: str
    spec: dict[str, Any]
    data: bytes
    result: bytes | None = None
    waits: list[str] = field(default_factory=list)
    is_tracked: bool = False

    @property
    def queue(self) -> str:
        """The queue of the job."""
        return str(self.spec["queue"])

    @property
    def edges(self) -> int:
        """How many parents it has."""
        return len(self.spec.get("depends", ()))


def _text(longest: int) -> Callable[[str, Any], str]:
    def read(what: str, value: Any) -> str:
        if not isinstance(value, str) or len(value.encode(errors="replace")) > longest:
            raise BadArgumentError(f"{what} is not text of at most {longest} bytes")
        return value

    return read


def _count(low: int) -> Callable[[str, Any], int]:
    return lambda what, value: arguments.whole(what, value, low, arguments.MAX_RETRIES)


def _boolean(what: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadArgumentError(f"{what} {value!r} is not true or false")
    return value


def _limit(what: str, value: Any) -> int:
    return arguments.span(what, value, 0.001)


def _policies(what: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise BadArgumentError(f"{what} is not an object of jids and policies")
    if len(value) > MAX_EDGES:
        raise BadArgumentError(f"{what} holds {len(value)} jobs, more than {MAX_EDGES}")
    return {
        arguments.name(what, jid): arguments.choice(
            f"{what} of {jid}", policy, arguments.PARENT_POLICIES
        )
        for jid, policy in value.items()
    }


def _names(what: str, value: Any) -> list[str]:
    return arguments.names(what, value, MAX_EDGES)


# How each field of a line is read, and its name among the fields that are restored.
_READ: Final[Mapping[str, tuple[str, Callable[[str, Any], Any]]]] = {
    "priority": ("priority", arguments.finite),
    "retries": ("retries", _count(0)),
    "retries_left": ("left", _count(-1)),
    "crashes": ("crashes", _count(0)),
    "stalls": ("stalls", _count(0)),
    "tags": ("tags", _names),
    "user": ("user", arguments.name),
    "retry": ("retry", _text(_MAX_POLICY)),
    "retry_state": ("tries", _text(_MAX_POLICY)),
    "batch": ("batch", arguments.name),
    "spawned_from": ("spawned_from", arguments.name),
    "codec": ("codec", arguments.name),
    "context": ("context", arguments.context),
    "put_at": ("put_at", arguments.instant),
    "eligible_at": ("eligible_at", arguments.instant),
    "at": ("at", arguments.instant),
    "expires": ("expires", arguments.instant),
    "keep": ("keep", _limit),
    "soft_limit": ("soft_limit", _limit),
    "hard_limit": ("hard_limit", _limit),
}
_OTHERS: Final = frozenset(
    {
        "kind", "jid", "klass", "queue", "state", "data", "data64", "result", "result64", "tracked",
        "throttles", "unique_key", "unique_scope", "unique_window", "depends", "ended_parents",
        "failure", "failed_at", "completed_at", "history",
    }
)  # fmt: skip


def read_job(line: Mapping[str, Any]) -> Restorable:
    """Check the object of a line; raises `BadArgumentError`."""
    check_fields(line, _READ.keys() | _OTHERS)
    jid = arguments.name("jid", line.get("jid"))
    state = arguments.choice("state", line.get("state"), STATES)
    spec: dict[str, Any] = {"jid": jid, "klass": arguments.klass_name(str(line.get("klass", "")))}
    queue = line.get("queue")
    # Only a complete job is in no queue.
    unknown = queue is None and state == "complete"
    spec["queue"] = _UNKNOWN_QUEUE if unknown else arguments.name("queue", queue)
    if "put_at" not in line:
        raise BadArgumentError("put_at is missing")
    for name, (own, read) in _READ.items():
        if name in line:
            spec[own] = read(name, line[name])
    spec |= arguments.throttles(line.get("throttles")) | _read_unique(line)
    waits = _read_edges(line, spec)
    _read_end(line, state, spec)
    if "history" in line:
        spec["history"] = _read_history(line["history"])
    result = from_text(line, "result")
    if result is not None and state != "complete":
        raise BadArgumentError("only a complete job has a result")
    data = from_text(line, "data")
    if data is None:
        raise BadArgumentError("neither data nor data64 is given")
    try:
        msgpack.packb(spec, use_bin_type=False)
    except (ValueError, OverflowError, TypeError, RecursionError) as error:
        raise BadArgumentError(f"the job holds what cannot be stored: {error}") from error
    is_tracked = _boolean("tracked", line.get("tracked", False))
    return Restorable(jid, spec, data, result, waits, is_tracked)


def check_fields(line: Mapping[str, Any], known: Any) -> None:
    """Refuse fields that no line of its kind has."""
    unknown = sorted(map(str, line.keys() - known))
    if unknown:
        raise BadArgumentError(f"unknown fields: {', '.join(unknown)}")


def from_text(line: Mapping[str, Any], name: str) -> bytes | None:
    """Return the bytes of a field that `as_text` wrote, None without it."""
    text, coded = line.get(name), line.get(f"{name}64")
    if text is not None and coded is not None:
        raise BadArgumentError(f"{name} and {name}64 exclude each other")
    value = coded if text is None else text
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadArgumentError(f"{name} is not text; {name} holds the bytes as they are stored")
    try:
        return value.encode() if coded is None else base64.b64decode(value, validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise BadArgumentError(f"{name} cannot be read: {error}") from error


def _read_unique(line: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: line.get(name) for name in ("unique_key", "unique_scope", "unique_window")}
    checked = arguments.put_options(given)
    return {"unique": checked["unique"]} if "unique" in checked else {}


def _read_edges(line: Mapping[str, Any], spec: dict[str, Any]) -> list[str]:
    waiting = _policies("depends", line.get("depends", {}))
    ended = _policies("ended_parents", line.get("ended_parents", {}))
    policies = ended | waiting
    if len(policies) > MAX_EDGES:
        raise BadArgumentError(f"a job has at most {MAX_EDGES} parents")
    if policies:
        spec["depends"], spec["waits"] = list(policies), list(waiting)
        spec["policies"] = policies
    return list(waiting)


def _read_end(line: Mapping[str, Any], state: str, spec: dict[str, Any]) -> None:
    """Read how the job ended, or how its last attempt failed."""
    for ended, name in _ENDS.items():
        if (state == ended) != (line.get(name) is not None):
            raise BadArgumentError(f"{name} does not fit the state {state}")
    if "failure" in line:
        spec["failure"] = _read_failure(line["failure"])
    elif state == "failed":
        raise BadArgumentError("a failed job needs its failure")
    if state in _ENDS:
        spec["state"] = state
        spec["ended_at"] = arguments.instant(_ENDS[state], line[_ENDS[state]])
        spec.pop("at", None)  # It is not due any more.
    if state == "complete":
        for name in ("depends", "waits", "policies"):
            spec.pop(name, None)
    if state == "scheduled" and "at" not in spec:
        raise BadArgumentError("a scheduled job needs at")


def _read_failure(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BadArgumentError("failure is not an object")
    check_fields(value, {"group", "message", "when", "worker"})
    return {
        "group": arguments.line("failure.group", value.get("group")),
        "message": _text(_MAX_MESSAGE)("failure.message", value.get("message")),
        "when": arguments.instant("failure.when", value.get("when")),
        "worker": _text(128)("failure.worker", value.get("worker", "")),
    }


def _read_history(value: Any) -> list[list[Any]]:
    if not isinstance(value, list) or not value:
        raise BadArgumentError("history is not a list of entries")
    kept = value[:1] + value[1:][-(MAX_HISTORY - 1) :]
    return [_read_entry(f"history[{at}]", one) for at, one in enumerate(kept)]


def _read_entry(what: str, value: Any) -> list[Any]:
    if not isinstance(value, Mapping):
        raise BadArgumentError(f"{what} is not an object")
    check_fields(value, {"what", "when", "data", "data64", "more"})
    more = value.get("more", {})
    if not isinstance(more, Mapping):
        raise BadArgumentError(f"{what}.more is not an object")
    data = from_text(value, "data")
    details = {**more, **({"data": data} if data is not None else {})}
    entry: list[Any] = [
        arguments.line(f"{what}.what", value.get("what")),
        arguments.instant(f"{what}.when", value.get("when")),
    ]
    return [*entry, details] if details else entry
