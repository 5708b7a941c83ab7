"""The audit log of a namespace: who changed what, when, through which door, with what outcome."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.call import Call, mapping, original, pack, text

Door = Literal["dashboard", "command line", "http", "worker"]
Outcome = Literal["done", "refused"]
DOORS: Final[tuple[str, ...]] = get_args(Door)
OUTCOMES: Final[tuple[str, ...]] = get_args(Outcome)
MOST: Final = 1000
# The bytes of each field; the targets together.
_BYTES: Final = {
    "who": 128, "role": 32, "address": 64, "action": 64, "details": 2048, "result": 1024,
}  # fmt: skip
_TARGETS: Final = 4096
_ID: Final = re.compile(r"[0-9]{1,16}-[0-9]{1,16}")
_FILTERS: Final = ("who", "action", "target", "door", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change: who requested it, what it did to which targets, and what came of it.

    `action` is a noun and a verb, such as `queue pause`. `targets` are the names of what was
    changed, `details` the parameters, without secrets. `count` is how many things were changed,
    None if that is not known. `result` is the message for the user, or why it was refused. `id` and
    `at` (Unix seconds, the clock of the server) are set by the store.
    """

    who: str
    door: str
    action: str
    outcome: str = "done"
    role: str = ""
    address: str = ""
    targets: Sequence[str] = ()
    details: str = ""
    count: int | None = None
    result: str = ""
    id: str = ""
    at: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as a JSON object."""
        return {
            "id": self.id, "at": self.at, "who": self.who, "role": self.role, "door": self.door,
            "address": self.address, "action": self.action, "targets": list(self.targets),
            "details": self.details, "count": self.count, "outcome": self.outcome,
            "result": self.result,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, the newest first, and the cursor of the next page, None at the end.

    A page of a search can be empty and have a cursor: a call examines at most 1,000 entries.
    `limit` is how many entries the namespace keeps, 0 if the log is off.
    """

    entries: list[AuditEntry]
    cursor: str | None
    limit: int


def add(entry: AuditEntry) -> Call[str]:
    """Record an entry; returns its id, or "" while the log is off. Long texts are shortened."""
    fields = {name: _line(getattr(entry, name), most) for name, most in _BYTES.items()}
    fields |= {"door": entry.door, "outcome": entry.outcome, "targets": _joined(entry.targets)}
    if entry.count is not None:
        fields["count"] = str(entry.count)
    given = {name: value for name, value in fields.items() if value}
    return Call("audit_add", (pack(given),), text)


def read(  # noqa: PLR0913 - everything that can be searched for
    *,
    before: str | None = None,
    since: float | dt.datetime | None = None,
    limit: int = 100,
    who: str | None = None,
    action: str | None = None,
    target: str | None = None,
    door: str | None = None,
    outcome: str | None = None,
) -> Call[AuditPage]:
    """Read a page of entries; `who`, `action` and `target` are patterns in which a star matches."""
    given = {"who": who, "action": action, "target": target, "door": door, "outcome": outcome}
    wanted = {
        name: arguments.line(name, given[name]) for name in _FILTERS if given[name] is not None
    }
    for name, known in (("door", DOORS), ("outcome", OUTCOMES)):
        if name in wanted:
            arguments.choice(name, wanted[name], known)
    oldest = 0 if since is None else arguments.instant("since", since)
    count = arguments.whole("limit", limit, 1, MOST)
    args = (_cursor(before), oldest, count, pack(wanted))
    return Call("read/audit", args, mapping).map(_page)


def _cursor(before: str | None) -> str:
    if before is None:
        return ""
    if not _ID.fullmatch(before):
        raise BadArgumentError(f"{before!r} is no cursor of the audit log")
    return before


def _line(value: str, most: int) -> str:
    """Return a text of at most so many bytes without line breaks and control characters."""
    line = "".join(one if one.isprintable() else " " for one in value)
    return line.encode("utf-8", "backslashreplace")[:most].decode("utf-8", "ignore")


def _joined(targets: Iterable[str]) -> str:
    """Return as many targets as fit, each on its own line."""
    lines, left = [], _TARGETS
    for one in targets:
        line = _line(one, 256)
        left -= len(line.encode()) + 1
        if left < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def _page(reply: Mapping[str, Any]) -> AuditPage:
    entries = [_entry(dict(one)) for one in reply["entries"]]
    return AuditPage(entries, str(reply["cursor"]) or None, int(reply["limit"]))


def _entry(fields: Mapping[str, Any]) -> AuditEntry:
    known = {
        name: original(str(fields.get(name) or "")).decode(errors="replace")
        for name in (*_BYTES, "door", "outcome", "targets", "count", "id")
    }
    targets, count = known.pop("targets"), known.pop("count")
    return AuditEntry(
        **known,
        targets=tuple(targets.split("\n")) if targets else (),
        count=int(count) if count.isdecimal() else None,
        at=int(known["id"].partition("-")[0] or 0) / 1000,
    )
