"""The layout of the keys of a namespace, written independently of the Lua scripts.

The scripts build keys in `lua/lib/core/keys.lua`. A fault there must not hide from the checker, so
it has this second description.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# The type of every kind of key, by its pattern.
TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "meta": "hash",
        "stream": "stream",
        "audit": "stream",
        "queues": "zset",
        "quarantined": "zset",
        # A copy of a key that nobody could read, of any type.
        "quarantine:*": "any",
        "complete": "zset",
        "klasses": "hash",
        "klasses:known": "zset",
        "klass:*:now": "hash",
        "klass:*:minutes": "zset",
        "klass:*:tens": "zset",
        "failed": "zset",
        "groups": "zset",
        "groups:records": "hash",
        "tags": "zset",
        "tracked": "zset",
        "workers": "zset",
        "dead": "zset",
        "due": "zset",
        "windows": "zset",
        "tombstones": "zset",
        "batches": "zset",
        "canceled": "zset",
        "undos": "zset",
        "releases": "zset",
        "throttles": "zset",
        "weights": "hash",
        "tokens": "hash",
        "deploys": "hash",
        "webhooks": "hash",
        "users": "zset",
        "refills": "zset",
        "queues:new": "zset",
        "queues:fair": "zset",
        "served": "zset",
        "job:*": "string",
        "data:*": "string",
        "history:*": "list",
        "failure:*": "string",
        "result:*": "string",
        "progress:*": "string",
        "parents:*": "hash",
        "dependencies:*": "set",
        "dependents:*": "zset",
        "holds:*": "set",
        "followups:*": "set",
        "failed:*": "zset",
        "tag:*": "zset",
        "recurring:*": "string",
        "declared:*": "set",
        "unique:*": "string",
        "request:*": "string",
        "queue:*:waiting": "zset",
        "queue:*:scheduled": "zset",
        "queue:*:depends": "zset",
        "queue:*:running": "zset",
        "queue:*:recurring": "zset",
        "queue:*:shared": "zset",
        "queue:*:throttled": "zset",
        "queue:*:finish": "zset",
        "queue:*:open": "zset",
        "queue:*:reserving": "zset",
        # With several stars, the name has as many parts, separated by slashes.
        "queue:*:users/*": "zset",
        "queue:*:lane/*/*": "zset",
        "queue:*:wake": "zset",
        "queue:*:now": "hash",
        "queue:*:minutes": "zset",
        "queue:*:tens": "zset",
        "queue:*:days": "zset",
        "queue:*:totals": "string",
        "death:*": "string",
        "worker:*:info": "string",
        "worker:*:command": "string",
        "worker:*:report": "hash",
        "worker:*:jobs": "zset",
        "canceled:*:job": "string",
        "canceled:*:data": "string",
        "canceled:*:history": "list",
        "canceled:*:failure": "string",
        "canceled:*:progress": "string",
        "canceled:*:dependents": "set",
        "undo:*": "zset",
        "batch:*:record": "hash",
        "batch:*:members": "set",
        "batch:*:inner": "set",
        "batch:*:canceled": "set",
        "batch:*:data": "string",
        "release:*:record": "string",
        "release:*:dependents": "zset",
        "throttle:*:record": "string",
        "throttle:*:holders": "zset",
        "throttle:*:excused": "zset",
        "throttle:*:parked": "zset",
        "throttle:*:queues": "zset",
        "throttle:*:capped": "set",
    }
)

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@~+-]{0,127}")
_THROTTLE: Final = re.compile(rf"(queue:|user:)?{_NAME.pattern}")
_REQUEST: Final = re.compile(r"[A-Za-z0-9]+:[0-9]{1,4}")
_FREE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}", re.DOTALL)


def text(raw: bytes) -> str:
    """Decode any bytes as text; `raw_bytes` restores exactly them."""
    return raw.decode("utf-8", "surrogateescape")


def raw_bytes(name: str) -> bytes:
    """Undo `text`."""
    return name.encode("utf-8", "surrogateescape")


def is_name(name: str) -> bool:
    """Return whether the text may be a jid or the name of a queue, tag, worker, key or batch."""
    return _NAME.fullmatch(name) is not None


def is_throttle(name: str) -> bool:
    """Return whether the text may be the id of a throttle, with a prefix for queues and users."""
    return _THROTTLE.fullmatch(name) is not None


class Keys:
    """The keys of one namespace: built from pattern and name, and parsed."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.prefix = raw_bytes("{" + namespace + "}:")

    @staticmethod
    def rest(pattern: str, name: str = "") -> bytes:
        """Build a key without its namespace.

        A pattern with several stars takes the parts of the name in turn.
        """
        parts = name.split("/") if pattern.count("*") > 1 else [name]
        for part in parts:
            pattern = pattern.replace("*", part, 1)
        return raw_bytes(pattern)

    def make(self, pattern: str, name: str = "") -> bytes:
        """Build a key."""
        return self.prefix + self.rest(pattern, name)

    def match(self) -> bytes:
        """Return the glob that matches every key of the namespace and no other."""
        return re.sub(rb"([*?\[\]\\^-])", rb"\\\1", self.prefix) + b"*"

    def parse(self, key: bytes) -> tuple[str, str] | None:
        """Return pattern and name, or None for a key that is not part of the layout."""
        rest = text(key.removeprefix(self.prefix))
        if rest in TYPES and "*" not in rest:
            return rest, ""
        if rest.startswith("quarantine:"):
            return "quarantine:*", rest.removeprefix("quarantine:")
        head, _, tail = rest.partition(":")
        if head == "klass":
            # The name of a klass may contain colons and slashes.
            name, _, part = tail.rpartition(":")
            is_known = f"klass:*:{part}" in TYPES and _FREE.fullmatch(name)
            return (f"klass:*:{part}", name) if is_known else None
        front, *parts = tail.split("/")
        name, _, suffix = front.rpartition(":")
        longer = f"{head}:*:{suffix}" + "/*" * len(parts)
        for pattern, found in ((f"{head}:*", tail), (longer, "/".join([name, *parts]))):
            if pattern in TYPES and _fits(pattern, found):
                return pattern, found
        return None


def _fits(pattern: str, name: str) -> bool:
    if pattern == "quarantine:*":
        return bool(name)
    if pattern == "failed:*":
        return _FREE.fullmatch(name) is not None
    if pattern == "request:*":
        return _REQUEST.fullmatch(name) is not None
    if pattern.startswith("throttle:"):
        return is_throttle(name)
    queue, *parts = name.split("/")
    if not parts:
        return is_name(name)
    # Of a subqueue: its user and its gate, either of which may be none.
    *user, gate = parts
    fits = all(not one or is_name(one) for one in user) and (not gate or is_throttle(gate))
    return is_name(queue) and fits and (any(parts) or pattern == "queue:*:users/*")
