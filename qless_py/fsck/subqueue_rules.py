"""Rules about subqueues, where jobs wait that have a user or are parked on a throttle."""

import math
from collections.abc import Iterator
from typing import Any

from qless_py.fsck import records
from qless_py.fsck.finding import Finding
from qless_py.fsck.names import is_name, is_throttle, raw_bytes, text
from qless_py.fsck.reader import Rule
from qless_py.fsck.space import Space, is_there
from qless_py.fsck.throttle_rules import opening

MOST_THROTTLES = 8
# A lost lease, and a job that was timed out: both stand in front of every priority.
RECLAIMED, TIMED_OUT = -1e308, -math.inf
# After all others in its subqueue: jobs that cost more than its gate can ever hold.
TOO_DEAR, TOO_DEAR_BY_COST = 1e305, 1e295
ASLEEP = math.inf


def malformed(record: records.Record) -> Iterator[str]:
    """Say what is wrong with the fields of a job that concern admission."""
    user, throttles, costs = record["user"], record["throttles"], record["costs"]
    if user is not None and not (isinstance(user, str) and is_name(user)):
        yield "the user is not a name"
    if throttles is not None and not _are_throttles(throttles):
        yield "throttles are not names, each once"
    if costs is not None and not _are_costs(costs, record.list_of("throttles")):
        yield "costs are not positive numbers for throttles of the job"
    if (record.state == "throttled") != (record["gate"] is not None):
        yield f"gate does not go with the state {record.state}"
    if record["gate"] is not None and not is_throttle(record.gate):
        yield "the gate is not a throttle"
    if record["excused"] is not None and record.state != "running":
        yield f"excused does not go with the state {record.state}"


