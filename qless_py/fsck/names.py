"""The grammar of stored keys, read from their names and apart from what the Lua side spells."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Every kind of key by its pattern, with the type that the server must give for it.
TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "meta": "hash",
        "queues": "zset",
        "complete": "zset",
        "failed": "zset",
        "tags": "zset",
        "tracked": "zset",
        "workers": "zset",
        "dead": "zset",
        "due": "zset",
        "windows": "zset",
        "tombstones": "zset",
        "batches": "zset",
        "releases": "zset",
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
        "unique:*": "string",
        "request:*": "string",
        "queue:*:waiting": "zset",
        "queue:*:scheduled": "zset",
        "queue:*:depends": "zset",
        "queue:*:running": "zset",
        "queue:*:recurring": "zset",
        "queue:*:wake": "zset",
        "queue:*:now": "hash",
        "queue:*:minutes": "zset",
        "queue:*:tens": "zset",
        "queue:*:days": "zset",
        "worker:*:info": "string",
        "worker:*:jobs": "zset",
        "batch:*:record": "hash",
        "batch:*:members": "set",
        "release:*:record": "string",
        "release:*:dependents": "zset",
    }
)

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@~+-]{0,127}")
_REQUEST: Final = re.compile(r"[A-Za-z0-9]+:[0-9]{1,4}")
_FREE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}", re.DOTALL)


def text(raw: bytes) -> str:
    """Read any bytes as text that `raw_bytes` turns back into exactly them."""
    return raw.decode("utf-8", "surrogateescape")


def raw_bytes(name: str) -> bytes:
    """Undo `text`."""
    return name.encode("utf-8", "surrogateescape")


def is_name(name: str) -> bool:
    """Tell whether the text may be a jid or the name of a queue, tag, worker, key or batch."""
    return _NAME.fullmatch(name) is not None


class Keys:
    """The keys of one namespace: made from pattern and name, and taken apart again."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.prefix = raw_bytes("{" + namespace + "}:")

    def make(self, pattern: str, name: str = "") -> bytes:
        """Spell a key."""
        return self.prefix + raw_bytes(pattern.replace("*", name))

    def match(self) -> bytes:
        """Give the glob that matches every key of the namespace and no other."""
        return re.sub(rb"([*?\[\]\\^-])", rb"\\\1", self.prefix) + b"*"

    def parse(self, key: bytes) -> tuple[str, str] | None:
        """Give pattern and name; None for a key that has no place in the layout."""
        rest = text(key.removeprefix(self.prefix))
        if rest in TYPES and "*" not in rest:
            return rest, ""
        head, _, tail = rest.partition(":")
        name, _, suffix = tail.rpartition(":")
        for pattern, found in ((f"{head}:*", tail), (f"{head}:*:{suffix}", name)):
            if pattern in TYPES and _fits(pattern, found):
                return pattern, found
        return None


def _fits(pattern: str, name: str) -> bool:
    if pattern == "failed:*":
        return _FREE.fullmatch(name) is not None
    if pattern == "request:*":
        return _REQUEST.fullmatch(name) is not None
    return is_name(name)
