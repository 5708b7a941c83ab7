"""The query that looks through an index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol.call import Call, pack, unpack_raw

SCAN = 250


@dataclass(frozen=True, slots=True)
class Look:
    """What one call found; `after` is where to go on, `None` at the end of the index."""

    jids: list[str]
    scanned: int
    skipped: int
    total: int
    after: tuple[bytes, bytes] | None


def search(
    source: Mapping[str, str],
    conditions: Sequence[Mapping[str, Any]],
    *,
    after: tuple[bytes, bytes] | None = None,
    scan: int = SCAN,
    wanted: int = 100,
) -> Call[Look]:
    """Look at up to `scan` jobs of an index for up to `wanted` that meet all conditions."""
    behind = b"" if after is None else pack(list(after))
    packed = pack(list(conditions)) if conditions else b"\x90"
    return Call("read/search", (pack(source), behind, scan, wanted, packed), _look)


def _look(reply: bytes | None) -> Look:
    value = unpack_raw(reply)
    after = value.get(b"after")
    return Look(
        [jid.decode() for jid in value[b"jids"]],
        int(value[b"scanned"]),
        int(value[b"skipped"]),
        int(value[b"total"]),
        None if after is None else (bytes(after[0]), bytes(after[1])),
    )
