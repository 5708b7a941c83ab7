"""Repair what a check found, each fault in one atomic step."""

import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import redis as redis_py

from qless_py.errors import QlessError
from qless_py.fsck.keys import HISTORY, PASSING
from qless_py.fsck.layout import TYPES, Keys, raw_bytes, text
from qless_py.fsck.namespace import number
from qless_py.fsck.rules import Finding
from qless_py.protocol.call import Call
from qless_py.protocol.namespace import repair as call_of
from qless_py.store.runner import Runner

_log = logging.getLogger(__name__)

REPLY_MEMORY = 300_000

# The entries that may be taken out of an index, by the name that the script knows it by.
_INDEXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "queue:*:waiting": "waiting",
        "queue:*:scheduled": "scheduled",
        "queue:*:depends": "depends",
        "queue:*:running": "running",
        "queue:*:shared": "shared",
        "queue:*:lane/*/*": "lane",
        "queue:*:throttled": "throttled",
        "throttle:*:parked": "parked",
        "throttle:*:holders": "holders",
        "throttle:*:excused": "excused",
        "worker:*:jobs": "worker",
        "failed:*": "group",
        "tag:*": "tag",
        "complete": "complete",
        "tracked": "tracked",
        "batch:*:members": "batch",
        "batch:*:inner": "inner",
    }
)


def _of_job(finding: Finding, _: str, __: str) -> Call[bool]:
    return call_of("job", finding.jid or "")


def _of_place(finding: Finding, pattern: str, _: str) -> Call[bool]:
    kind = "recurring" if pattern == "queue:*:recurring" else "job"
    return call_of(kind, finding.jid or "")


def _of_stray(finding: Finding, pattern: str, name: str) -> Call[bool]:
    if pattern == "queue:*:recurring":
        return call_of("slot", name, finding.member)
    if pattern == "declared:*":
        return call_of("declared", name, finding.member)
    return call_of("stray", raw_bytes(name), finding.member, _INDEXES[pattern])


def _of_list(finding: Finding, pattern: str, _: str) -> Call[bool]:
    if pattern == "due":
        return call_of("duty", finding.member)
    return call_of("listed", finding.member, index=pattern)


def _of_edge(finding: Finding, _: str, __: str) -> Call[bool]:
    if not finding.member:
        return call_of("job", finding.jid or "")
    return call_of("edge", finding.jid or "", finding.member)


def _of_value(finding: Finding, pattern: str, name: str) -> Call[bool] | None:
    """Repair what nobody can read: set a key aside, or give a field a safe value."""
    key, member = Keys.rest(pattern, name), finding.member
    if pattern in HISTORY:
        return call_of("series", key, HISTORY[pattern].encode())
    if pattern in _FIELDS:
        return call_of(_FIELDS[pattern], member) if member else None
    if pattern == "parents:*":
        return call_of("parent", name, member)
    if TYPES[pattern] in ("set", "zset"):
        return call_of("entry", key, member) if member else None
    return call_of("whole" if pattern in _WHOLE else "unreadable", key)


def _of_type(_: Finding, pattern: str, name: str) -> Call[bool]:
    return call_of("wrong_type", Keys.rest(pattern, name), TYPES[pattern].encode())


def _of_name(kind: str) -> "Repair":
    return lambda finding, _, name: call_of(kind, name, finding.member)


def _of_member(kind: str) -> "Repair":
    return lambda finding, _, __: call_of(kind, finding.member)


Repair = Callable[[Finding, str, str], Call[bool] | None]

_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "meta": "meta",
        "weights": "weight",
        "tokens": "token",
        "webhooks": "webhook",
        "deploys": "deploy",
        "groups:records": "seen_group",
    }
)
# Keys that are useless as a whole once one part of them is.
_WHOLE: Final = frozenset(
    (
        *("klasses", "klass:*:now", "queue:*:now", "queue:*:totals", "batch:*:record"),
        *("request:*", "release:*:record", "failure:*"),
    )
)

