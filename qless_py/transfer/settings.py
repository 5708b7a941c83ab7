"""Lines for what is not a job: recurring jobs, throttles, users, options and pauses of queues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from qless_py import protocol
from qless_py.client.session import Session
from qless_py.client.throttles import Throttles
from qless_py.client.users import Users
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, arguments
from qless_py.protocol.records import RecurringRecord
from qless_py.protocol.recurring import MISFIRES, OVERLAPS, recur_encoded, ticks_of
from qless_py.protocol.settings import Settings
from qless_py.transfer.shapes import as_text, check_fields, from_text, seconds

KINDS: Final = ("recurring", "throttle", "user", "config", "pause")
_PAGE: Final = 100

_PLAIN: Final = (
    "priority", "retries", "tags", "user", "retry", "codec", "cron", "zone", "misfire", "overlap",
    "backlog", "group", "context",
)  # fmt: skip
_TIMES: Final = {
    "interval": "interval", "start": "start", "end": "end", "expires_in": "expires",
    "soft_limit": "soft_limit", "hard_limit": "hard_limit",
}  # fmt: skip


def lines(session: Session, kinds: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield a line for everything of these kinds."""
    if "config" in kinds:
        options = session.runner.run(protocol.config.read())
        for name, value in sorted(options.items()):
            yield {"kind": "config", "option": name, "value": value}
    if "throttle" in kinds:
        yield from _throttles(session)
    if "user" in kinds:
        for user in Users(session).all:
            yield _given("user", name=user.name, weight=user.weight, max_running=user.max_running)
    if "pause" in kinds or "recurring" in kinds:
        yield from _queues(session, kinds)


def _given(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind} | {name: value for name, value in fields.items() if value is not None}


def _throttles(session: Session) -> Iterator[dict[str, Any]]:
    for one in Throttles(session).all:
        # Those of users are the setting max_running of the user.
        limits = {"concurrency": one.concurrency, "rate": one.rate, "per": one.per}
        if not one.id.startswith("user:") and not limits["concurrency"] is limits["rate"] is None:
            yield _given("throttle", id=one.id, **limits, burst=one.burst)


def _queues(session: Session, kinds: frozenset[str]) -> Iterator[dict[str, Any]]:
    for row in session.queues.counts:
        name = str(row["name"])
        if "pause" in kinds and row["paused"]:
            pause = dict(row.get("pause") or {})
            fields = {key: pause.get(key) for key in ("until", "reason", "by")}
            yield _given("pause", queue=name, **fields)
        if "recurring" in kinds and row["recurring"]:
            yield from _recurring(session, name)


def _recurring(session: Session, queue: str) -> Iterator[dict[str, Any]]:
    offset, total = 0, 1
    while offset < total:
        total, found = session.runner.run(protocol.recurring.in_queue(queue, offset, _PAGE))
        yield from (_recurring_line(one) for one in found if not one.fields.get("over"))
        offset += _PAGE


def _recurring_line(record: RecurringRecord) -> dict[str, Any]:
    fields = record.fields
    line: dict[str, Any] = {
        "kind": "recurring",
        "jid": record.jid,
        "queue": fields["queue"],
        "klass": fields["klass"],
        **as_text("data", record.data),
    }
    line |= {name: fields[name] for name in _PLAIN if name in fields}
    line |= {name: seconds(fields[own]) for own, name in _TIMES.items() if own in fields}
    if "throttles" in fields:
        costs = fields.get("costs") or {}
        ids = list(fields["throttles"])
        line["throttles"] = {one: costs.get(one, 1) for one in ids} if costs else ids
    if "limit" in fields:
        # A new recurring job counts from 0, so this is what is left.
        line["limit"] = int(fields["limit"]) - int(fields.get("made", 0))
    if "interval" in fields and record.next_at is not None:
        line["next_at"] = seconds(record.next_at)
    return line | ({"paused": True} if fields.get("paused") else {})


# Reading.

_RECUR_FIELDS: Final = frozenset(
    {
        "kind", "jid", "queue", "klass", "data", "data64", "throttles", "limit", "next_at",
        "paused", *_PLAIN, *_TIMES.values(),
    }
)  # fmt: skip


