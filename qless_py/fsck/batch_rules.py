"""Rules about batches: counters, batches within batches, and what is kept beside."""

from typing import Final

from qless_py.fsck.finding import Finding
from qless_py.fsck.names import raw_bytes, text
from qless_py.fsck.reader import Rule
from qless_py.fsck.space import Space

OUTCOMES: Final = ("completed", "failed", "canceled")


def batch(space: Space, name: str) -> Rule:
    """Check a batch's counters against its members."""
    wanted = ("opened_at", "closed_at", "finished_at", "total", *OUTCOMES)
    there, fields, jobs, inner, listed = yield [
        ("EXISTS", space.key("batch:*:record", name)),
        ("HMGET", space.key("batch:*:record", name), *wanted),
        ("SCARD", space.key("batch:*:members", name)),
        ("SCARD", space.key("batch:*:inner", name)),
        ("ZSCORE", space.key("batches"), raw_bytes(name)),
    ]
    if not there:
        return []
    opened, closed, finished, total, *outcomes = fields or [None] * len(wanted)
    size = (jobs or 0) + (inner or 0)
    found = []
    shown = space.shown("batch:*:record", name)
    ended = sum(int(number or 0) for number in outcomes)
    if opened is None:
        found.append(Finding("malformed", shown, "it was never opened", member=raw_bytes(name)))
    elif int(total or 0) != size + ended:
        detail = f"{total} members in all, but {size} left and {ended} ended"
        found.append(Finding("batch", shown, detail, member=raw_bytes(name)))
    if listed is None:
        found.append(Finding("batch", shown, "it is not listed", member=raw_bytes(name)))
    if closed is not None and not size and finished is None:
        detail = "closed, without members, and not finished"
        found.append(Finding("batch", shown, detail, member=raw_bytes(name)))
    return found


def part(space: Space, pattern: str, name: str) -> Rule:
    """Check that what lies beside a batch has the batch it belongs to."""
    there, record = yield [
        ("EXISTS", space.key(pattern, name)),
        ("EXISTS", space.key("batch:*:record", name)),
    ]
    if not there or record:
        return []
    return [Finding("batch", space.shown(pattern, name), "of no batch", member=raw_bytes(name))]


def inner(space: Space, outer: str, entry: bytes) -> Rule:
    """Check that a batch within another one is there and not counted yet."""
    listed, fields = yield [
        ("SISMEMBER", space.key("batch:*:inner", outer), entry),
        ("HMGET", space.key("batch:*:record", text(entry)), "within", "counted"),
    ]
    within, counted = fields or (None, None)
    if not listed or (within == raw_bytes(outer) and counted is None):
        return []
    shown, detail = space.shown("batch:*:inner", outer), "not a batch that is waited for"
    return [Finding("stray", shown, detail, member=entry)]
