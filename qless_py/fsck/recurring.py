"""Rules about recurring jobs: the next tick, the known ticks, and the requests for more."""

import math
from collections.abc import Iterator
from typing import Final

from qless_py.fsck import records
from qless_py.fsck.layout import is_name, raw_bytes, text
from qless_py.fsck.namespace import Namespace, late_task, still_there
from qless_py.fsck.rules import Finding, Rule

MAX_RUNS: Final = 20


def recurring(ns: Namespace, jid: str) -> Rule:
    """Check that a recurring job is valid and listed everywhere it must be."""
    (value,) = yield [("GET", ns.key("recurring:*", jid))]
    shown = ns.shown("recurring:*", jid)
    with ns.reading("recurring:*", jid, jid):
        record = records.job(value)
    if record is None:
        return []
    if wrong := list(_malformed(record)):
        return [Finding("malformed", shown, why, jid) for why in wrong]
    return (yield from _listed(ns, jid, record))


def _malformed(record: records.Record) -> Iterator[str]:
    if (
        not is_name(record.queue)
        or record.state != records.RECURRING
        or not isinstance(record["klass"], str)
    ):
        yield "queue or klass is missing, or the state is not recur"
    if not _are_runs(record["runs"]):
        yield "the last runs are not pairs of a number and an instant"
    interval = record["interval"]
    if isinstance(record["cron"], str):
        yield from _wrong_ticks(record)
    elif not isinstance(interval, int) or interval <= 0:
        yield "neither an interval nor a cron expression"


def _are_runs(runs: object) -> bool:
    if runs is None:
        return True
    return (
        isinstance(runs, list)
        and len(runs) <= MAX_RUNS
        and all(
            isinstance(run, list)
            and len(run) in {2, 3}
            and all(isinstance(one, int) for one in run)
            for run in runs
        )
    )


def _wrong_ticks(record: records.Record) -> Iterator[str]:
    ticks, covered = record["ticks"], record["covered"]
    if not isinstance(covered, int) or not isinstance(record["zone"], str):
        yield "zone or covered is missing beside the cron expression"
    elif not isinstance(ticks, list) or not all(isinstance(tick, int) for tick in ticks):
        yield "ticks are not instants"
    elif any(before >= after for before, after in zip([covered, *ticks], ticks, strict=False)):
        yield "ticks do not ascend from covered"


def _listed(ns: Namespace, jid: str, record: records.Record) -> Rule:
    member, group = raw_bytes(jid), record["group"]
    score, asks, declared = yield [
        ("ZSCORE", ns.key("queue:*:recurring", record.queue), member),
        ("ZSCORE", ns.key("refills"), member),
        ("SISMEMBER", ns.key("declared:*", str(group)), member),
    ]
    shown = ns.shown("queue:*:recurring", record.queue)
    found = []
    is_off = bool(record["paused"] or record["over"])
    if score is None or (is_off and score < math.inf):
        found.append(Finding("misplaced", shown, f"the next tick is listed as {score}", jid))
    elif not is_off and record["cron"] and score != (record["ticks"] or [math.inf])[0]:
        detail = f"the next tick is listed as {score}, but the ticks are {record['ticks'][:3]}..."
        found.append(Finding("misplaced", shown, detail, jid))
    if bool(record["cron"] and not is_off) != (asks is not None):
        detail = "missing in the requests for ticks" if asks is None else "needs no ticks"
        found.append(Finding("refill", ns.shown("refills"), detail, jid))
    if group is not None and not declared:
        shown = ns.shown("declared:*", str(group))
        found.append(Finding("refill", shown, f"the group {group} does not list the job", jid))
    return found


def next_tick(ns: Namespace, queue: str, entry: bytes) -> Rule:
    """Check that the recurring job of an entry exists and that maintenance is due in time."""
    value, due_at, noted = yield [
        ("GET", ns.key("recurring:*", text(entry))),
        ("ZSCORE", ns.key("queue:*:recurring", queue), entry),
        ("ZSCORE", ns.key("due"), raw_bytes(f"recurring:{queue}")),
    ]
    try:
        record = records.job(value)
    except records.UnreadableError:
        return []
    if record is None or record.queue != queue:
        detail = "there is no such recurring job in this queue"
        shown = ns.shown("queue:*:recurring", queue)
        stray = Finding("stray", shown, detail, text(entry), entry)
        return (yield from still_there(ns, "queue:*:recurring", queue, stray))
    if due_at is None or due_at == math.inf:
        return []
    return (yield from late_task(ns, f"recurring:{queue}", due_at, noted))


def refill(ns: Namespace, entry: bytes) -> Rule:
    """Check that clients are asked for the ticks of an existing cron job in time."""
    asked_at, there, noted = yield [
        ("ZSCORE", ns.key("refills"), entry),
        ("EXISTS", ns.key("recurring:*", text(entry))),
        ("ZSCORE", ns.key("due"), b"refill"),
    ]
    if asked_at is None:
        return []
    if not there:
        detail = "the recurring job does not exist"
        return [Finding("refill", ns.shown("refills"), detail, text(entry))]
    return (yield from late_task(ns, "refill", asked_at, noted))


def declared(ns: Namespace, group: str, entry: bytes) -> Rule:
    """Check that a recurring job that a group lists exists and is in the group."""
    value, listed = yield [
        ("GET", ns.key("recurring:*", text(entry))),
        ("SISMEMBER", ns.key("declared:*", group), entry),
    ]
    try:
        record = records.job(value)
    except records.UnreadableError:
        return []
    if not listed or (record is not None and record["group"] == group):
        return []
    detail = "the recurring job does not exist or is not in this group"
    return [Finding("stray", ns.shown("declared:*", group), detail, text(entry), entry)]
