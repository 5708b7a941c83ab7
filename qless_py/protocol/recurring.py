"""Transitions of recurring jobs, and the question for ticks that a pop may bring along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol.call import Call, boolean, done, given, pack, text, unpack


@dataclass(frozen=True, slots=True)
class Question:
    """A cron job whose next ticks are wanted: those after `horizon`, in ms.

    All up to `covered` have been dealt with; `ahead` are stored beyond. `final` tells that none are
    to come. The answer carries `generation`, so that only the first one counts.
    """

    jid: str
    cron: str
    zone: str
    zone_version: str
    generation: int
    covered: int
    horizon: int
    ahead: int
    final: bool
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class SyncReply:
    """The jids of the recurring jobs that were ended, and whether some are left to end."""

    removed: list[str]
    more: bool


def recur(  # noqa: PLR0913 - the arguments of the script
    queue: str,
    jid: str,
    klass: str,
    data: bytes,
    *,
    interval: int,
    offset: int,
    options: Mapping[str, Any],
) -> Call[str]:
    """Make or replace a recurring job; the options are those of the script, times in ms."""
    args = (queue, jid, klass, data, interval, offset, pack(options))
    return Call("recur", args, text)


def update(jid: str, options: Mapping[str, Any], data: bytes = b"") -> Call[None]:
    """Change what future children will be, all of it or nothing."""
    return Call("recur_update", (jid, data, pack(options)), done)


def run(jid: str) -> Call[str]:
    """Put a child now, beside the schedule; gives its jid."""
    return Call("recur_run", (jid,), text)


def cancel(jid: str) -> Call[bool]:
    """Make no more children; tells whether there was such a recurring job."""
    return Call("recur_cancel", (jid,), boolean)


def refill(  # noqa: PLR0913 - the arguments of the script
    jid: str,
    generation: int,
    after: int,
    ticks: Sequence[int],
    *,
    final: bool,
    zone_version: str | None = None,
) -> Call[bool]:
    """Give a cron job the ticks after an instant; tells whether they were still wanted."""
    options = pack(given(final=final or None, zone_version=zone_version))
    return Call("recur_refill", (jid, generation, after, pack(list(ticks)), options), boolean)


def sync(group: str, names: Sequence[str]) -> Call[SyncReply]:
    """End the recurring jobs of a group that are not among the names."""
    return Call("recur_sync", (group, pack(list(names))), _sync_reply)


def _sync_reply(reply: bytes | None) -> SyncReply:
    value = unpack(reply)
    return SyncReply([str(jid) for jid in value["removed"]], bool(value["more"]))


def question(raw: Mapping[bytes, Any]) -> Question:
    """Read one question out of a raw reply."""
    start, end = raw.get(b"start"), raw.get(b"end")
    return Question(
        raw[b"jid"].decode(),
        raw[b"cron"].decode(),
        raw[b"zone"].decode(),
        raw.get(b"zone_version", b"").decode(),
        int(raw[b"generation"]),
        int(raw[b"covered"]),
        int(raw[b"horizon"]),
        int(raw[b"ahead"]),
        bool(raw.get(b"final", False)),
        None if start is None else int(start),
        None if end is None else int(end),
    )
