"""Rules about recurring jobs: their slots, their ticks, and those who ask for more of them."""

import math
from collections.abc import Iterator

from qless_py.fsck import records
from qless_py.fsck.finding import Finding
from qless_py.fsck.index_rules import still_there
from qless_py.fsck.names import is_name, raw_bytes, text
from qless_py.fsck.reader import Rule
from qless_py.fsck.space import Space, late


def recurring(space: Space, jid: str) -> Rule:
    """Check a recurring job: readable, possible, in all the lists where it belongs."""
    (value,) = yield [("GET", space.key("recurring:*", jid))]
    shown = space.shown("recurring:*", jid)
    try:
        record = records.job(value)
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error), jid)]
    if record is None:
        return []
    if wrong := list(_malformed(record)):
        return [Finding("malformed", shown, why, jid) for why in wrong]
    return (yield from _listed(space, jid, record))


def _malformed(record: records.Record) -> Iterator[str]:
    if not is_name(record.queue) or record.state != "recur" or not isinstance(record["klass"], str):
        yield "no queue, no klass, or the state is not recur"
    interval = record["interval"]
    if isinstance(record["cron"], str):
        yield from _wrong_ticks(record)
    elif not isinstance(interval, int) or interval <= 0:
        yield "neither an interval nor a cron expression"


def _wrong_ticks(record: records.Record) -> Iterator[str]:
    ticks, covered = record["ticks"], record["covered"]
    if not isinstance(covered, int) or not isinstance(record["zone"], str):
        yield "a cron expression without its zone, or up to when it was dealt with"
    elif not isinstance(ticks, list) or not all(isinstance(tick, int) for tick in ticks):
        yield "the ticks are no instants"
    elif any(before >= after for before, after in zip([covered, *ticks], ticks, strict=False)):
        yield "the ticks do not ascend from what was dealt with"


def _listed(space: Space, jid: str, record: records.Record) -> Rule:
    member, group = raw_bytes(jid), record["group"]
    score, asks, declared = yield [
        ("ZSCORE", space.key("queue:*:recurring", record.queue), member),
        ("ZSCORE", space.key("refills"), member),
        ("SISMEMBER", space.key("declared:*", str(group)), member),
    ]
    shown = space.shown("queue:*:recurring", record.queue)
    found = []
    rests = bool(record["paused"] or record["over"])
    if score is None or (rests and score < math.inf):
        found.append(Finding("misplaced", shown, f"its next slot is {score}", jid))
    elif not rests and record["cron"] and score != (record["ticks"] or [math.inf])[0]:
        detail = f"its next slot is {score}, its ticks are {record['ticks'][:3]}..."
        found.append(Finding("misplaced", shown, detail, jid))
    if bool(record["cron"] and not rests) != (asks is not None):
        detail = "nobody will be asked for ticks" if asks is None else "no ticks are needed"
        found.append(Finding("refill", space.shown("refills"), detail, jid))
    if group is not None and not declared:
        shown = space.shown("declared:*", str(group))
        found.append(Finding("refill", shown, f"the group {group} does not know of it", jid))
    return found


def slot(space: Space, queue: str, entry: bytes) -> Rule:
    """Check a recurring job's next slot: somebody must look when it comes."""
    value, due_at, noted = yield [
        ("GET", space.key("recurring:*", text(entry))),
        ("ZSCORE", space.key("queue:*:recurring", queue), entry),
        ("ZSCORE", space.key("due"), raw_bytes(f"recurring:{queue}")),
    ]
    try:
        record = records.job(value)
    except records.UnreadableError:
        return []
    if record is None or record.queue != queue:
        detail = "no such recurring job in this queue"
        shown = space.shown("queue:*:recurring", queue)
        stray = Finding("stray", shown, detail, text(entry), entry)
        return (yield from still_there(space, "queue:*:recurring", queue, stray))
    if due_at is None or due_at == math.inf:
        return []
    return (yield from late(space, f"recurring:{queue}", due_at, noted))


def refill(space: Space, entry: bytes) -> Rule:
    """Check that a client is asked in time for the ticks of a cron job, which exists."""
    asked_at, there, noted = yield [
        ("ZSCORE", space.key("refills"), entry),
        ("EXISTS", space.key("recurring:*", text(entry))),
        ("ZSCORE", space.key("due"), b"refill"),
    ]
    if asked_at is None:
        return []
    if not there:
        detail = "no such recurring job"
        return [Finding("refill", space.shown("refills"), detail, text(entry))]
    return (yield from late(space, "refill", asked_at, noted))


def declared(space: Space, group: str, entry: bytes) -> Rule:
    """Check that what a group has declared exists, and says so."""
    value, listed = yield [
        ("GET", space.key("recurring:*", text(entry))),
        ("SISMEMBER", space.key("declared:*", group), entry),
    ]
    try:
        record = records.job(value)
    except records.UnreadableError:
        return []
    if not listed or (record is not None and record["group"] == group):
        return []
    detail = "the group has not declared it, or it is gone"
    return [Finding("stray", space.shown("declared:*", group), detail, text(entry), entry)]
