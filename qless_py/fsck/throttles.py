"""Rules about throttles: settings, holders, and the wake-up of parked jobs."""

import math
from typing import Any

from qless_py.fsck import records
from qless_py.fsck.layout import is_name, raw_bytes, text
from qless_py.fsck.namespace import Namespace, late_task, number
from qless_py.fsck.rules import Finding, Rule

Settings = dict[str, Any]

SECOND = 1000
INSTANTS = ("at", "blocked_until", "opening", "again")


def throttle(ns: Namespace, name: str) -> Rule:
    """Check that the settings of a throttle are valid and that it is listed."""
    value, listed, marked = yield [
        ("GET", ns.key("throttle:*:record", name)),
        ("ZSCORE", ns.key("throttles"), raw_bytes(name)),
        ("HEXISTS", ns.key("meta"), raw_bytes(f"fair:{name.removeprefix('queue:')}")),
    ]
    if value is None:
        return []
    shown = ns.shown("throttle:*:record", name)
    with ns.reading("throttle:*:record", name):
        settings = records.packed_map(value)
    if wrong := _wrong(settings):
        return [Finding("malformed", shown, f"invalid {', '.join(wrong)}")]
    found = []
    if listed is None:
        found.append(
            Finding("throttle", shown, "the throttle is not listed", member=raw_bytes(name))
        )
    if name.startswith("queue:") and not marked:
        queue = name.removeprefix("queue:")
        detail = f"the queue {queue} has a throttle, but is not marked as fair"
        found.append(Finding("fair", ns.shown("meta"), detail, member=raw_bytes(queue)))
    found += yield from _reserved(ns, name, settings)
    return found


def _is_number(value: Any, least: float = math.ulp(0)) -> bool:
    return isinstance(value, int | float) and least <= value < math.inf


def _wrong(settings: Settings) -> list[str]:
    """Return the names of the invalid fields."""
    concurrency, tokens = settings.get("concurrency", 0), settings.get("tokens", 0)
    usable = {
        "concurrency": isinstance(concurrency, int) and concurrency >= 0,
        **{field: _is_number(settings.get(field, 1)) for field in ("rate", "per", "burst")},
        "tokens": _is_number(tokens, -1e-6) and tokens <= settings.get("burst", math.inf),
        **{name: isinstance(settings.get(name, 0), int) for name in INSTANTS},
    }
    return [field for field, is_usable in usable.items() if not is_usable]


def _reserved(ns: Namespace, name: str, settings: Settings) -> Rule:
    """Check that a reservation is for a job that waits for this throttle."""
    reserved = settings.get("reserved")
    if reserved is None:
        return []
    shown = ns.shown("throttle:*:record", name)
    if not isinstance(reserved, dict) or not isinstance(reserved.get("until"), int):
        return [Finding("malformed", shown, "reserved is not a jid and an instant")]
    jid = str(reserved.get("jid"))
    record = yield from ns.job(jid)
    waits = record is not None and record.state in ("waiting", "stalled", "throttled")
    if record is not None and waits and name in record.list_of("throttles"):
        return []
    detail = "the throttle is reserved for a job that does not wait for it"
    return [Finding("reserved", shown, detail, jid, raw_bytes(name))]


def reserving(ns: Namespace, name: str, entry: bytes) -> Rule:
    """Check that a throttle listed by a queue is reserved for one of its jobs."""
    listed, value = yield [
        ("ZSCORE", ns.key("queue:*:reserving", name), entry),
        ("GET", ns.key("throttle:*:record", text(entry))),
    ]
    try:
        reserved = records.packed_map(value).get("reserved") if value is not None else None
    except records.UnreadableError:
        return []
    if listed is None or (isinstance(reserved, dict) and reserved.get("queue") == name):
        return []
    detail = f"the throttle {text(entry)} is not reserved for a job of the queue"
    return [Finding("reserving", ns.shown("queue:*:reserving", name), detail, None, entry)]


