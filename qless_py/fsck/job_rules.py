"""Rules about one job: its record, its place, and whatever else the record claims."""

import math
from collections.abc import Iterator
from typing import Any

from qless_py.fsck import records, subqueue_rules, throttle_rules
from qless_py.fsck.finding import Finding
from qless_py.fsck.names import is_name, raw_bytes
from qless_py.fsck.reader import Rule
from qless_py.fsck.space import Expectation, Fits, Space, equals, is_there, judged

INLINE = 1024
ORDER = 12

READY = ("waiting", "stalled", "throttled")
STATES = frozenset((*READY, "scheduled", "depends", "running", "failed", "complete"))
WHILE_RUNNING = ("worker", "lease", "popped_at")
# What lies in a key of its own, and the field that says so.
ATTACHED = (
    ("apart", "data:*"),
    ("spilled", "history:*"),
    ("has_failure", "failure:*"),
    ("has_result", "result:*"),
    ("has_progress", "progress:*"),
    ("parents", "parents:*"),
    ("followups", "followups:*"),
)


def job(space: Space, jid: str) -> Rule:
    """Check a job against its record."""
    (value,) = yield [("GET", space.key("job:*", jid))]
    shown = space.shown("job:*", jid)
    try:
        record = records.job(value)
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error), jid)]
    if record is None:
        return []
    found = [Finding("malformed", shown, why, jid) for why in _malformed(record)]
    if found:
        return found
    expected = [*_place(space, jid, record), *_claims(space, jid, record)]
    found += yield from judged(expected)
    if _has_subqueue(record):
        found += yield from subqueue_rules.placed(space, jid, record)
    found += yield from throttle_rules.held(space, jid, record)
    found += yield from _lease(space, jid, record)
    found += yield from _sequence(space, jid, record)
    found += yield from _batch(space, jid, record)
    return found


def _malformed(record: records.Record) -> Iterator[str]:
    state, fields = record.state, record.fields
    if state not in STATES:
        yield f"unknown state {state!r}"
    if not isinstance(record["klass"], str) or not record["klass"]:
        yield "no klass"
    for field in ("retries", "generation", "put_at"):
        if not isinstance(record[field], int):
            yield f"no whole number in {field}"
    if not isinstance(fields.get("left", 0), int) or fields.get("left", 0) < -1:
        yield "left is not the number of retries left"
    if not isinstance(fields.get("priority", 0), int | float) or not math.isfinite(record.priority):
        yield "priority is not finite"
    if len(set(record.tags)) != len(record.tags) or not all(map(is_name, record.tags)):
        yield "tags are not names, each once"
    history = record["history"]
    if not isinstance(history, list) or not history or not all(map(_is_entry, history)):
        yield "history is not a list of entries"
    yield from _wrong_for_state(record)
    yield from subqueue_rules.malformed(record)
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
        yield f"queue {record.queue!r} does not go with the state {state}"
    for field in WHILE_RUNNING:
        if (state == "running") != (record[field] is not None):
            yield f"{field} does not go with the state {state}"
    if record["grace"] and state != "running":
        yield f"grace does not go with the state {state}"
    for field, owner in (
        ("failed_at", "failed"),
        ("group", "failed"),
        ("completed_at", "complete"),
    ):
        if (state == owner) != (record[field] is not None):
            yield f"{field} does not go with the state {state}"
    if state == "scheduled" and not isinstance(record["due"], int):
        yield "scheduled without a due instant"
    order = record["order"]
    if state in READY and (not isinstance(order, bytes) or len(order) != ORDER):
        yield "waiting without an order"


def _wrong_size(record: records.Record) -> Iterator[str]:
    apart = record["apart"]
    if apart is None and len(record.data) > INLINE:
        yield f"{len(record.data)} bytes of data are inline"
    if apart is not None and (not isinstance(apart, int) or apart <= INLINE or record.data):
        yield "the data is not wholly in its own key, or too short for one"


def _has_subqueue(record: records.Record) -> bool:
    return record.state == "throttled" or (record.state in READY and bool(record.user))


