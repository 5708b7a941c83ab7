"""Make the calls of recurring jobs; shared by the synchronous and the asyncio objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from qless_py import cron as schedule
from qless_py import protocol
from qless_py.cron import Cron
from qless_py.errors import BadArgumentError, ScheduleError
from qless_py.protocol import Call
from qless_py.protocol import arguments as checks
from qless_py.protocol import put_calls as puts
from qless_py.protocol.arguments import RecurOptions, Seconds
from qless_py.protocol.recurring_fields import RecurringAttributes
from qless_py.protocol.settings import Settings

MISFIRES: Final = ("all", "one", "skip")
LARGEST_GROUP: Final = 1000
_SHORTEST: Final = 0.001


class RecurSpec(RecurOptions, total=False):
    """One recurring job of several: its queue, klass and data, and all that `Queue.recur` takes."""

    queue: str
    klass: Any
    data: Any
    interval: Seconds
    offset: Seconds


@dataclass(frozen=True, slots=True)
class Synced:
    """What a declaration of recurring jobs came to: their jids, and those that are gone."""

    declared: list[str]
    removed: list[str]


def recur_call(  # noqa: PLR0913, PLR0917 - what makes a recurring job
    settings: Settings,
    queue: str,
    klass: Any,
    data: Any,
    interval: Seconds | None,
    offset: Seconds,
    options: Mapping[str, Any],
    declared: Mapping[str, Any] | None = None,
) -> Call[str]:
    """Make the call that makes or replaces a recurring job."""
    defaults = {
        name: value
        for name, value in checks.defaults(klass, data).items()
        if name in checks.RECUR_DEFAULTS
    }
    merged = {**defaults, **{name: one for name, one in options.items() if one is not None}}
    jid = checks.name("jid", merged.pop("jid", None) or f"recur-{puts.new_jid()}")
    codec = puts.codec_of(settings, merged.pop("codec", None))
    when = _when(merged)
    wire = {**checks.recur_options(merged), **_span(when), **(declared or {})}
    if codec.name != "json":
        wire["codec"] = codec.name
    every, first = 0, 0
    if "cron" in when:
        if interval is not None or offset:
            raise BadArgumentError("cron takes no interval and no offset")
        wire |= _ticks(settings, when["cron"], when.get("zone", "UTC"), wire)
    else:
        _refuse_zone(when)
        every, first = checks.span("interval", interval, _SHORTEST), checks.span("offset", offset)
    encoded = codec.encode(data, jid)
    return protocol.recurring.recur(
        checks.name("queue", queue),
        jid,
        checks.klass_name(klass),
        encoded,
        interval=every,
        offset=first,
        options=wire,
    )


def update_call(
    job: RecurringAttributes, settings: Settings, changes: dict[str, Any]
) -> Call[None]:
    """Make the call that changes a recurring job, all of it or nothing."""
    data = b""
    if "data" in changes:
        codec = settings.codec_named(job.codec_name)
        data = codec.encode(changes.pop("data"), job.jid)
    when = _when(changes)
    wire = {**checks.recur_options(changes), **_span(when, may_end=True)}
    if "cron" in when and "interval" in wire:
        raise BadArgumentError("cron takes no interval")
    wire |= _new_ticks(job, settings, when, wire)
    if not wire and not data:
        raise BadArgumentError("there is nothing to change")
    if data and job.codec_name != "json":
        wire["codec"] = job.codec_name
    return protocol.recurring.update(job.jid, wire, data)


_WHEN: Final = frozenset({"cron", "zone", "misfire", "start", "end", "limit"})


def _when(options: dict[str, Any]) -> dict[str, Any]:
    """Take what concerns the schedule out of the options."""
    return {name: options.pop(name) for name in _WHEN & options.keys()}


def _span(when: Mapping[str, Any], *, may_end: bool = False) -> dict[str, Any]:
    """Check from when until when, how often, and what becomes of missed slots."""
    wire: dict[str, Any] = {}
    for name in ("start", "end"):
        if name in when:
            cleared = may_end and when[name] is None
            wire[name] = False if cleared else checks.instant(name, when[name])
    if "limit" in when:
        cleared = may_end and when["limit"] is None
        wire["limit"] = False if cleared else checks.whole("limit", when["limit"], 1, 2**52)
    if "misfire" in when:
        wire["misfire"] = checks.choice("misfire", when["misfire"], MISFIRES)
    if wire.get("start") and wire.get("end") and wire["end"] < wire["start"]:
        raise ScheduleError(f"the end {when['end']} comes before the start {when['start']}")
    return wire


def _refuse_zone(when: Mapping[str, Any]) -> None:
    if "zone" in when:
        raise BadArgumentError("a zone needs a cron expression")


def _ticks(settings: Settings, cron: str, zone: str, span: Mapping[str, Any]) -> dict[str, Any]:
    """Work out the next ticks; an expression that never fires in its span is refused."""
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
    job: RecurringAttributes, settings: Settings, when: Mapping[str, Any], wire: Mapping[str, Any]
) -> dict[str, Any]:
    """Work out the ticks that a changed schedule needs."""
    if "interval" in wire or not when.keys() & {"cron", "zone", "start", "end"}:
        _refuse_zone(when)
        return {}
    cron = when.get("cron", job.cron)
    if cron is None:
        _refuse_zone(when)
        return {}
    span = {**job.span, **{name: wire[name] for name in ("start", "end") if name in wire}}
    return _ticks(settings, cron, when.get("zone", job.zone or "UTC"), span)


def sync_calls(
    settings: Settings, declared: Mapping[str, RecurSpec], group: str
) -> tuple[list[Call[str]], Call[protocol.recurring.SyncReply]]:
    """Make the calls that bring a group in line; everything is checked before one is sent."""
    checks.name("group", group)
    if len(declared) > LARGEST_GROUP:
        raise BadArgumentError(
            f"a group has at most {LARGEST_GROUP} recurring jobs, not {len(declared)}"
        )
    calls = [_declared_call(settings, jid, spec, group) for jid, spec in declared.items()]
    return calls, protocol.recurring.sync(group, list(declared))


def _declared_call(settings: Settings, jid: str, spec: Any, group: str) -> Call[str]:
    try:
        options = dict(spec)
        queue, klass = options.pop("queue"), options.pop("klass")
    except (TypeError, ValueError, KeyError) as error:
        raise BadArgumentError(
            f"recurring job {jid!r} is no mapping with queue and klass"
        ) from error
    data, interval = options.pop("data", None), options.pop("interval", None)
    offset = options.pop("offset", 0)
    options["jid"] = checks.name("jid", jid)
    upsert = {"group": group, "upsert": True}
    try:
        return recur_call(settings, queue, klass, data, interval, offset, options, upsert)
    except BadArgumentError as error:
        raise type(error)(f"recurring job {jid!r}: {error}") from error


def taken(answer: Any) -> str:
    """Give the jid out of an answer, or raise the refusal that stands in its place."""
    if isinstance(answer, Exception):
        raise answer
    return str(answer)
