"""Transitions and queries of recurring jobs, and the ticks that clients compute for the store."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from qless_py import cron as schedule
from qless_py.cron import Cron
from qless_py.errors import BadArgumentError, ScheduleError
from qless_py.protocol import arguments, puts, records
from qless_py.protocol.call import Call, boolean, done, given, pack, text, unpack, unpack_raw
from qless_py.protocol.codec import JsonCodec
from qless_py.protocol.job_state import RecurringState
from qless_py.protocol.options import RecurOptions, Seconds
from qless_py.protocol.records import RecurringRecord
from qless_py.protocol.settings import Settings, TickRequest

logger = logging.getLogger(__name__)

MISFIRES: Final = ("all", "one", "skip")
OVERLAPS: Final = ("allow", "skip")
MAX_GROUP: Final = 1000
_SHORTEST: Final = 0.001
_WHEN: Final = frozenset({"cron", "zone", "misfire", "overlap", "start", "end", "limit"})


class RecurSpec(RecurOptions, total=False):
    """A declared recurring job: its queue, klass and data, and the arguments of `Queue.recur`."""

    queue: str
    klass: Any
    data: Any
    interval: Seconds
    offset: Seconds


@dataclass(frozen=True, slots=True)
class Synced:
    """The jids that a sync declared, and those it ended."""

    declared: list[str]
    removed: list[str]


@dataclass(frozen=True, slots=True)
class SyncReply:
    """The jids of the recurring jobs that were ended, and whether some are left to end."""

    removed: list[str]
    more: bool


def recur(  # noqa: PLR0913, PLR0917 - what makes a recurring job
    settings: Settings,
    queue: str,
    klass: Any,
    data: Any,
    interval: Seconds | None,
    offset: Seconds,
    options: Mapping[str, Any],
    declared: Mapping[str, Any] | None = None,
) -> Call[str]:
    """Create or replace a recurring job; returns its jid."""
    defaults = {
        name: value
        for name, value in arguments.defaults(klass, data).items()
        if name in arguments.RECUR_DEFAULTS
    }
    merged = arguments.merged(defaults, options)
    jid = arguments.name("jid", merged.pop("jid", None) or f"recur-{puts.new_jid()}")
    codec = puts.codec_of(settings, merged.pop("codec", None))
    when = _when(merged)
    wire = {**arguments.recur_options(merged), **_span(when), **(declared or {})}
    if codec.name != JsonCodec.name:
        wire["codec"] = codec.name
    every, first = 0, 0
    if "cron" in when:
        if interval is not None or offset:
            raise BadArgumentError("cron takes no interval and no offset")
        wire |= ticks_of(settings, when["cron"], when.get("zone", "UTC"), wire)
    else:
        _refuse_zone(when)
        every = arguments.span("interval", interval, _SHORTEST)
        first = arguments.span("offset", offset)
    return recur_encoded(
        arguments.name("queue", queue),
        jid,
        arguments.klass_name(klass),
        codec.encode(data, jid),
        interval=every,
        offset=first,
        options=wire,
    )


def recur_encoded(  # noqa: PLR0913 - the arguments of the script
    queue: str,
    jid: str,
    klass: str,
    data: bytes,
    *,
    interval: int,
    offset: int,
    options: Mapping[str, Any],
) -> Call[str]:
    """Create or replace a recurring job with encoded arguments, times in ms."""
    return Call("recur", (queue, jid, klass, data, interval, offset, pack(options)), text)


def update(job: RecurringState, changes: Mapping[str, Any]) -> Call[None]:
    """Change a recurring job, all of it or nothing; existing children stay as they are."""
    left, data = dict(changes), b""
    if "data" in left:
        codec = job.settings.codec_named(job.codec_name)
        data = codec.encode(left.pop("data"), job.jid)
    when = _when(left)
    wire = {**arguments.recur_options(left), **_span(when, may_clear=True)}
    if "cron" in when and "interval" in wire:
        raise BadArgumentError("cron takes no interval")
    wire |= _new_ticks(job, when, wire)
    if not wire and not data:
        raise BadArgumentError("there is nothing to change")
    if data and job.codec_name != JsonCodec.name:
        wire["codec"] = job.codec_name
    return update_encoded(job.jid, wire, data)


def update_encoded(jid: str, options: Mapping[str, Any], data: bytes = b"") -> Call[None]:
    """Change a recurring job with encoded arguments."""
    return Call("recur_update", (jid, data, pack(options)), done)


def add_tags(jid: str, tags: Sequence[str]) -> Call[None]:
    """Add tags for future children."""
    return update_encoded(jid, {"add_tags": arguments.names("tags", tags)})


def remove_tags(jid: str, tags: Sequence[str]) -> Call[None]:
    """Remove tags from future children."""
    return update_encoded(jid, {"remove_tags": arguments.names("tags", tags)})


def set_paused(jid: str, *, paused: bool) -> Call[None]:
    """Pause or resume a recurring job."""
    return update_encoded(jid, {"paused": paused})


def run(jid: str) -> Call[str]:
    """Put a child now, in addition to the schedule; returns its jid."""
    return Call("recur_run", (jid,), text)


def cancel(jid: str) -> Call[bool]:
    """End a recurring job; returns whether it existed."""
    return Call("recur_cancel", (jid,), boolean)


def in_queue(
    queue: str, offset: int = 0, count: int = 25
) -> Call[tuple[int, list[RecurringRecord]]]:
    """Read a queue's recurring jobs, next tick first, and how many there are in all."""
    return Call("read/recurring", (queue, offset, count), _in_queue)