def _place(space: Space, jid: str, record: records.Record) -> Iterator[Expectation]:
    """Expect the job to be in the index of its state, if it has no subqueue."""
    if _has_subqueue(record):
        return
    state, queue, member = record.state, record.queue, raw_bytes(jid)
    pattern, name = f"queue:*:{state}", queue
    fits: Fits = is_there
    if state in ("waiting", "stalled"):
        pattern, member = "queue:*:waiting", record["order"] + member
        scores = (
            (-record.priority, subqueue_rules.RECLAIMED) if state == "waiting" else (-math.inf,)
        )
        fits = scores.__contains__
    elif state == "scheduled":
        fits = equals(record["due"])
    elif state == "failed":
        pattern, name, fits = "failed:*", str(record["group"]), equals(record["failed_at"])
    elif state == "complete":
        pattern, fits = "complete", equals(record["completed_at"])
    detail = f"a {state} job is not here, or with another score"
    yield space.expect(("ZSCORE", (pattern, name), member), fits, ("misplaced", detail, jid))
    if state == "depends":
        detail = "the job waits in depends for no parent at all"
        command = ("EXISTS", ("dependencies:*", jid))
        yield space.expect(command, is_there, ("unfounded", detail, jid))


def _claims(space: Space, jid: str, record: records.Record) -> Iterator[Expectation]:
    """Expect all that the record says to lie elsewhere."""
    member = raw_bytes(jid)
    for field, pattern in ATTACHED:
        if record[field] is not None:
            detail = f"the record says {field}, but there is none"
            yield space.expect(("EXISTS", (pattern, jid)), is_there, ("attached", detail, jid))
    if record["apart"] is not None:
        fits = equals(record["apart"])
        detail = "the data has another size than the record says"
        yield space.expect(("STRLEN", ("data:*", jid)), fits, ("attached", detail, jid))
    for tag in record.tags:
        detail = f"the job has the tag {tag} and is not listed under it"
        command = ("ZSCORE", ("tag:*", tag), member)
        yield space.expect(command, is_there, ("misplaced", detail, jid))
    if record["tracked"]:
        command = ("ZSCORE", ("tracked", ""), member)
        detail = "a tracked job is not listed"
        yield space.expect(command, is_there, ("misplaced", detail, jid))


def _lease(space: Space, jid: str, record: records.Record) -> Rule:
    """Expect queue and worker to agree about when the lease of a running job ends."""
    if record.state != "running":
        return []
    worker, member = str(record["worker"]), raw_bytes(jid)
    jobs = space.key("worker:*:jobs", worker)
    in_queue, in_worker = yield [
        ("ZSCORE", space.key("queue:*:running", record.queue), member),
        ("ZSCORE", jobs, member),
    ]
    if in_queue is None or in_queue == in_worker:
        return []
    # In its grace period a job is off the list of its worker.
    if in_worker is None and record["grace"]:
        return []
    detail = f"lease ends at {in_queue} for the queue, at {in_worker} for worker {worker}"
    return [Finding("misplaced", space.shown("worker:*:jobs", worker), detail, jid)]


def _sequence(space: Space, jid: str, record: records.Record) -> Rule:
    """Expect the counter of the namespace not to lag behind what it has given out."""
    order = record["order"]
    given = max(int(record["generation"]), int.from_bytes(order[6:], "big") if order else 0)
    known = space.sequence
    if given <= known:
        return []
    (stored,) = yield [("HGET", space.key("meta"), "sequence")]
    space.sequence = int(stored or 0)
    if given <= space.sequence:
        return []
    detail = f"the counter stands at {space.sequence}, a job was given {given}"
    return [Finding("sequence", space.shown("meta"), detail, jid)]


def _batch(space: Space, jid: str, record: records.Record) -> Rule:
    """Expect an unfinished job to be a member of its batch."""
    batch = record["batch"]
    if batch is None or record.has_ended:
        return []
    opened, finished, member = yield [
        ("HGET", space.key("batch:*:record", batch), "opened_at"),
        ("HGET", space.key("batch:*:record", batch), "finished_at"),
        ("SISMEMBER", space.key("batch:*:members", batch), raw_bytes(jid)),
    ]
    if opened is None or finished is not None or member:
        return []
    detail = f"an unfinished job of batch {batch} is not a member"
    return [Finding("misplaced", space.shown("batch:*:members", batch), detail, jid)]


def attached(space: Space, pattern: str, jid: str) -> Rule:
    """Check that what lies beside a job is claimed by its record."""
    record = yield from space.job(jid)
    field = next(field for field, known in ATTACHED if known == pattern)
    if record is not None and record[field] is not None:
        return []
    held, there = yield [
        ("EXISTS", space.key("holds:*", jid)),
        ("EXISTS", space.key(pattern, jid)),
    ]
    if not there or (held and pattern == "result:*"):
        return []
    what = "nor does a dependent need it" if pattern == "result:*" else "it belongs to nobody"
    detail = f"the job does not exist or does not say {field}; {what}"
    return [Finding("attached", space.shown(pattern, jid), detail, jid)]
