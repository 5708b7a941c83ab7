"""Rules about batches: their counters, nested batches, and their further keys."""

from typing import Final

from qless_py.fsck.layout import raw_bytes, text
from qless_py.fsck.namespace import Namespace, number
from qless_py.fsck.rules import Finding, Rule

OUTCOMES: Final = ("completed", "failed", "canceled")


def batch(ns: Namespace, name: str) -> Rule:
    """Check a batch's counters against its members."""
    wanted = ("opened_at", "closed_at", "finished_at", "total", *OUTCOMES)
    there, fields, jobs, inner, listed = yield [
        ("EXISTS", ns.key("batch:*:record", name)),
        ("HMGET", ns.key("batch:*:record", name), *wanted),
        ("SCARD", ns.key("batch:*:members", name)),
        ("SCARD", ns.key("batch:*:inner", name)),
        ("ZSCORE", ns.key("batches"), raw_bytes(name)),
    ]
    if not there:
        return []
    opened, closed, finished, total, *outcomes = fields or [None] * len(wanted)
    size = (jobs or 0) + (inner or 0)
    found = []
    shown = ns.shown("batch:*:record", name)
    ended = sum(number(one) for one in outcomes)
    if opened is None:
        found.append(
            Finding("malformed", shown, "the batch has no opened_at", member=raw_bytes(name))
        )
    elif number(total) != size + ended:
        detail = f"total is {total}, but {size} members are left and {ended} have ended"
        found.append(Finding("batch", shown, detail, member=raw_bytes(name)))
    if listed is None:
        found.append(
            Finding(
                "batch",
                shown,
                "the batch is missing in the list of batches",
                member=raw_bytes(name),
            )
        )
    if closed is not None and not size and finished is None:
        detail = "the batch is closed and empty, but has no finished_at"
        found.append(Finding("batch", shown, detail, member=raw_bytes(name)))
    return found


def part(ns: Namespace, pattern: str, name: str) -> Rule:
    """Check that a further key of a batch belongs to an existing batch."""
    there, record = yield [
        ("EXISTS", ns.key(pattern, name)),
        ("EXISTS", ns.key("batch:*:record", name)),
    ]
    if not there or record:
        return []
    return [
        Finding(
            "batch", ns.shown(pattern, name), "the batch does not exist", member=raw_bytes(name)
        )
    ]


def inner(ns: Namespace, outer: str, entry: bytes) -> Rule:
    """Check that a nested batch exists and that its end was not counted yet."""
    listed, fields = yield [
        ("SISMEMBER", ns.key("batch:*:inner", outer), entry),
        ("HMGET", ns.key("batch:*:record", text(entry)), "within", "counted"),
    ]
    within, counted = fields or (None, None)
    if not listed or (within == raw_bytes(outer) and counted is None):
        return []
    shown, detail = ns.shown("batch:*:inner", outer), "not a nested batch that is still to end"
    return [Finding("stray", shown, detail, member=entry)]