def _in_queue(reply: bytes | None) -> tuple[int, list[RecurringRecord]]:
    value = unpack_raw(reply)
    return int(value[b"total"]), [records.recurring(view) for view in value[b"jobs"]]


def _when(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the options of the schedule from the options and return them."""
    return {name: options.pop(name) for name in _WHEN & options.keys()}


def _span(when: Mapping[str, Any], *, may_clear: bool = False) -> dict[str, Any]:
    """Check from when until when, how often, and what happens to missed ticks."""
    wire: dict[str, Any] = {}
    for name in ("start", "end"):
        if name in when:
            cleared = may_clear and when[name] is None
            wire[name] = False if cleared else arguments.instant(name, when[name])
    if "limit" in when:
        cleared = may_clear and when["limit"] is None
        wire["limit"] = False if cleared else arguments.whole("limit", when["limit"], 1, 2**52)
    if "misfire" in when:
        wire["misfire"] = arguments.choice("misfire", when["misfire"], MISFIRES)
    if "overlap" in when:
        wire["overlap"] = arguments.choice("overlap", when["overlap"], OVERLAPS)
    if wire.get("start") and wire.get("end") and wire["end"] < wire["start"]:
        raise ScheduleError(f"the end {when['end']} comes before the start {when['start']}")
    return wire


def _refuse_zone(when: Mapping[str, Any]) -> None:
    if "zone" in when:
        raise BadArgumentError("a zone needs a cron expression")


def ticks_of(settings: Settings, cron: str, zone: str, span: Mapping[str, Any]) -> dict[str, Any]:
    """Compute the next ticks; refuse an expression that never fires between start and end."""
    made = Cron(cron, zone)
    now = round(settings.clock() * 1000)
    start, end = span.get("start") or None, span.get("end") or None
    plan = schedule.upcoming(made, now, start, end)
    if plan.final and (not plan.ticks or plan.ticks[-1] <= now):
        raise ScheduleError(f"cron {made.expression!r} never fires between its start and its end")
    wire = {
        "cron": made.expression,
        "zone": made.zone,
        "zone_version": schedule.version(),
        "after": plan.after,
        "ticks": plan.ticks,
    }
    return {**wire, "final": True} if plan.final else wire


def _new_ticks(
    job: RecurringState, when: Mapping[str, Any], wire: Mapping[str, Any]
) -> dict[str, Any]:
    """Compute the ticks that a changed schedule needs."""
    if "interval" in wire or not when.keys() & {"cron", "zone", "start", "end"}:
        _refuse_zone(when)
        return {}
    cron = when.get("cron", job.cron)
    if cron is None:
        _refuse_zone(when)
        return {}
    span = {**job.span, **{name: wire[name] for name in ("start", "end") if name in wire}}
    return ticks_of(job.settings, cron, when.get("zone", job.zone or "UTC"), span)


# Declaring all recurring jobs of a deployment.


def declare(settings: Settings, declared: Mapping[str, RecurSpec], group: str) -> list[Call[str]]:
    """Return the calls that create or update a group's jobs; all is checked before one is sent."""
    arguments.name("group", group)
    if len(declared) > MAX_GROUP:
        raise BadArgumentError(
            f"a group has at most {MAX_GROUP} recurring jobs, not {len(declared)}"
        )
    return [_declare(settings, jid, spec, group) for jid, spec in declared.items()]


def check_only(call: Call[str]) -> Call[str]:
    """Return a call that is refused as a declaration would be, and writes nothing."""
    *args, options = call.args
    given = unpack(cast("bytes", options))
    return Call(call.script, (*args, pack({**given, "check_only": True})), text)


def _declare(settings: Settings, jid: str, spec: Any, group: str) -> Call[str]:
    try:
        options = dict(spec)
        queue, klass = options.pop("queue"), options.pop("klass")
    except (TypeError, ValueError, KeyError) as error:
        raise BadArgumentError(
            f"recurring job {jid!r} is no mapping with queue and klass"
        ) from error
    data, interval = options.pop("data", None), options.pop("interval", None)
    offset = options.pop("offset", 0)
    options["jid"] = arguments.name("jid", jid)
    upsert = {"group": group, "upsert": True}
    try:
        return recur(settings, queue, klass, data, interval, offset, options, upsert)
    except BadArgumentError as error:
        raise type(error)(f"recurring job {jid!r}: {error}") from error


def sync(group: str, names: Sequence[str]) -> Call[SyncReply]:
    """End the recurring jobs of a group that are not among the names."""
    return Call("recur_sync", (group, pack(list(names))), _sync_reply)


def _sync_reply(reply: bytes | None) -> SyncReply:
    value = unpack(reply)
    return SyncReply([str(jid) for jid in value["removed"]], bool(value["more"]))


# Ticks: the store cannot evaluate cron expressions, so a pop may ask its client to.


def refill(  # noqa: PLR0913 - the arguments of the script
    jid: str,
    generation: int,
    after: int,
    ticks: Sequence[int],
    *,
    final: bool,
    zone_version: str | None = None,
) -> Call[bool]:
    """Store the ticks of a cron job after a time; returns whether they were still wanted."""
    options = pack(given(final=final or None, zone_version=zone_version))
    return Call("recur_refill", (jid, generation, after, pack(list(ticks)), options), boolean)


def answers(settings: Settings) -> list[Call[bool]]:
    """Compute all ticks that were asked for; a request that fails is logged and left out."""
    found: list[Call[bool]] = []
    while settings.tick_requests:
        try:
            request = settings.tick_requests.popleft()
        except IndexError:
            break  # Another thread took it.
        try:
            found.append(answer(request))
        except Exception:  # A bad cron expression must not keep a worker from taking jobs.
            logger.warning("cannot compute the ticks of %s", request.jid, exc_info=True)
    return found


def answer(request: TickRequest) -> Call[bool]:
    """Compute the ticks of one cron job: more of them, or all again with newer zone data."""
    release = schedule.version()
    is_newer = release > request.zone_version
    after, count = request.horizon, max(schedule.AHEAD - request.ahead, 0)
    if is_newer:
        after, count = request.covered, schedule.AHEAD
    elif request.final:
        count = 0
    cron = Cron(request.cron, request.zone)
    plan = schedule.following(cron, after, count, request.start, request.end)
    return refill(
        request.jid,
        request.generation,
        after,
        plan.ticks,
        final=plan.final or (request.final and not is_newer),
        # The oldest zone data behind any tick that is stored after this call.
        zone_version=release if is_newer or plan.ticks else None,
    )


def tick_request(raw: Mapping[bytes, Any]) -> TickRequest:
    """Decode one request for ticks of a pop's raw reply."""
    start, end = raw.get(b"start"), raw.get(b"end")
    return TickRequest(
        raw[b"jid"].decode(),
        raw[b"cron"].decode(),
        raw[b"zone"].decode(),
        raw.get(b"zone_version", b"").decode(),
        int(raw[b"generation"]),
        int(raw[b"covered"]),
        int(raw[b"horizon"]),
        int(raw[b"ahead"]),
        bool(raw.get(b"final", False)),
        None if start is None else int(start),
        None if end is None else int(end),
    )