def _are_throttles(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > MOST_THROTTLES:
        return False
    names = [one for one in value if isinstance(one, str) and is_name(one)]
    return len(set(names)) == len(value) and not any(
        one.startswith(("queue:", "user:")) for one in names
    )


def _are_costs(value: Any, throttles: list[str]) -> bool:
    # An empty map and an empty list are one thing to the packer in the server.
    if value == []:
        return True
    return isinstance(value, dict) and all(
        throttle in throttles and isinstance(cost, int | float) and 0 < cost < math.inf
        for throttle, cost in value.items()
    )


def placed(space: Space, jid: str, record: records.Record) -> Rule:
    """Check that a job is in its subqueue, and in all that lists the jobs of such subqueues."""
    member = record["order"] + raw_bytes(jid)
    lists = [("queue:*:lane/*/*", record.subqueue, member)]
    if record.state == "throttled":
        lists += [("queue:*:throttled", record.queue, raw_bytes(jid))]
        lists += [("throttle:*:parked", record.gate, raw_bytes(jid))]
    else:
        lists += [("queue:*:shared", record.queue, member)]
    scores = yield [("ZSCORE", space.key(pattern, name), what) for pattern, name, what in lists]
    found = [
        Finding("misplaced", space.shown(pattern, name), f"a {record.state} job is not here", jid)
        for (pattern, name, _), score in zip(lists, scores, strict=True)
        if score is None
    ]
    if found:
        return found
    shown = space.shown("queue:*:lane/*/*", record.subqueue)
    if scores[0] not in _scores(record):
        detail = f"a {record.state} job is here with the score {scores[0]}"
        return [Finding("misplaced", shown, detail, jid)]
    if record.state != "throttled" and scores[0] != scores[1]:
        detail = f"its score is {scores[0]} here and {scores[1]} among those of all users"
        return [Finding("misplaced", shown, detail, jid)]
    return []


def _scores(record: records.Record) -> tuple[float, ...]:
    if record.state == "stalled":
        return (TIMED_OUT,)
    if record.state == "waiting":
        return (-record.priority, RECLAIMED)
    cost = float((record["costs"] or {}).get(record.gate, 1))
    dear = TOO_DEAR + cost * TOO_DEAR_BY_COST
    return (-record.priority, RECLAIMED, TIMED_OUT, dear)


def belongs(record: records.Record, name: str) -> bool:
    """Return whether a job belongs in the subqueue of that name."""
    states = ("throttled",) if name.rpartition("/")[2] else ("waiting", "stalled")
    return record.state in states and record.subqueue == name


def subqueue(space: Space, name: str) -> Rule:
    """Check that the user of a subqueue with jobs takes part, or sleeps for a reason."""
    queue, user, gate = name.split("/")
    there, score, parks = yield [
        ("EXISTS", space.key("queue:*:lane/*/*", name)),
        ("ZSCORE", space.key("queue:*:users/*", f"{queue}/{gate}"), raw_bytes(user)),
        ("ZSCORE", space.key("throttle:*:queues", gate), raw_bytes(queue)),
    ]
    if not there:
        return []
    found = []
    shown = space.shown("queue:*:users/*", f"{queue}/{gate}")
    if score is None:
        detail = f"user {user!r} has jobs and does not take part"
        found.append(Finding("user", shown, detail, member=raw_bytes(user)))
    if gate and parks is None:
        detail = f"{queue} has jobs parked on it and is not among its queues"
        shown = space.shown("throttle:*:queues", gate)
        found.append(Finding("parking", shown, detail, member=raw_bytes(queue)))
    if score == ASLEEP:
        found += yield from _asleep(space, queue, user, gate)
    return found


def _asleep(space: Space, queue: str, user: str, gate: str) -> Rule:
    """Check that a subqueue will be woken: by a limit of its user, or by its gate."""
    by_user, by_gate = yield [
        ("SISMEMBER", space.key("throttle:*:capped", f"user:{user}"), f"{queue}/{gate}"),
        ("SISMEMBER", space.key("throttle:*:capped", gate), f"{queue}/{user}"),
    ]
    if user and by_user:
        return (yield from opening(space, f"user:{user}"))
    if gate and by_gate:
        return []
    shown = space.shown("queue:*:users/*", f"{queue}/{gate}")
    detail = f"user {user!r} sleeps, and nobody will wake it"
    return [Finding("user", shown, detail, member=raw_bytes(user))]


def user(space: Space, name: str, entry: bytes) -> Rule:
    """Check that a user who takes part has a job in that subqueue."""
    queue, _, gate = name.partition("/")
    there, listed = yield [
        ("EXISTS", space.key("queue:*:lane/*/*", f"{queue}/{text(entry)}/{gate}")),
        ("ZSCORE", space.key("queue:*:users/*", name), entry),
    ]
    if listed is None or (there and (entry or gate)):
        return []
    detail = f"user {text(entry)!r} takes part without a job"
    return [Finding("user", space.shown("queue:*:users/*", name), detail, member=entry)]


def parking(space: Space, throttle: str, entry: bytes) -> Rule:
    """Check a queue with jobs parked on a throttle: the throttle is open there, or will be."""
    queue = text(entry)
    users = f"{queue}/{throttle}"
    listed, open_at, first = yield [
        ("ZSCORE", space.key("throttle:*:queues", throttle), entry),
        ("ZSCORE", space.key("queue:*:open", queue), raw_bytes(throttle)),
        ("ZRANGE", space.key("queue:*:users/*", users), 0, 0),
    ]
    if listed is None:
        return []
    if not first:
        shown = space.shown("throttle:*:queues", throttle)
        return [Finding("parking", shown, f"{queue} has no job parked on it", member=entry)]
    (least,) = yield [("ZSCORE", space.key("queue:*:users/*", users), first[0])]
    # Where all users sleep, it is theirs to wake up.
    if least == ASLEEP:
        return []
    if open_at is None:
        return (yield from opening(space, throttle))
    if open_at < ASLEEP:
        return []
    detail = f"{throttle} sleeps, but some of its users do not"
    shown = space.shown("queue:*:open", queue)
    return [Finding("opened", shown, detail, member=raw_bytes(throttle))]


def opened(space: Space, queue: str, entry: bytes) -> Rule:
    """Check that a throttle that is open for a queue has jobs parked there."""
    is_open, parks = yield [
        ("ZSCORE", space.key("queue:*:open", queue), entry),
        ("ZSCORE", space.key("throttle:*:queues", text(entry)), raw_bytes(queue)),
    ]
    if is_open is None or parks is not None:
        return []
    detail = f"no job is parked on {text(entry)}"
    return [Finding("opened", space.shown("queue:*:open", queue), detail, member=entry)]


def capped(space: Space, throttle: str, entry: bytes) -> Rule:
    """Check the entry of a sleeping subqueue: its gate for a user, its user for a gate."""
    queue, slash, other = text(entry).partition("/")
    of = is_throttle if throttle.startswith("user:") else is_name
    (there,) = yield [("SISMEMBER", space.key("throttle:*:capped", throttle), entry)]
    if not there or (is_name(queue) and slash and (not other or of(other))):
        return []
    shown = space.shown("throttle:*:capped", throttle)
    return [Finding("malformed", shown, f"{entry!r} is no lane")]


def fair(space: Space, pattern: str, queue: str) -> Rule:
    """Check that a queue with jobs in subqueues is marked as fair."""
    there, marked, listed = yield [
        ("EXISTS", space.key(pattern, queue)),
        ("HEXISTS", space.key("meta"), raw_bytes(f"fair:{queue}")),
        ("ZSCORE", space.key("queues:fair"), raw_bytes(queue)),
    ]
    if not is_there(there) or (marked and listed is not None):
        return []
    detail = f"{queue} has subqueues and is not {'listed' if marked else 'marked'}"
    return [Finding("fair", space.shown("meta"), detail, member=raw_bytes(queue))]


def finish(space: Space, queue: str, entry: bytes) -> Rule:
    """Check one finish tag: of a user, or of all jobs without one."""
    (tag,) = yield [("ZSCORE", space.key("queue:*:finish", queue), entry)]
    if tag is None or ((not entry or is_name(text(entry))) and 0 <= tag < math.inf):
        return []
    detail = f"{entry!r} with {tag} is no finish tag of a user"
    return [Finding("malformed", space.shown("queue:*:finish", queue), detail)]
