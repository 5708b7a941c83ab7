"""Rules about subqueues, which hold the jobs that have a user or are parked on a throttle.

The keys of subqueues are called `queue:<queue>:lane/<user>/<throttle>`.
"""

import math
from collections.abc import Iterator
from typing import Any

from qless_py.fsck import records
from qless_py.fsck.layout import is_name, is_throttle, raw_bytes, text
from qless_py.fsck.namespace import Namespace, is_there
from qless_py.fsck.rules import Finding, Rule
from qless_py.fsck.throttles import opening

MAX_THROTTLES = 8
# After a lost lease, and after a timeout: both come before every priority.
RECLAIMED, TIMED_OUT = -1e308, -math.inf
# After all others in its subqueue: jobs that cost more than its throttle can ever hold.
COSTLY, COSTLY_PER_UNIT = 1e305, 1e295
ASLEEP = math.inf


def malformed(record: records.Record) -> Iterator[str]:
    """Yield what is wrong with the fields of a job that concern throttles and users."""
    user, throttles, costs = record["user"], record["throttles"], record["costs"]
    if user is not None and not (isinstance(user, str) and is_name(user)):
        yield "the user is not a name"
    if throttles is not None and not _are_throttles(throttles):
        yield "throttles are not distinct names"
    if costs is not None and not _are_costs(costs, record.list_of("throttles")):
        yield "costs are not positive numbers by throttle of the job"
    if (record.state == "throttled") != (record["gate"] is not None):
        yield f"gate does not fit the state {record.state}"
    if record["gate"] is not None and not is_throttle(record.gate):
        yield "the gate is not a throttle"
    if record["excused"] is not None and record.state != "running":
        yield f"excused does not fit the state {record.state}"


