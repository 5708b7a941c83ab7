"""Rules about the members of indexes: each stands for a job that says it belongs there."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from qless_py.fsck import records, subqueue_rules, throttle_rules
from qless_py.fsck.finding import Finding
from qless_py.fsck.job_rules import ORDER
from qless_py.fsck.names import TYPES, is_name, text
from qless_py.fsck.reader import Rule
from qless_py.fsck.space import Space

Claims = Callable[[records.Record, str], bool]


def _in_queue(*states: str) -> Claims:
    return lambda record, queue: record.state in states and record.queue == queue


# What a job must say of itself to be a member of the index of that name.
CLAIMS: Final[Mapping[str, Claims]] = MappingProxyType(
    {
        "queue:*:waiting": lambda record, queue: (
            record.state in ("waiting", "stalled") and record.queue == queue and not record.user
        ),
        "queue:*:shared": lambda record, queue: (
            record.state in ("waiting", "stalled") and record.queue == queue and bool(record.user)
        ),
        "queue:*:lane/*/*": subqueue_rules.belongs,
        "queue:*:throttled": _in_queue("throttled"),
        "throttle:*:parked": lambda record, throttle: record.gate == throttle,
        "throttle:*:holders": throttle_rules.is_holder,
        "throttle:*:excused": throttle_rules.is_excused,
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

# Those whose members are an order and a jid.
BY_ORDER: Final = frozenset(("queue:*:waiting", "queue:*:shared", "queue:*:lane/*/*"))


def member(space: Space, pattern: str, name: str, entry: bytes) -> Rule:
    """Check that the job behind an entry exists and claims the entry."""
    order, jid = b"", text(entry)
    if pattern in BY_ORDER:
        order, jid = entry[:ORDER], text(entry[ORDER:])
    record = yield from space.job(jid)
    if record is None:
        # A tracked job that is gone stays listed, as expired.
        detail = "" if pattern == "tracked" and is_name(jid) else "no such job"
    elif CLAIMS[pattern](record, name) and (not order or record["order"] == order):
        detail = ""
    else:
        detail = f"the job does not belong here, its state is {record.state}"
    if not detail or (record and record.state == "unreadable"):
        return []
    stray = Finding("stray", space.shown(pattern, name), detail, jid, entry)
    return (yield from still_there(space, pattern, name, stray))


def still_there(space: Space, pattern: str, name: str, finding: Finding) -> Rule:
    """Report an entry unless it has gone since it was listed."""
    verb = "ZSCORE" if TYPES[pattern] == "zset" else "SISMEMBER"
    (score,) = yield [(verb, space.key(pattern, name), finding.member)]
    if score is None or (verb == "SISMEMBER" and not score):
        return []
    return [finding]
