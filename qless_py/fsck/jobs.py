"""Rules about jobs: the record, the indexes that must hold the job, and those that may.

`job` goes from a record to the entries it must have, `member` from an entry to the record behind
it, `attached` from a further key of a job to its record.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from qless_py.fsck import records, subqueues, throttles
from qless_py.fsck.layout import is_name, raw_bytes, text
from qless_py.fsck.namespace import (
    Expectation,
    Fits,
    Namespace,
    equals,
    is_there,
    number,
    still_there,
    unmet,
)
from qless_py.fsck.rules import Finding, Rule

INLINE = 1024
ORDER = 12

READY = ("waiting", "stalled", "throttled")
STATES = frozenset(records.STATES) - {records.RECURRING}
WHILE_RUNNING = ("worker", "lease", "popped_at")
# What is stored in a key of its own, and the field that records it.
ATTACHED = (
    ("apart", "data:*"),
    ("spilled", "history:*"),
    ("has_failure", "failure:*"),
    ("has_result", "result:*"),
    ("has_progress", "progress:*"),
    ("parents", "parents:*"),
    ("followups", "followups:*"),
)


def job(ns: Namespace, jid: str) -> Rule:
    """Check the record of a job, and that everything it refers to is where it belongs."""
    (value,) = yield [("GET", ns.key("job:*", jid))]
    shown = ns.shown("job:*", jid)
    with ns.reading("job:*", jid, jid):
        record = records.job(value)
    if record is None:
        return []
    found = [Finding("malformed", shown, why, jid) for why in _malformed(record)]
    if found:
        return found
    expected = [*_place(ns, jid, record), *_claims(ns, jid, record)]
    found += yield from unmet(expected)
    if _has_subqueue(record):
        found += yield from subqueues.check_place(ns, jid, record)
    found += yield from throttles.held(ns, jid, record)
    found += yield from _lease(ns, jid, record)
    found += yield from _sequence(ns, jid, record)
    found += yield from _batch(ns, jid, record)
    return found


def _malformed(record: records.Record) -> Iterator[str]:
    state, fields = record.state, record.fields
    if state not in STATES:
        yield f"unknown state {state!r}"
    if not isinstance(record["klass"], str) or not record["klass"]:
        yield "no klass"
    for field in ("retries", "generation", "put_at"):
        if not isinstance(record[field], int):
            yield f"{field} is not an integer"
    if not isinstance(fields.get("left", 0), int) or fields.get("left", 0) < -1:
        yield "left is not a number of retries"
    if not isinstance(fields.get("priority", 0), int | float) or not math.isfinite(record.priority):
        yield "priority is not finite"
    if len(set(record.tags)) != len(record.tags) or not all(map(is_name, record.tags)):
        yield "tags are not distinct names"
    history = record["history"]
    if not isinstance(history, list) or not history or not all(map(_is_entry, history)):
        yield "history is not a list of entries"
    yield from _wrong_for_state(record)
    yield from subqueues.malformed(record)
    yield from _wrong_size(record)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) in (2, 3)
        and isinstance(entry[0], str)
        and isinstance(entry[1], int)
    )


def _wrong_for_state(record: records.Record) -> Iterator[str]:
    state = record.state
    if (state == "complete") != (not record.queue):
        yield f"queue {record.queue!r} does not fit the state {state}"
    for field in WHILE_RUNNING:
        if (state == "running") != (record[field] is not None):
            yield f"{field} does not fit the state {state}"
    for field in ("grace", "handed_off"):
        if record[field] and state != "running":
            yield f"{field} does not fit the state {state}"
    for field, owner in (
        ("failed_at", "failed"),
        ("group", "failed"),
        ("completed_at", "complete"),
    ):
        if (state == owner) != (record[field] is not None):
            yield f"{field} does not fit the state {state}"
    if state == "scheduled" and not isinstance(record["due"], int):
        yield "the state is scheduled, but due is not an instant"
    order = record["order"]
    if state in READY and (not isinstance(order, bytes) or len(order) != ORDER):
        yield f"order is not {ORDER} bytes"


def _wrong_size(record: records.Record) -> Iterator[str]:
    apart = record["apart"]
    if apart is None and len(record.data) > INLINE:
        yield f"{len(record.data)} bytes of data are stored inline, more than {INLINE}"
    if apart is not None and (not isinstance(apart, int) or apart <= INLINE or record.data):
        yield "apart is not the size of data that must be in a key of its own"


def _has_subqueue(record: records.Record) -> bool:
    return record.state == "throttled" or (record.state in READY and bool(record.user))


def _place(ns: Namespace, jid: str, record: records.Record) -> Iterator[Expectation]:
    """Yield where a job without a subqueue must be: in the index of its state."""
    if _has_subqueue(record):
        return
    state, queue, member = record.state, record.queue, raw_bytes(jid)
    pattern, name = f"queue:*:{state}", queue
    fits: Fits = is_there
    if state in ("waiting", "stalled"):
        pattern, member = "queue:*:waiting", record["order"] + member
        scores = (-record.priority, subqueues.RECLAIMED) if state == "waiting" else (-math.inf,)
        fits = scores.__contains__
    elif state == "scheduled":
        fits = equals(record["due"])
    elif state == "failed":
        pattern, name, fits = "failed:*", str(record["group"]), equals(record["failed_at"])
    elif state == "complete":
        pattern, fits = "complete", equals(record["completed_at"])
    detail = f"the {state} job is missing here, or has another score"
    yield ns.expect(("ZSCORE", (pattern, name), member), fits, ("misplaced", detail, jid))
    if state == "depends":
        detail = "the state is depends, but the job waits for no parent"
        command = ("EXISTS", ("dependencies:*", jid))
        yield ns.expect(command, is_there, ("unfounded", detail, jid))


def _claims(ns: Namespace, jid: str, record: records.Record) -> Iterator[Expectation]:
    """Yield what is stored elsewhere according to the record."""
    member = raw_bytes(jid)
    for field, pattern in ATTACHED:
        if record[field] is not None:
            detail = f"the record has {field}, but the key does not exist"
            yield ns.expect(("EXISTS", (pattern, jid)), is_there, ("attached", detail, jid))
    if record["apart"] is not None:
        fits = equals(record["apart"])
        detail = "the size of the data differs from the record"
        yield ns.expect(("STRLEN", ("data:*", jid)), fits, ("attached", detail, jid))
    for tag in record.tags:
        detail = f"the job has the tag {tag}, but is not listed under it"
        command = ("ZSCORE", ("tag:*", tag), member)
        yield ns.expect(command, is_there, ("misplaced", detail, jid))
    if record["tracked"]:
        command = ("ZSCORE", ("tracked", ""), member)
        detail = "the tracked job is not listed"
        yield ns.expect(command, is_there, ("misplaced", detail, jid))


def _lease(ns: Namespace, jid: str, record: records.Record) -> Rule:
    """Check that queue and worker agree on when the lease of a running job expires."""
    if record.state != "running":
        return []
    worker, member = str(record["worker"]), raw_bytes(jid)
    jobs = ns.key("worker:*:jobs", worker)
    in_queue, in_worker = yield [
        ("ZSCORE", ns.key("queue:*:running", record.queue), member),
        ("ZSCORE", jobs, member),
    ]
    if in_queue is None or in_queue == in_worker:
        return []
    # In its grace period a job is not in the list of its worker.
    if in_worker is None and record["grace"]:
        return []
    detail = f"the lease expires at {in_queue} in the queue, at {in_worker} for worker {worker}"
    return [Finding("misplaced", ns.shown("worker:*:jobs", worker), detail, jid)]


def _sequence(ns: Namespace, jid: str, record: records.Record) -> Rule:
    """Check that the counter of the namespace is not below a number that it has issued."""
    order = record["order"]
    given = max(int(record["generation"]), int.from_bytes(order[6:], "big") if order else 0)
    known = ns.sequence
    if given <= known:
        return []
    (stored,) = yield [("HGET", ns.key("meta"), "sequence")]
    ns.sequence = number(stored)
    if given <= ns.sequence:
        return []
    detail = f"sequence is {ns.sequence}, but a job has the number {given}"
    return [Finding("sequence", ns.shown("meta"), detail, jid)]


def _batch(ns: Namespace, jid: str, record: records.Record) -> Rule:
    """Check that an unfinished job is a member of its batch."""
    batch = record["batch"]
    if batch is None or record.has_ended:
        return []
    opened, finished, member = yield [
        ("HGET", ns.key("batch:*:record", batch), "opened_at"),
        ("HGET", ns.key("batch:*:record", batch), "finished_at"),
        ("SISMEMBER", ns.key("batch:*:members", batch), raw_bytes(jid)),
    ]
    if opened is None or finished is not None or member:
        return []
    detail = f"the unfinished job is not a member of its batch {batch}"
    return [Finding("misplaced", ns.shown("batch:*:members", batch), detail, jid)]


def attached(ns: Namespace, pattern: str, jid: str) -> Rule:
    """Check that the record of a job refers to this further key."""
    record = yield from ns.job(jid)
    field = next(field for field, known in ATTACHED if known == pattern)
    if record is not None and record[field] is not None:
        return []
    held, there = yield [
        ("EXISTS", ns.key("holds:*", jid)),
        ("EXISTS", ns.key(pattern, jid)),
    ]
    if not there or (held and pattern == "result:*"):
        return []
    unneeded = ", and no dependent needs it" if pattern == "result:*" else ""
    detail = f"the job does not exist or its record has no {field}{unneeded}"
    return [Finding("attached", ns.shown(pattern, jid), detail, jid)]


Claims = Callable[[records.Record, str], bool]


def _in_queue(*states: str) -> Claims:
    return lambda record, queue: record.state in states and record.queue == queue


# What the record of a job must contain for the job to be a member of the index.
CLAIMS: Final[Mapping[str, Claims]] = MappingProxyType(
    {
        "queue:*:waiting": lambda record, queue: (
            record.state in ("waiting", "stalled") and record.queue == queue and not record.user
        ),
        "queue:*:shared": lambda record, queue: (
            record.state in ("waiting", "stalled") and record.queue == queue and bool(record.user)
        ),
        "queue:*:lane/*/*": subqueues.belongs,
        "queue:*:throttled": _in_queue("throttled"),
        "throttle:*:parked": lambda record, throttle: record.gate == throttle,
        "throttle:*:holders": throttles.is_holder,
        "throttle:*:excused": throttles.is_excused,
        "queue:*:scheduled": _in_queue("scheduled"),
        "queue:*:depends": _in_queue("depends"),
        "queue:*:running": _in_queue("running"),
        "failed:*": lambda record, group: record.state == "failed" and record["group"] == group,
        "complete": lambda record, _: record.state == "complete",
        "tag:*": lambda record, tag: tag in record.tags,
        "tracked": lambda record, _: bool(record["tracked"]),
        "worker:*:jobs": lambda record, worker: record["worker"] == worker,
        "batch:*:members": lambda record, batch: record["batch"] == batch and not record.has_ended,
    }
)

# Indexes whose members are an order and a jid.
BY_ORDER: Final = frozenset(("queue:*:waiting", "queue:*:shared", "queue:*:lane/*/*"))


def member(ns: Namespace, pattern: str, name: str, entry: bytes) -> Rule:
    """Check that the job of an entry exists and belongs in this index."""
    order, jid = b"", text(entry)
    if pattern in BY_ORDER:
        order, jid = entry[:ORDER], text(entry[ORDER:])
    record = yield from ns.job(jid)
    if record is None:
        # A tracked job that was deleted stays listed, as expired.
        detail = "" if pattern == "tracked" and is_name(jid) else "the job does not exist"
    elif CLAIMS[pattern](record, name) and (not order or record["order"] == order):
        detail = ""
    else:
        detail = f"the {record.state} job does not belong here"
    if not detail or (record and record.state == "unreadable"):
        return []
    stray = Finding("stray", ns.shown(pattern, name), detail, jid, entry)
    return (yield from still_there(ns, pattern, name, stray))