def _are_throttles(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > MAX_THROTTLES:
        return False
    names = [one for one in value if isinstance(one, str) and is_name(one)]
    return len(set(names)) == len(value) and not any(
        one.startswith(("queue:", "user:")) for one in names
    )


def _are_costs(value: Any, throttles: list[str]) -> bool:
    # The packer in the server writes an empty map as an empty list.
    if value == []:
        return True
    return isinstance(value, dict) and all(
        throttle in throttles and isinstance(cost, int | float) and 0 < cost < math.inf
        for throttle, cost in value.items()
    )


def check_place(ns: Namespace, jid: str, record: records.Record) -> Rule:
    """Check that a job is in its subqueue, and in the lists over all subqueues."""
    member = record["order"] + raw_bytes(jid)
    lists = [("queue:*:lane/*/*", record.subqueue, member)]
    if record.state == "throttled":
        lists += [("queue:*:throttled", record.queue, raw_bytes(jid))]
        lists += [("throttle:*:parked", record.gate, raw_bytes(jid))]
    else:
        lists += [("queue:*:shared", record.queue, member)]
    scores = yield [("ZSCORE", ns.key(pattern, name), what) for pattern, name, what in lists]
    found = [
        Finding(
            "misplaced", ns.shown(pattern, name), f"the {record.state} job is missing here", jid
        )
        for (pattern, name, _), score in zip(lists, scores, strict=True)
        if score is None
    ]
    if found:
        return found
    shown = ns.shown("queue:*:lane/*/*", record.subqueue)
    if scores[0] not in _scores(record):
        detail = f"the score of the {record.state} job is {scores[0]}"
        return [Finding("misplaced", shown, detail, jid)]
    if record.state != "throttled" and scores[0] != scores[1]:
        detail = f"the score is {scores[0]} here, but {scores[1]} in queue:*:shared"
        return [Finding("misplaced", shown, detail, jid)]
    return []


def _scores(record: records.Record) -> tuple[float, ...]:
    if record.state == "stalled":
        return (TIMED_OUT,)
    if record.state == "waiting":
        return (-record.priority, RECLAIMED)
    cost = float((record["costs"] or {}).get(record.gate, 1))
    costly = COSTLY + cost * COSTLY_PER_UNIT
    return (-record.priority, RECLAIMED, TIMED_OUT, costly)


def belongs(record: records.Record, name: str) -> bool:
    """Return whether a job belongs in the subqueue of that name."""
    states = ("throttled",) if name.rpartition("/")[2] else ("waiting", "stalled")
    return record.state in states and record.subqueue == name


def check_subqueue(ns: Namespace, name: str) -> Rule:
    """Check that the user of a subqueue with jobs is scheduled, or sleeps for a reason."""
    queue, user, gate = name.split("/")
    there, score, parks = yield [
        ("EXISTS", ns.key("queue:*:lane/*/*", name)),
        ("ZSCORE", ns.key("queue:*:users/*", f"{queue}/{gate}"), raw_bytes(user)),
        ("ZSCORE", ns.key("throttle:*:queues", gate), raw_bytes(queue)),
    ]
    if not there:
        return []
    found = []
    shown = ns.shown("queue:*:users/*", f"{queue}/{gate}")
    if score is None:
        detail = f"user {user!r} has jobs, but is not listed"
        found.append(Finding("user", shown, detail, member=raw_bytes(user)))
    if gate and parks is None:
        detail = f"the queue {queue} has jobs parked on the throttle, but is not listed"
        shown = ns.shown("throttle:*:queues", gate)
        found.append(Finding("parking", shown, detail, member=raw_bytes(queue)))
    if score == ASLEEP:
        found += yield from _check_asleep(ns, queue, user, gate)
    return found


def _check_asleep(ns: Namespace, queue: str, user: str, gate: str) -> Rule:
    """Check that a subqueue will be woken: by a limit of its user, or by its gate."""
    by_user, by_gate = yield [
        ("SISMEMBER", ns.key("throttle:*:capped", f"user:{user}"), f"{queue}/{gate}"),
        ("SISMEMBER", ns.key("throttle:*:capped", gate), f"{queue}/{user}"),
    ]
    if user and by_user:
        return (yield from opening(ns, f"user:{user}"))
    if gate and by_gate:
        return []
    shown = ns.shown("queue:*:users/*", f"{queue}/{gate}")
    detail = f"user {user!r} sleeps, and nothing will wake it"
    return [Finding("user", shown, detail, member=raw_bytes(user))]


def check_listed_user(ns: Namespace, name: str, entry: bytes) -> Rule:
    """Check that a listed user has a job in that subqueue."""
    queue, _, gate = name.partition("/")
    there, listed = yield [
        ("EXISTS", ns.key("queue:*:lane/*/*", f"{queue}/{text(entry)}/{gate}")),
        ("ZSCORE", ns.key("queue:*:users/*", name), entry),
    ]
    if listed is None or (there and (entry or gate)):
        return []
    detail = f"user {text(entry)!r} is listed, but has no job"
    return [Finding("user", ns.shown("queue:*:users/*", name), detail, member=entry)]


def check_parking(ns: Namespace, throttle: str, entry: bytes) -> Rule:
    """Check that a throttle on which a queue has parked jobs is open there, or will be."""
    queue = text(entry)
    users = f"{queue}/{throttle}"
    listed, open_at, first = yield [
        ("ZSCORE", ns.key("throttle:*:queues", throttle), entry),
        ("ZSCORE", ns.key("queue:*:open", queue), raw_bytes(throttle)),
        ("ZRANGE", ns.key("queue:*:users/*", users), 0, 0),
    ]
    if listed is None:
        return []
    if not first:
        shown = ns.shown("throttle:*:queues", throttle)
        return [
            Finding(
                "parking",
                shown,
                f"the queue {queue} has no job parked on the throttle",
                member=entry,
            )
        ]
    (least,) = yield [("ZSCORE", ns.key("queue:*:users/*", users), first[0])]
    # When all users sleep, their own limits wake them.
    if least == ASLEEP:
        return []
    if open_at is None:
        return (yield from opening(ns, throttle))
    if open_at < ASLEEP:
        return []
    detail = f"the throttle {throttle} sleeps, but not all of its users do"
    shown = ns.shown("queue:*:open", queue)
    return [Finding("opened", shown, detail, member=raw_bytes(throttle))]


def check_open_throttle(ns: Namespace, queue: str, entry: bytes) -> Rule:
    """Check that a throttle that is open for a queue has jobs parked there."""
    is_open, parks = yield [
        ("ZSCORE", ns.key("queue:*:open", queue), entry),
        ("ZSCORE", ns.key("throttle:*:queues", text(entry)), raw_bytes(queue)),
    ]
    if is_open is None or parks is not None:
        return []
    detail = f"the throttle {text(entry)} is open, but has no parked job"
    return [Finding("opened", ns.shown("queue:*:open", queue), detail, member=entry)]


def check_capped(ns: Namespace, throttle: str, entry: bytes) -> Rule:
    """Check that the entry of a sleeping subqueue has the form `<queue>/<user or throttle>`."""
    queue, slash, other = text(entry).partition("/")
    of = is_throttle if throttle.startswith("user:") else is_name
    (there,) = yield [("SISMEMBER", ns.key("throttle:*:capped", throttle), entry)]
    if not there or (is_name(queue) and slash and (not other or of(other))):
        return []
    shown = ns.shown("throttle:*:capped", throttle)
    return [Finding("malformed", shown, f"{entry!r} does not name a subqueue")]


def check_fair_mark(ns: Namespace, pattern: str, queue: str) -> Rule:
    """Check that a queue with jobs in subqueues is marked as fair."""
    there, marked, listed = yield [
        ("EXISTS", ns.key(pattern, queue)),
        ("HEXISTS", ns.key("meta"), raw_bytes(f"fair:{queue}")),
        ("ZSCORE", ns.key("queues:fair"), raw_bytes(queue)),
    ]
    if not is_there(there) or (marked and listed is not None):
        return []
    detail = (
        f"the queue {queue} has subqueues, but is not {'listed' if marked else 'marked'} as fair"
    )
    return [Finding("fair", ns.shown("meta"), detail, member=raw_bytes(queue))]


def check_finish_tag(ns: Namespace, queue: str, entry: bytes) -> Rule:
    """Check the finish tag of a user, or of the jobs without one."""
    (tag,) = yield [("ZSCORE", ns.key("queue:*:finish", queue), entry)]
    if tag is None or ((not entry or is_name(text(entry))) and 0 <= tag < math.inf):
        return []
    detail = f"{entry!r} with {tag} is not a finish tag of a user"
    return [Finding("malformed", ns.shown("queue:*:finish", queue), detail)]
