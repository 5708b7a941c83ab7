"""Rules about single keys: name, type, expiry, counters, and the fields of `meta`."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from qless_py.fsck import canceled, records
from qless_py.fsck.jobs import STATES
from qless_py.fsck.layout import TYPES, is_name, is_throttle, raw_bytes, text
from qless_py.fsck.namespace import Namespace, late_task, number, unmet
from qless_py.fsck.rules import Finding, Rule

HISTORY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "queue:*:minutes": "minute",
        "queue:*:tens": "ten",
        "queue:*:days": "day",
        "klass:*:minutes": "minute",
        "klass:*:tens": "ten",
    }
)
# The only keys with a time to live.
PASSING: Final = frozenset(("request:*",))
SAMPLES: Final = ("wait", "run")
TOTALS: Final = ("since", "put", "popped", "completed", "failed", "retried", "stalled", "crashed",
                 "ticks", "tick_late", "last_late", "wait", "run")  # fmt: skip
SAMPLE: Final = 3  # number, mean, sum of squared deviations
HISTOGRAMS: Final = ("wait_buckets", "run_buckets")
Fields = Mapping[str, type | tuple[str, ...]]
"""The fields that a record must have, each with its type or the values it may have."""
TOKEN: Final[Fields] = MappingProxyType(
    {"name": str, "digest": str, "scopes": list, "created_at": int}
)
_TOKEN_ID: Final = re.compile(r"[a-z0-9]{1,32}")
_FINITE: Final = re.compile(rb"\d+(\.\d+)?(e[+-]?\d+)?")
WEBHOOK: Final[Fields] = MappingProxyType(
    {"url": str, "keys": list, "since": str, "state": ("enabled", "disabled")}
)
GROUP: Final[Fields] = MappingProxyType(
    {"first": int, "count": int, "hours": list, "queues": list, "klasses": list}
)
DEPLOY: Final[Fields] = MappingProxyType({"name": str, "at": int})
QUEUE_TASKS: Final = ("leases", "scheduled", "recurring", "pause")
TASKS: Final = ("retention", "sweep", "releases", "rewind", "refill")


def form(ns: Namespace, key: bytes) -> Rule:
    """Check that a key is part of the layout, has the right type, and expires only if it may."""
    kind, expires = yield [("TYPE", key), ("PEXPIRETIME", key)]
    shown = text(key)
    if kind == b"none":
        return []
    parsed = ns.keys.parse(key)
    if parsed is None:
        return [Finding("foreign", shown, f"a {text(kind)} that is not part of the layout")]
    pattern, _ = parsed
    found = []
    if TYPES[pattern] == "any":
        return []
    if text(kind) != TYPES[pattern]:
        found.append(Finding("wrong-type", shown, f"a {text(kind)} instead of a {TYPES[pattern]}"))
    if (expires != -1) != (pattern in PASSING):
        what = "it has no expiry" if expires == -1 else f"it expires at {expires}"
        found.append(Finding("expiry", shown, what))
    return found


def tag(ns: Namespace, name: str) -> Rule:
    """Check the counter of the jobs of a tag."""
    size, noted = yield [
        ("ZCARD", ns.key("tag:*", name)),
        ("ZSCORE", ns.key("tags"), raw_bytes(name)),
    ]
    if not size or size == noted:
        return []
    detail = f"{size} jobs have the tag {name}, but the counter is {noted}"
    return [Finding("tag", ns.shown("tags"), detail, member=raw_bytes(name))]


def group(ns: Namespace, name: str) -> Rule:
    """Check that a failure group with jobs is listed."""
    size, noted = yield [
        ("ZCARD", ns.key("failed:*", name)),
        ("ZSCORE", ns.key("failed"), raw_bytes(name)),
    ]
    if not size or noted is not None:
        return []
    detail = f"the failure group {name} has jobs, but is not listed"
    return [Finding("group", ns.shown("failed"), detail, member=raw_bytes(name))]


def queue(ns: Namespace, pattern: str, name: str) -> Rule:
    """Check that maintenance is due in time for the leases or scheduled jobs of a queue."""
    task = ("leases:" if pattern.endswith("running") else "scheduled:") + name
    (first,) = yield [("ZRANGE", ns.key(pattern, name), 0, 0)]
    if not first:
        return []
    # Read on its own: next to a member, the form of a score depends on the RESP version.
    score, noted = yield [
        ("ZSCORE", ns.key(pattern, name), first[0]),
        ("ZSCORE", ns.key("due"), raw_bytes(task)),
    ]
    return (yield from late_task(ns, task, score, noted)) if score is not None else []


def known(ns: Namespace, name: str) -> Rule:
    """Check that a queue with counters of the current minute is listed."""
    (there,) = yield [("EXISTS", ns.key("queue:*:now", name))]
    return (yield from unmet([ns.known_queue(name)])) if there else []


def worker(ns: Namespace, name: str) -> Rule:
    """Check that a worker with stored information is listed."""
    there, seen = yield [
        ("EXISTS", ns.key("worker:*:info", name)),
        ("ZSCORE", ns.key("workers"), raw_bytes(name)),
    ]
    if not there or seen is not None:
        return []
    return [Finding("worker", ns.shown("worker:*:info", name), "the worker is not listed")]


def unique(ns: Namespace, key: str) -> Rule:
    """Check that a unique key is held by a job within its scope, or by an open window."""
    value, listed = yield [
        ("GET", ns.key("unique:*", key)),
        ("ZSCORE", ns.key("windows"), raw_bytes(key)),
    ]
    if value is None:
        return []
    shown = ns.shown("unique:*", key)
    with ns.reading("unique:*", key):
        entry = records.packed_map(value)
    until, jid = entry.get("until"), str(entry.get("jid"))
    if until != listed:
        detail = f"the window ends at {until}, but is listed with {listed}"
        return [Finding("unique", shown, detail, jid, raw_bytes(key))]
    if until is not None:
        return []
    record = yield from ns.job(jid)
    own = record["unique"] if record else None
    if record and own and own.get("key") == key and _in_scope(record, str(own.get("scope"))):
        return []
    return [
        Finding(
            "unique", shown, "the holder does not exist or is out of scope", jid, raw_bytes(key)
        )
    ]


def _in_scope(record: records.Record, scope: str) -> bool:
    if record.state == "running":
        return scope == "running"
    return record.state in STATES and not record.has_ended


def failure(ns: Namespace, jid: str) -> Rule:
    """Check that a failure can be read and is complete."""
    (value,) = yield [("GET", ns.key("failure:*", jid))]
    if value is None:
        return []
    with ns.reading("failure:*", jid):
        found = records.packed_map(value)
    missing = [field for field in ("group", "message", "when") if field not in found]
    if not missing:
        return []
    return [Finding("malformed", ns.shown("failure:*", jid), f"missing {', '.join(missing)}")]


def counters(ns: Namespace, name: str) -> Rule:
    """Check the counters of the current minute of a queue."""
    (found,) = yield [("HMGET", ns.key("queue:*:now", name), "minute", *SAMPLES)]
    if found is None:
        return []  # A key of another type, which `form` reports.
    minute, *samples = found
    if minute is None and samples == [None] * len(SAMPLES):
        return []
    shown = ns.shown("queue:*:now", name)
    if minute is None or not minute.isdigit():
        return [Finding("malformed", shown, "minute is not a number")]
    with ns.reading("queue:*:now", name):
        packed = [records.packed_value(one) for one in samples if one is not None]
    wrong = [one for one in packed if not isinstance(one, list) or len(one) != SAMPLE]
    if not wrong:
        return []
    detail = f"{wrong[0]} is not number, mean and sum of squared deviations"
    return [Finding("malformed", shown, detail)]


def _is_histogram(value: object) -> bool:
    counts = value.values() if isinstance(value, dict) else value
    return isinstance(counts, Iterable) and all(isinstance(one, int | float) for one in counts)


def totals(ns: Namespace, name: str) -> Rule:
    """Check that the counters of a queue since it became known can be read."""
    (value,) = yield [("GET", ns.key("queue:*:totals", name))]
    if value is None:
        return []
    with ns.reading("queue:*:totals", name):
        found = records.packed_map(value)
    wrong = [field for field in TOTALS if not isinstance(found.get(field, 0), int | float)]
    wrong += [field for field in HISTOGRAMS if not _is_histogram(found.get(field, {}))]
    if not wrong:
        return []
    detail = f"{wrong[0]} is {found[wrong[0]]!r}"
    return [Finding("malformed", ns.shown("queue:*:totals", name), detail)]


def klasses(ns: Namespace) -> Rule:
    """Check that the counters of klasses can be read."""
    (fields,) = yield [("HGETALL", ns.key("klasses"))]
    with ns.reading("klasses", ""):
        for value in (fields or {}).values():
            records.packed_map(value)
    return []


def klass(ns: Namespace, name: str) -> Rule:
    """Check that the current minute of a klass can be read, and that the klass is listed."""
    fields, score = yield [
        ("HGETALL", ns.key("klass:*:now", name)),
        ("ZSCORE", ns.key("klasses:known"), raw_bytes(name)),
    ]
    if not fields:
        return []
    shown = ns.shown("klass:*:now", name)
    minute = fields.get(b"minute")
    prefix = (minute or b"") + b":"
    found = [
        Finding("malformed", shown, f"the field {text(field)} is {text(value)}")
        for field, value in fields.items()
        if not value.isdigit() or (field != b"minute" and not field.startswith(prefix))
    ]
    if minute is None:
        found.append(Finding("malformed", shown, "there is no minute"))
    if score is None:
        detail = f"the klass {name} has statistics, but is not listed"
        found.append(Finding("unknown-klass", shown, detail, member=raw_bytes(name)))
    return found


def history(ns: Namespace, pattern: str, name: str, entry: bytes) -> Rule:
    """Check that a record of past counters can be read and has the score of its interval."""
    (score,) = yield [("ZSCORE", ns.key(pattern, name), entry)]
    if score is None:
        return []
    shown = ns.shown(pattern, name)
    with ns.reading(pattern, name, member=entry):
        record = records.packed_map(entry)
    number = record.get(HISTORY[pattern])
    if number == score:
        return []
    return [Finding("malformed", shown, f"the record of {number} has the score {score}")]


def quarantined(ns: Namespace, entry: bytes) -> Rule:
    """Report a key that nobody could read, until a person has decided about its copy."""
    listed, kind = yield [
        ("ZSCORE", ns.key("quarantined"), entry),
        ("TYPE", ns.key("quarantine:*", text(entry))),
    ]
    if listed is None:
        return []
    if kind == b"none":
        detail = "the copy of this key is gone"
        return [Finding("listed", ns.shown("quarantined"), detail, None, entry)]
    name = ns.shown("quarantine:*", text(entry))
    detail = f"nobody could read this key; its {text(kind or b'value')} is kept as {name}"
    return [Finding("quarantined", ns.shown("quarantined"), detail, None, entry)]


def request(ns: Namespace, name: str) -> Rule:
    """Check the remembered reply to a request."""
    (value,) = yield [("GET", ns.key("request:*", name))]
    if value is None:
        return []
    shown = ns.shown("request:*", name)
    sequence, colon, reply = value.partition(b":")
    if not colon or not sequence.isdigit():
        return [Finding("malformed", shown, "not a sequence, a colon and a reply")]
    with ns.reading("request:*", name):
        records.packed_value(reply)
    return []


def token(ns: Namespace, entry: bytes) -> Rule:
    """Check that an access token can be read and has what a request is checked by."""
    is_id = _TOKEN_ID.fullmatch(text(entry)) is not None
    return _record(ns, "tokens", entry, TOKEN, is_id=is_id)


def webhook(ns: Namespace, entry: bytes) -> Rule:
    """Check that a webhook can be read and has what a delivery needs."""
    return _record(ns, "webhooks", entry, WEBHOOK, is_id=is_name(text(entry)))


def deploy(ns: Namespace, entry: bytes) -> Rule:
    """Check that a deploy marker can be read, and has a name and a time."""
    return _record(ns, "deploys", entry, DEPLOY, is_id=is_name(text(entry)))


def seen_group(ns: Namespace, entry: bytes) -> Rule:
    """Check that a failure group that was seen has its record."""
    (record,) = yield [("HEXISTS", ns.key("groups:records"), entry)]
    if record:
        return []
    detail = f"the failure group {text(entry)} has no record"
    return [Finding("seen-group", ns.shown("groups"), detail, member=entry)]


def group_record(ns: Namespace, entry: bytes) -> Rule:
    """Check that the record of a failure group can be read, and is listed."""
    (listed,) = yield [("ZSCORE", ns.key("groups"), entry)]
    if listed is None:
        detail = f"the record of the failure group {text(entry)} is not listed"
        return [Finding("seen-group", ns.shown("groups:records"), detail, member=entry)]
    return (yield from _record(ns, "groups:records", entry, GROUP, is_id=True))


def _record(
    ns: Namespace,
    pattern: str,
    entry: bytes,
    fields: Fields,
    *,
    is_id: bool,
) -> Rule:
    (value,) = yield [("HGET", ns.key(pattern), entry)]
    if value is None:
        return []
    with ns.reading(pattern, "", member=entry):
        record = records.packed_map(value)
    wrong = [name for name, wanted in fields.items() if not _fits(record.get(name), wanted)]
    wrong += [] if is_id else ["id"]
    if not wrong:
        return []
    detail = f"{pattern.removesuffix('s')} {text(entry)}: invalid {', '.join(wrong)}"
    return [Finding("malformed", ns.shown(pattern), detail, member=entry)]


def _fits(value: object, wanted: type | tuple[str, ...]) -> bool:
    return isinstance(value, wanted) if isinstance(wanted, type) else value in wanted


def task(ns: Namespace, entry: bytes) -> Rule:
    """Check that an entry of `due` names a maintenance task."""
    (score,) = yield [("ZSCORE", ns.key("due"), entry)]
    kind, _, name = text(entry).partition(":")
    known = kind == "throttle" and is_throttle(name)
    known = known or text(entry) in TASKS or (kind in QUEUE_TASKS and is_name(name))
    if score is None or known:
        return []
    return [Finding("listed", ns.shown("due"), f"unknown maintenance task {entry!r}", None, entry)]


def meta(ns: Namespace) -> Rule:
    """Check the counters and settings of the namespace."""
    fields, tracked, copies, sweep = yield [
        ("HGETALL", ns.key("meta")),
        ("ZCARD", ns.key("tracked")),
        ("ZCARD", ns.key("canceled")),
        ("ZSCORE", ns.key("due"), b"sweep"),
    ]
    if not fields:
        return []
    shown = ns.shown("meta")
    found = [
        Finding("malformed", shown, f"{name} is not a number", member=name.encode())
        for name in ("schema", "time", "sequence")
        if not fields.get(name.encode(), b"").isdigit()
    ]
    if fields.get(b"clock") not in (b"server", b"test"):
        detail = "clock is neither server nor test"
        found.append(Finding("malformed", shown, detail, member=b"clock"))
    if number(fields.get(b"tracking"), -1 if b"tracking" in fields else 0) != (tracked or 0):
        detail = f"{tracked} jobs are tracked, but the counter is {fields.get(b'tracking')}"
        found.append(Finding("tracking", shown, detail))
    if sweep is None:
        detail = "the sweep is not due"
        found.append(Finding("due", ns.shown("due"), detail, member=b"sweep"))
    found += canceled.size(shown, fields, copies or 0)
    found += _virtual_times(shown, fields)
    pauses = [name for name in fields if name.startswith(b"paused:")]
    found += yield from _pauses(ns, {name: fields[name] for name in pauses})
    return found


def _virtual_times(shown: str, fields: Mapping[bytes, bytes]) -> list[Finding]:
    """Check the form of the virtual time of each queue."""
    times = {name: value for name, value in fields.items() if name.startswith(b"fair:")}
    return [
        Finding("malformed", shown, f"{text(name)} is {value!r}, not a virtual time", member=name)
        for name, value in times.items()
        if not _FINITE.fullmatch(value)
    ]


def _pauses(ns: Namespace, pauses: Mapping[bytes, bytes]) -> Rule:
    found = []
    shown = ns.shown("meta")
    for name, value in pauses.items():
        try:
            pause = records.packed_map(value)
        except records.UnreadableError as error:
            found.append(Finding("unreadable", shown, f"{text(name)}: {error}", member=name))
            continue
        if isinstance(pause.get("until"), int):
            task = "pause:" + text(name).removeprefix("paused:")
            (noted,) = yield [("ZSCORE", ns.key("due"), raw_bytes(task))]
            found += yield from late_task(ns, task, pause["until"], noted)
    return found