# How each kind of finding is repaired. The other kinds need a decision by a person.
_REPAIRS: Final[Mapping[str, Repair]] = MappingProxyType(
    {
        "wrong-type": _of_type,
        "unreadable": _of_value,
        "malformed": _of_value,
        "misplaced": _of_place,
        "unfounded": _of_job,
        "attached": _of_job,
        "sequence": _of_job,
        "stray": _of_stray,
        "listed": _of_list,
        "edge": _of_edge,
        "ended-parent": lambda finding, _, __: call_of("ended", finding.jid or ""),
        "hold": lambda finding, _, __: call_of("hold", finding.jid or "", finding.member),
        "unknown-queue": _of_member("queue"),
        "unknown-klass": _of_member("klass"),
        "release": _of_member("release"),
        "batch": _of_member("batch"),
        "undo": _of_member("undo"),
        "canceled": lambda finding, _, __: call_of("canceled", finding.jid or ""),
        "tag": _of_member("tag"),
        "group": _of_member("group"),
        "seen-group": _of_member("seen_group"),
        "due": _of_member("due"),
        "unique": _of_member("unique"),
        "refill": lambda finding, _, __: call_of("recurring", finding.jid or ""),
        "user": _of_name("user"),
        "parking": _of_name("parking"),
        "opened": _of_name("opened"),
        "reserving": _of_name("reserving"),
        "throttle": _of_member("throttle"),
        "fair": _of_member("fair"),
        "setting": _of_member("setting"),
        "reserved": lambda finding, _, __: call_of("reserved", finding.jid or "", finding.member),
        "worker": lambda _, __, name: call_of("worker", name),
        "tracking": lambda _, __, ___: call_of("tracking", ""),
    }
)


def repair(redis: redis_py.Redis, namespace: str, findings: Iterable[Finding]) -> list[str]:
    """Repair what can be repaired without guessing, and return what was repaired.

    Each step makes indexes and counters agree with the records of the jobs and changes nothing
    that is right, so the namespace may be in use. A repair can reveal another fault: check again
    afterwards. What nobody can read is set aside with its bytes, as `quarantine:<key>`, and stays
    there until `discard`. Keys that are not part of the layout are left alone.
    """
    keys = Keys(namespace)
    done: dict[tuple[object, ...], str] = {}
    if _set_meta_aside(redis, keys):
        done["meta",] = f"wrong-type: {text(keys.make('meta'))}: set aside"
    runner = _runner(redis, keys)
    for finding in findings:
        parsed = keys.parse(raw_bytes(finding.key))
        if finding.kind == "expiry" and parsed:
            _set_expiry(redis, finding, parsed[0])
            done[finding.kind, finding.key] = str(finding)
        elif finding.kind in _REPAIRS and parsed:
            call = _REPAIRS[finding.kind](finding, *parsed)
            if call is not None and call.args not in done and _ran(runner, call):
                done[call.args] = str(finding)
    return list(done.values())


def discard(redis: redis_py.Redis, namespace: str) -> list[str]:
    """Delete the copies of all keys that nobody could read, and return their names."""
    keys = Keys(namespace)
    runner, listed = _runner(redis, keys), keys.make("quarantined")
    found: Any = redis.zrange(listed, 0, -1) if redis.type(listed) == b"zset" else []
    return [text(name) for name in found if _ran(runner, call_of("copy", name))]


# Why a finding of this kind stays, for a person who has to decide.
_DECISIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "foreign": "it is not a key of qless_py: delete it, or move it to another namespace",
        "malformed": "it can be read, and no value is certain to be right: remove it "
        "(`job cancel`, `recur remove`, `throttles remove`) or set it again",
        "unreadable": "the scripts can read it, so nothing was set aside: set it again",
        "quarantined": "look at the copy, then remove it: `qless-py fsck --discard`, for a job "
        "`qless-py job cancel JID`, for a recurring job `qless-py recur remove JID`",
        "unchecked": "repair the other findings first",
    }
)


def why_left(finding: Finding) -> str:
    """Return why a repair leaves a finding, and what to do about it."""
    return _DECISIONS.get(finding.kind, "a repair changed nothing: check again")


def _ran(runner: Runner, call: Call[bool]) -> bool:
    try:
        return runner.run(call)
    except (QlessError, redis_py.ResponseError) as error:
        _log.warning("not repaired: %s: %s", call.args, error)
        return False


def _set_meta_aside(redis: redis_py.Redis, keys: Keys) -> bool:
    """Set aside a `meta` of another type, without which no script knows its clock."""
    meta = keys.make("meta")
    if redis.type(meta) in (b"hash", b"none"):
        return False
    redis.rename(meta, keys.make("quarantine:*", "meta"))
    redis.zadd(keys.make("quarantined"), {"meta": round(redis.time()[0] * 1000)})
    return True


def _set_expiry(redis: redis_py.Redis, finding: Finding, pattern: str) -> None:
    if pattern in PASSING:
        redis.pexpire(raw_bytes(finding.key), REPLY_MEMORY)
    else:
        redis.persist(raw_bytes(finding.key))


def _runner(redis: redis_py.Redis, keys: Keys) -> Runner:
    """Return a runner with the clock of the namespace, the only one that it accepts."""
    clock, time = redis.hmget(keys.make("meta"), "clock", "time")
    seconds = number(time) / 1000
    return Runner(redis, keys.namespace, (lambda: seconds) if clock == b"test" else None)
