"""Rules about single keys: form, type, life time, and the counters that sum them up."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from qless_py.fsck import records
from qless_py.fsck.finding import Finding
from qless_py.fsck.job_rules import STATES
from qless_py.fsck.names import TYPES, is_name, is_throttle, raw_bytes, text
from qless_py.fsck.reader import Rule
from qless_py.fsck.space import Space, judged, late

SERIES: Final[Mapping[str, str]] = MappingProxyType(
    {"queue:*:minutes": "minute", "queue:*:tens": "ten", "queue:*:days": "day"}
)
# The only kinds of keys that expire by themselves.
PASSING: Final = frozenset(("request:*",))
SAMPLES: Final = ("wait", "run")
SAMPLE: Final = 3  # number, mean, sum of squared deviations
_FINITE: Final = re.compile(rb"\d+(\.\d+)?(e[+-]?\d+)?")
QUEUE_DUTIES: Final = ("leases", "scheduled", "recurring", "pause")
DUTIES: Final = ("retention", "sweep", "releases", "rewind", "refill")


def form(space: Space, key: bytes) -> Rule:
    """Check that a key has a place in the layout, the type of its place, and the right life."""
    kind, expires = yield [("TYPE", key), ("PEXPIRETIME", key)]
    shown = text(key)
    if kind == b"none":
        return []
    parsed = space.keys.parse(key)
    if parsed is None:
        return [Finding("foreign", shown, f"a {text(kind)} that has no place in the layout")]
    pattern, _ = parsed
    found = []
    if text(kind) != TYPES[pattern]:
        found.append(Finding("foreign", shown, f"a {text(kind)} instead of a {TYPES[pattern]}"))
    if (expires != -1) != (pattern in PASSING):
        what = "it never expires" if expires == -1 else f"it expires at {expires}"
        found.append(Finding("expiry", shown, what))
    return found


def tag(space: Space, name: str) -> Rule:
    """Check the number of jobs of a tag."""
    size, noted = yield [
        ("ZCARD", space.key("tag:*", name)),
        ("ZSCORE", space.key("tags"), raw_bytes(name)),
    ]
    if not size or size == noted:
        return []
    detail = f"{size} jobs have the tag {name}; noted are {noted}"
    return [Finding("tag", space.shown("tags"), detail, member=raw_bytes(name))]


def group(space: Space, name: str) -> Rule:
    """Check that a failure group with jobs is listed."""
    size, noted = yield [
        ("ZCARD", space.key("failed:*", name)),
        ("ZSCORE", space.key("failed"), raw_bytes(name)),
    ]
    if not size or noted is not None:
        return []
    detail = f"the group {name} has jobs and is not listed"
    return [Finding("group", space.shown("failed"), detail, member=raw_bytes(name))]


def queue(space: Space, pattern: str, name: str) -> Rule:
    """Check that a queue with leases or scheduled jobs is looked at in time."""
    duty = ("leases:" if pattern.endswith("running") else "scheduled:") + name
    (first,) = yield [("ZRANGE", space.key(pattern, name), 0, 0)]
    if not first:
        return []
    # The score asked for on its own: with the member its form depends on the protocol.
    score, noted = yield [
        ("ZSCORE", space.key(pattern, name), first[0]),
        ("ZSCORE", space.key("due"), raw_bytes(duty)),
    ]
    return (yield from late(space, duty, score, noted)) if score is not None else []


def known(space: Space, name: str) -> Rule:
    """Check that a queue with an account of the present minute is known."""
    (there,) = yield [("EXISTS", space.key("queue:*:now", name))]
    return (yield from judged([space.known_queue(name)])) if there else []


def worker(space: Space, name: str) -> Rule:
    """Check that a worker that said something of itself is among those seen."""
    there, seen = yield [
        ("EXISTS", space.key("worker:*:info", name)),
        ("ZSCORE", space.key("workers"), raw_bytes(name)),
    ]
    if not there or seen is not None:
        return []
    return [Finding("worker", space.shown("worker:*:info", name), "nobody has seen this worker")]


def unique(space: Space, key: str) -> Rule:
    """Check that a unique key is held by a job in its scope, or until the end of its window."""
    value, listed = yield [
        ("GET", space.key("unique:*", key)),
        ("ZSCORE", space.key("windows"), raw_bytes(key)),
    ]
    if value is None:
        return []
    shown = space.shown("unique:*", key)
    try:
        entry = records.packed_map(value)
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error))]
    until, jid = entry.get("until"), str(entry.get("jid"))
    if until != listed:
        detail = f"its window ends at {until}, it is listed for {listed}"
        return [Finding("unique", shown, detail, jid, raw_bytes(key))]
    if until is not None:
        return []
    record = yield from space.job(jid)
    own = record["unique"] if record else None
    if record and own and own.get("key") == key and _in_scope(record, str(own.get("scope"))):
        return []
    return [Finding("unique", shown, "its holder is gone or out of scope", jid, raw_bytes(key))]


def _in_scope(record: records.Record, scope: str) -> bool:
    if record.state == "running":
        return scope == "running"
    return record.state in STATES and not record.has_ended


def failure(space: Space, jid: str) -> Rule:
    """Check that a failure can be read."""
    (value,) = yield [("GET", space.key("failure:*", jid))]
    return _readable_map(space, "failure:*", jid, value, ("group", "message", "when"))


def _readable_map(
    space: Space, pattern: str, name: str, value: bytes | None, fields: tuple[str, ...]
) -> list[Finding]:
    if value is None:
        return []
    shown = space.shown(pattern, name)
    try:
        found = records.packed_map(value)
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error))]
    missing = [field for field in fields if field not in found]
    return [Finding("malformed", shown, f"without {', '.join(missing)}")] if missing else []


def account(space: Space, name: str) -> Rule:
    """Check the account of a queue's present minute."""
    (found,) = yield [("HMGET", space.key("queue:*:now", name), "minute", *SAMPLES)]
    minute, *samples = found
    if minute is None and samples == [None] * len(SAMPLES):
        return []
    shown = space.shown("queue:*:now", name)
    if minute is None or not minute.isdigit():
        return [Finding("malformed", shown, "without minute")]
    try:
        packed = [records.packed_value(one) for one in samples if one is not None]
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error))]
    wrong = [one for one in packed if not isinstance(one, list) or len(one) != SAMPLE]
    return [Finding("malformed", shown, f"{wrong[0]} is not a sample")] if wrong else []