def is_holder(record: records.Record, throttle: str) -> bool:
    """Return whether a job counts towards the concurrency of a throttle."""
    return record.state == "running" and throttle in record.holds


def is_excused(record: records.Record, throttle: str) -> bool:
    """Return whether a running job does not count towards the throttle of its queue."""
    is_here = record.state == "running" and f"queue:{record.queue}" == throttle
    return is_here and throttle in record.list_of("excused")


def held(ns: Namespace, jid: str, record: records.Record) -> Rule:
    """Check that a running job is a holder of its throttles, unless force-released."""
    if record.state != "running":
        return []
    scores = yield [
        ("ZSCORE", ns.key("throttle:*:holders", throttle), raw_bytes(jid))
        for throttle in record.holds
    ]
    return [
        Finding(
            "misplaced",
            ns.shown("throttle:*:holders", one),
            "the running job is missing among the holders",
            jid,
        )
        for one, score in zip(record.holds, scores, strict=True)
        if score is None
    ]


def opening(ns: Namespace, name: str) -> Rule:
    """Check that a throttle with parked jobs is exhausted, or that maintenance is due in time."""
    value, holding, running, spared, noted, time = yield [
        ("GET", ns.key("throttle:*:record", name)),
        ("ZCARD", ns.key("throttle:*:holders", name)),
        ("ZCARD", ns.key("queue:*:running", name.removeprefix("queue:"))),
        ("ZCARD", ns.key("throttle:*:excused", name)),
        ("ZSCORE", ns.key("due"), raw_bytes(f"throttle:{name}")),
        ("HGET", ns.key("meta"), b"time"),
    ]
    try:
        settings = records.packed_map(value) if value is not None else {}
    except records.UnreadableError:
        return []
    if name.startswith("queue:"):
        holding = (running or 0) - (spared or 0)
    until = _blocked_until(settings, holding or 0, number(time))
    if until == math.inf:
        return []
    return (yield from late_task(ns, f"throttle:{name}", until, noted))


def _blocked_until(settings: Settings, holding: int, now: int) -> float:
    """Return the latest instant at which there is capacity; infinity: when a holder leaves."""
    concurrency = settings.get("concurrency", math.inf)
    if holding >= concurrency:
        return math.inf
    reserved = settings.get("reserved") or {}
    until: float = max(now, settings.get("blocked_until", 0), reserved.get("until", 0))
    rate, tokens = settings.get("rate"), settings.get("tokens")
    if rate and tokens is not None:
        lacking = settings.get("burst", max(rate, 1)) - tokens
        full = settings.get("at", now) + lacking * settings.get("per", SECOND) / rate
        until = max(until, math.ceil(full))
    return until


def settled(ns: Namespace, entry: bytes) -> Rule:
    """Check that a user listed for having a setting has a weight or a throttle."""
    user = text(entry)
    listed, weighs, throttles = yield [
        ("ZSCORE", ns.key("users"), entry),
        ("HEXISTS", ns.key("weights"), entry),
        ("EXISTS", ns.key("throttle:*:record", f"user:{user}")),
    ]
    if listed is None or weighs or throttles:
        return []
    return [Finding("setting", ns.shown("users"), f"the user {user} has no setting", None, entry)]


def weight(ns: Namespace, entry: bytes) -> Rule:
    """Check the weight of one user."""
    value, listed = yield [
        ("HGET", ns.key("weights"), entry),
        ("ZSCORE", ns.key("users"), entry),
    ]
    try:
        is_usable = value is None or 0 < float(value) < math.inf
    except ValueError:
        is_usable = False
    if is_usable and is_name(text(entry)):
        if value is None or listed is not None:
            return []
        detail = f"the user {text(entry)} has a weight, but is not listed"
        return [Finding("setting", ns.shown("users"), detail, None, entry)]
    detail = f"{entry!r} with {value!r} is not a weight of a user"
    return [Finding("malformed", ns.shown("weights"), detail, member=entry)]
