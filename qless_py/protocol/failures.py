"""Failure groups: when each was seen first and last, and what its jobs failed with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from qless_py.protocol import arguments
from qless_py.protocol.call import Call, unpack, unpack_raw

MAX_PAGE: Final = 250
HOURS: Final = 24
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """A failure group; times are Unix seconds.

    `failed` jobs are failed now, `recent` of them within the range asked for, the oldest since
    `oldest_at`. What follows survives when they are retried or canceled: the first and last failure
    ever, the number of failures since counting began, failures by hour (the hour as a number, hours
    since 1970), and the last five queues and klasses. The store remembers 500 groups; without a
    record, `first_at` is that of the oldest job that is still failed.
    """

    group: str
    failed: int
    recent: int
    oldest_at: float | None
    first_at: float
    last_at: float
    count: int
    by_hour: dict[int, int]
    queues: tuple[str, ...] = ()
    klasses: tuple[str, ...] = ()

    def hours(self, now: float) -> list[int]:
        """Return the failures of the last 24 hours, the present one last."""
        last = int(now) // HOUR
        return [self.by_hour.get(hour, 0) for hour in range(last - HOURS + 1, last + 1)]


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Some groups, of `total`."""

    groups: list[SeenGroup]
    total: int


@dataclass(frozen=True, slots=True)
class FailureText:
    """What one job failed with; the message of a long one lacks its middle."""

    jid: str
    klass: str
    queue: str
    worker: str
    failed_at: float
    message: str


@dataclass(frozen=True, slots=True)
class TextPage:
    """Failures of one group, the newest first; `looked_at` of its `total` jobs were read."""

    texts: list[FailureText]
    looked_at: int
    total: int


def groups(
    offset: int = 0, count: int = MAX_PAGE, *, since: float = 0, seen: bool = False
) -> Call[GroupPage]:
    """Read groups with failed jobs, or all that were `seen`, the latest failure first."""
    wanted = "seen" if seen else "failed"
    return Call(
        "read/failures", (wanted, arguments.instant("since", since), offset, count), _groups
    )


def texts(group: str, offset: int = 0, count: int = MAX_PAGE) -> Call[TextPage]:
    """Read what the jobs of a group failed with, at most about a megabyte."""
    return Call("read/failure_texts", (arguments.line("group", group), offset, count), _texts)


def _groups(reply: bytes | None) -> GroupPage:
    value = unpack_raw(reply)
    return GroupPage([_group(row) for row in value[b"groups"]], int(value[b"total"]))


def _group(row: Sequence[Any]) -> SeenGroup:
    group, failed, recent, oldest, last, *packed = row
    record = _record(*packed)
    hours = list(record.get("hours") or ())
    oldest_at = oldest / 1000 if oldest else None
    return SeenGroup(
        group=_text(group),
        failed=int(failed),
        recent=int(recent),
        oldest_at=oldest_at,
        first_at=record["first"] / 1000 if record else oldest_at or last / 1000,
        last_at=last / 1000,
        count=int(record.get("count", failed)),
        by_hour=dict(zip(hours[::2], hours[1::2], strict=False)),
        queues=tuple(map(str, record.get("queues") or ())),
        klasses=tuple(map(str, record.get("klasses") or ())),
    )


def _record(packed: bytes | None = None) -> dict[str, Any]:
    """Return the stored record of a group, empty if there is none that can be read."""
    try:
        record = unpack(packed)
    except (ValueError, msgpack.UnpackException):
        return {}
    return record if isinstance(record, dict) and "first" in record else {}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _texts(reply: bytes | None) -> TextPage:
    value = unpack_raw(reply)
    found = [
        FailureText(
            _text(jid),
            _text(klass),
            _text(queue),
            _text(worker),
            at / 1000,
            message.decode("utf-8", "replace"),
        )
        for jid, klass, queue, worker, at, message in value[b"jobs"]
    ]
    return TextPage(found, int(value[b"looked_at"]), int(value[b"total"]))