def series(space: Space, pattern: str, name: str, entry: bytes) -> Rule:
    """Check one record of a series of counters: readable, and filed under its own number."""
    (score,) = yield [("ZSCORE", space.key(pattern, name), entry)]
    if score is None:
        return []
    shown = space.shown(pattern, name)
    try:
        record = records.packed_map(entry)
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error), None, entry)]
    number = record.get(SERIES[pattern])
    if number == score:
        return []
    return [Finding("malformed", shown, f"the record of {number} is filed under {score}")]


def request(space: Space, name: str) -> Rule:
    """Check a remembered reply."""
    (value,) = yield [("GET", space.key("request:*", name))]
    if value is None:
        return []
    shown = space.shown("request:*", name)
    sequence, colon, reply = value.partition(b":")
    if not colon or not sequence.isdigit():
        return [Finding("malformed", shown, "not a sequence number and a reply")]
    try:
        records.packed_value(reply)
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error))]
    return []


def duty(space: Space, entry: bytes) -> Rule:
    """Check that a noted duty is one that somebody knows how to do."""
    (score,) = yield [("ZSCORE", space.key("due"), entry)]
    kind, _, name = text(entry).partition(":")
    known = kind == "throttle" and is_throttle(name)
    known = known or text(entry) in DUTIES or (kind in QUEUE_DUTIES and is_name(name))
    if score is None or known:
        return []
    return [Finding("listed", space.shown("due"), f"unknown duty {entry!r}", None, entry)]


def meta(space: Space) -> Rule:
    """Check the counters and settings of the namespace itself."""
    fields, tracked, sweep = yield [
        ("HGETALL", space.key("meta")),
        ("ZCARD", space.key("tracked")),
        ("ZSCORE", space.key("due"), b"sweep"),
    ]
    if not fields:
        return []
    shown = space.shown("meta")
    found = [
        Finding("malformed", shown, f"no usable {name}")
        for name in ("schema", "time", "sequence")
        if not fields.get(name.encode(), b"").isdigit()
    ]
    if fields.get(b"clock") not in (b"server", b"test"):
        found.append(Finding("malformed", shown, "no usable clock"))
    if int(fields.get(b"tracking", 0)) != tracked:
        detail = f"{tracked} jobs are tracked; noted are {fields.get(b'tracking')}"
        found.append(Finding("tracking", shown, detail))
    if sweep is None:
        detail = "nobody will sweep"
        found.append(Finding("due", space.shown("due"), detail, member=b"sweep"))
    found += _virtual_times(shown, fields)
    pauses = [name for name in fields if name.startswith(b"paused:")]
    found += yield from _pauses(space, {name: fields[name] for name in pauses})
    return found


def _virtual_times(shown: str, fields: Mapping[bytes, bytes]) -> list[Finding]:
    """Check how far the users of each queue have come."""
    times = {name: value for name, value in fields.items() if name.startswith(b"fair:")}
    return [
        Finding("malformed", shown, f"{text(name)} is {value!r}, no virtual time")
        for name, value in times.items()
        if not _FINITE.fullmatch(value)
    ]


def _pauses(space: Space, pauses: Mapping[bytes, bytes]) -> Rule:
    found = []
    shown = space.shown("meta")
    for name, value in pauses.items():
        try:
            pause = records.packed_map(value)
        except records.UnreadableError as error:
            found.append(Finding("unreadable", shown, f"{text(name)}: {error}"))
            continue
        if "until" in pause:
            duty = "pause:" + text(name).removeprefix("paused:")
            (noted,) = yield [("ZSCORE", space.key("due"), raw_bytes(duty))]
            found += yield from late(space, duty, pause["until"], noted)
    return found