def check(settings: Settings, line: Mapping[str, Any], queues: Mapping[str, str]) -> None:
    """Check a line of one of the kinds; raises `BadArgumentError`."""
    _calls(settings, line, queues)


def restore(session: Session, line: Mapping[str, Any], queues: Mapping[str, str]) -> bool:
    """Set what a line holds; return whether that changed anything.

    A recurring job that exists is left alone. The other kinds are set to what the line says.
    """
    kind = line["kind"]
    if kind == "recurring":
        if session.runner.run(protocol.jobs.read(line["jid"])) is not None:
            return False
    elif kind == "config":
        options = session.runner.run(protocol.config.read())
        if options.get(line["option"]) == line["value"]:
            return False
    session.runner.run(_calls(session.settings, line, queues))
    return True


def _calls(settings: Settings, line: Mapping[str, Any], queues: Mapping[str, str]) -> Call[Any]:
    """Return the call that sets what a line holds."""
    kind = str(line["kind"])
    if kind == "recurring":
        return _recur(settings, line, queues)
    if kind == "throttle":
        check_fields(line, {"kind", "id", "concurrency", "rate", "per", "burst"})
        throttle = arguments.throttle_id("id", line.get("id"))
        limits = [line.get(name) for name in ("concurrency", "rate", "per", "burst")]
        return protocol.throttles.set_limits(_renamed_throttle(throttle, queues), *limits)
    if kind == "user":
        check_fields(line, {"kind", "name", "weight", "max_running"})
        name = arguments.name("name", line.get("name"))
        return protocol.users.set_options(name, line.get("weight"), line.get("max_running"))
    if kind == "config":
        check_fields(line, {"kind", "option", "value"})
        return protocol.config.set_option(line.get("option", ""), line.get("value"))
    check_fields(line, {"kind", "queue", "until", "reason", "by"})
    queue = arguments.name("queue", line.get("queue"))
    return protocol.queues.pause(
        [queues.get(queue, queue)], line.get("reason"), line.get("until"), line.get("by")
    )


def _renamed_throttle(throttle: str, queues: Mapping[str, str]) -> str:
    kind, colon, rest = throttle.partition(":")
    return f"queue:{queues.get(rest, rest)}" if colon and kind == "queue" else throttle


def _recur(settings: Settings, line: Mapping[str, Any], queues: Mapping[str, str]) -> Call[Any]:
    check_fields(line, _RECUR_FIELDS)
    jid = arguments.name("jid", line.get("jid"))
    queue = arguments.name("queue", line.get("queue"))
    data = from_text(line, "data")
    if data is None:
        raise BadArgumentError("neither data nor data64 is given")
    wire = _recur_options(line)
    interval = offset = 0
    if "cron" in line:
        wire |= ticks_of(settings, line["cron"], line.get("zone", "UTC"), wire)
    else:
        interval = arguments.span("interval", line.get("interval"), 0.001)
        next_at = arguments.instant("next_at", line.get("next_at", 0))
        offset = max(next_at - round(settings.clock() * 1000), 0)
    return recur_encoded(
        queues.get(queue, queue),
        jid,
        arguments.klass_name(str(line.get("klass", ""))),
        data,
        interval=interval,
        offset=offset,
        options=wire,
    )


def _recur_options(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the script from the fields of a line, without ticks."""
    own = ("priority", "retries", "tags", "user", "backlog", "soft_limit", "hard_limit", "expires")
    given = {name: line[name] for name in (*own, "throttles", "context") if name in line}
    wire = arguments.recur_options(given)
    if "retry" in line:
        wire["retry"] = str(line["retry"])
    for name in ("start", "end"):
        if name in line:
            wire[name] = arguments.instant(name, line[name])
    if "limit" in line:
        wire["limit"] = arguments.whole("limit", line["limit"], 1, 2**52)
    if "misfire" in line:
        wire["misfire"] = arguments.choice("misfire", line["misfire"], MISFIRES)
    if "overlap" in line:
        wire["overlap"] = arguments.choice("overlap", line["overlap"], OVERLAPS)
    for name in ("group", "codec"):
        if name in line:
            wire[name] = arguments.name(name, line[name])
    return wire | ({"paused": True} if line.get("paused") else {})
