"""Rules about throttles: their settings, who holds them, and that what is parked will go on."""

import math
from typing import Any

from qless_py.fsck import records
from qless_py.fsck.finding import Finding
from qless_py.fsck.names import is_name, raw_bytes, text
from qless_py.fsck.reader import Rule
from qless_py.fsck.space import Space, late

Settings = dict[str, Any]

SECOND = 1000
INSTANTS = ("at", "blocked_until", "opening", "again")


def throttle(space: Space, name: str) -> Rule:
    """Check the record of a throttle: readable, possible, listed."""
    value, listed, marked = yield [
        ("GET", space.key("throttle:*:record", name)),
        ("ZSCORE", space.key("throttles"), raw_bytes(name)),
        ("HEXISTS", space.key("meta"), raw_bytes(f"fair:{name.removeprefix('queue:')}")),
    ]
    if value is None:
        return []
    shown = space.shown("throttle:*:record", name)
    try:
        settings = records.packed_map(value)
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error))]
    if wrong := _wrong(settings):
        return [Finding("malformed", shown, f"no usable {', '.join(wrong)}")]
    found = []
    if listed is None:
        found.append(Finding("throttle", shown, "it is not listed", member=raw_bytes(name)))
    if name.startswith("queue:") and not marked:
        queue = name.removeprefix("queue:")
        detail = f"{queue} has a throttle and is not marked"
        found.append(Finding("fair", space.shown("meta"), detail, member=raw_bytes(queue)))
    found += yield from _reserved(space, name, settings)
    return found


def _is_number(value: Any, least: float = math.ulp(0)) -> bool:
    return isinstance(value, int | float) and least <= value < math.inf


def _wrong(settings: Settings) -> list[str]:
    """Name the fields that cannot be meant."""
    concurrency, tokens = settings.get("concurrency", 0), settings.get("tokens", 0)
    usable = {
        "concurrency": isinstance(concurrency, int) and concurrency >= 0,
        **{field: _is_number(settings.get(field, 1)) for field in ("rate", "per", "burst")},
        "tokens": _is_number(tokens, -1e-6) and tokens <= settings.get("burst", math.inf),
        **{name: isinstance(settings.get(name, 0), int) for name in INSTANTS},
    }
    return [field for field, is_usable in usable.items() if not is_usable]


def _reserved(space: Space, name: str, settings: Settings) -> Rule:
    """Check that what is reserved is reserved for a job that waits for this throttle."""
    reserved = settings.get("reserved")
    if reserved is None:
        return []
    shown = space.shown("throttle:*:record", name)
    if not isinstance(reserved, dict) or not isinstance(reserved.get("until"), int):
        return [Finding("malformed", shown, "reserved is not a job and an instant")]
    jid = str(reserved.get("jid"))
    record = yield from space.job(jid)
    waits = record is not None and record.state in ("waiting", "stalled", "throttled")
    if record is not None and waits and name in record.list_of("throttles"):
        return []
    detail = "it is reserved for a job that does not wait for it"
    return [Finding("reserved", shown, detail, jid, raw_bytes(name))]


def is_holder(record: records.Record, throttle: str) -> bool:
    """Tell whether a job counts for the concurrency of a throttle."""
    return record.state == "running" and throttle in record.holds


def is_excused(record: records.Record, throttle: str) -> bool:
    """Tell whether a running job does not count for the throttle of its queue."""
    is_here = record.state == "running" and f"queue:{record.queue}" == throttle
    return is_here and throttle in record.list_of("excused")


def held(space: Space, jid: str, record: records.Record) -> Rule:
    """Check that a running job holds what it carries, unless it was force-released."""
    if record.state != "running":
        return []
    scores = yield [
        ("ZSCORE", space.key("throttle:*:holders", throttle), raw_bytes(jid))
        for throttle in record.holds
    ]
    return [
        Finding("misplaced", space.shown("throttle:*:holders", one), "a holder is not here", jid)
        for one, score in zip(record.holds, scores, strict=True)
        if score is None
    ]


def opening(space: Space, name: str) -> Rule:
    """Check that a throttle that jobs are parked on is exhausted, or is looked at in time."""
    value, holding, running, spared, noted, time = yield [
        ("GET", space.key("throttle:*:record", name)),
        ("ZCARD", space.key("throttle:*:holders", name)),
        ("ZCARD", space.key("queue:*:running", name.removeprefix("queue:"))),
        ("ZCARD", space.key("throttle:*:excused", name)),
        ("ZSCORE", space.key("due"), raw_bytes(f"throttle:{name}")),
        ("HGET", space.key("meta"), b"time"),
    ]
    try:
        settings = records.packed_map(value) if value is not None else {}
    except records.UnreadableError:
        return []
    if name.startswith("queue:"):
        holding = (running or 0) - (spared or 0)
    until = _blocked_until(settings, holding or 0, int(time or 0))
    if until == math.inf:
        return []
    return (yield from late(space, f"throttle:{name}", until, noted))


def _blocked_until(settings: Settings, holding: int, now: int) -> float:
    """Give the last instant at which capacity is there; infinite: once a holder leaves."""
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


def settled(space: Space, entry: bytes) -> Rule:
    """Check that a user who is listed for a setting has one: a weight, or a throttle."""
    user = text(entry)
    listed, weighs, throttles = yield [
        ("ZSCORE", space.key("users"), entry),
        ("HEXISTS", space.key("weights"), entry),
        ("EXISTS", space.key("throttle:*:record", f"user:{user}")),
    ]
    if listed is None or weighs or throttles:
        return []
    return [Finding("setting", space.shown("users"), f"{user} has no setting", None, entry)]


def weight(space: Space, entry: bytes) -> Rule:
    """Check the weight of one user."""
    value, listed = yield [
        ("HGET", space.key("weights"), entry),
        ("ZSCORE", space.key("users"), entry),
    ]
    try:
        is_usable = value is None or 0 < float(value) < math.inf
    except ValueError:
        is_usable = False
    if is_usable and is_name(text(entry)):
        if value is None or listed is not None:
            return []
        detail = f"{text(entry)} has a weight and is not listed"
        return [Finding("setting", space.shown("users"), detail, None, entry)]
    detail = f"{entry!r} with {value!r} is no weight of a user"
    return [Finding("malformed", space.shown("weights"), detail)]
