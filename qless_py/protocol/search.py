"""Queries that search the indexes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol.call import Call, pack, unpack, unpack_raw
from qless_py.protocol.cursors import Mark

SCAN = 100
"""The most jobs one call examines."""
SOURCES = 25
"""The most indexes one call searches."""
SIZES = 250
"""The most indexes one call counts."""
QUEUE_SETS = ("waiting", "shared", "scheduled", "depends", "running", "throttled")
"""The indexes of a queue, in the order in which the store counts them."""
MAX_WITHIN = 2**52
"""The most milliseconds that a source may look back."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A match: `looked` jobs were examined up to it, `place` is its index in the call."""

    jid: str
    looked: int
    place: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Look:
    """What one call found.

    `place` and `after` are where to continue: after that job of that index of the call, or at its
    beginning. Without a place all indexes are exhausted. `before` is the last job skipped. `total`
    is the number of jobs in the indexes that were examined.
    """

    hits: list[Hit]
    scanned: int
    skipped: int
    total: int
    before: Mark | None
    place: int | None
    after: Mark | None


def search(  # noqa: PLR0913 - the arguments of the script
    sources: Sequence[Mapping[str, str | int]],
    conditions: Sequence[Mapping[str, Any]],
    *,
    after: Mark | None = None,
    skip: int = 0,
    scan: int = SCAN,
    wanted: int = 100,
) -> Call[Look]:
    """Examine up to `scan` jobs of the indexes for up to `wanted` that meet all conditions."""
    behind = b"" if after is None else pack(list(after))
    packed = pack(list(conditions)) if conditions else b"\x90"
    args = (pack(list(sources)), behind, skip, scan, wanted, packed)
    return Call("read/search", args, _look)


def sizes(sources: Sequence[Mapping[str, str | int]]) -> Call[list[int]]:
    """Count the jobs of each of up to 250 indexes."""
    return Call("read/sizes", (pack(list(sources)),), lambda reply: list(unpack(reply)))


def queue_sizes(offset: int, count: int) -> Call[tuple[int, dict[str, dict[str, int]]]]:
    """Count the jobs in each index of a page of the known queues; returns also their total."""
    return Call("read/queue_sizes", (offset, count), _queue_sizes)


def _queue_sizes(reply: bytes | None) -> tuple[int, dict[str, dict[str, int]]]:
    value = unpack(reply)
    rows = value["queues"]
    return int(value["total"]), {
        str(name): dict(zip(QUEUE_SETS, sizes, strict=True)) for name, *sizes in rows
    }


def _look(reply: bytes | None) -> Look:
    value = unpack_raw(reply)
    place = value.get(b"at")
    return Look(
        [
            Hit(jid.decode(), int(looked), int(at) - 1, (bytes(score), bytes(member)))
            for jid, looked, at, score, member in value[b"found"]
        ],
        int(value[b"scanned"]),
        int(value[b"skipped"]),
        int(value[b"total"]),
        _mark(value.get(b"before")),
        None if place is None else int(place) - 1,
        _mark(value.get(b"after")),
    )


def _mark(value: Any) -> Mark | None:
    return None if value is None else (bytes(value[0]), bytes(value[1]))
