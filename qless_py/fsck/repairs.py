"""Repair what a check found, each fault in one atomic step."""

import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import redis as redis_py

from qless_py.errors import QlessError
from qless_py.fsck.keys import PASSING
from qless_py.fsck.layout import Keys, raw_bytes
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


def _of_job(finding: Finding, _: str, __: str) -> Call[None]:
    return call_of("job", finding.jid or "")


def _of_place(finding: Finding, pattern: str, _: str) -> Call[None]:
    kind = "recurring" if pattern == "queue:*:recurring" else "job"
    return call_of(kind, finding.jid or "")


def _of_stray(finding: Finding, pattern: str, name: str) -> Call[None]:
    if pattern == "queue:*:recurring":
        return call_of("slot", name, finding.member)
    if pattern == "declared:*":
        return call_of("declared", name, finding.member)
    return call_of("stray", raw_bytes(name), finding.member, _INDEXES[pattern])


def _of_list(finding: Finding, pattern: str, _: str) -> Call[None]:
    if pattern == "due":
        return call_of("duty", finding.member)
    return call_of("listed", finding.member, index=pattern)


def _of_edge(finding: Finding, _: str, __: str) -> Call[None]:
    if not finding.member:
        return call_of("job", finding.jid or "")
    return call_of("edge", finding.jid or "", finding.member)


def _of_name(kind: str) -> "Repair":
    return lambda finding, _, name: call_of(kind, name, finding.member)


def _of_member(kind: str) -> "Repair":
    return lambda finding, _, __: call_of(kind, finding.member)


Repair = Callable[[Finding, str, str], Call[None]]

# How each kind of finding is repaired. The other kinds need a decision by a person.
_REPAIRS: Final[Mapping[str, Repair]] = MappingProxyType(
    {
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
        "release": _of_member("release"),
        "batch": _of_member("batch"),
        "tag": _of_member("tag"),
        "group": _of_member("group"),
        "due": _of_member("due"),
        "unique": _of_member("unique"),
        "refill": lambda finding, _, __: call_of("recurring", finding.jid or ""),
        "user": _of_name("user"),
        "parking": _of_name("parking"),
        "opened": _of_name("opened"),
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
    afterwards. Keys that are not part of the layout and unreadable values are left alone.
    """
    keys = Keys(namespace)
    runner = _runner(redis, keys)
    done: dict[tuple[object, ...], str] = {}
    for finding in findings:
        parsed = keys.parse(raw_bytes(finding.key))
        if finding.kind == "expiry" and parsed:
            _set_expiry(redis, finding, parsed[0])
            done[finding.kind, finding.key] = str(finding)
        elif finding.kind in _REPAIRS and parsed:
            call = _REPAIRS[finding.kind](finding, *parsed)
            if call.args not in done and _ran(runner, call):
                done[call.args] = str(finding)
    return list(done.values())


def _ran(runner: Runner, call: Call[None]) -> bool:
    try:
        runner.run(call)
    except (QlessError, redis_py.ResponseError) as error:
        # The repair needs a value that cannot be read, which only a person can decide about.
        _log.warning("not repaired: %s: %s", call.args, error)
        return False
    return True


def _set_expiry(redis: redis_py.Redis, finding: Finding, pattern: str) -> None:
    if pattern in PASSING:
        redis.pexpire(raw_bytes(finding.key), REPLY_MEMORY)
    else:
        redis.persist(raw_bytes(finding.key))


def _runner(redis: redis_py.Redis, keys: Keys) -> Runner:
    """Return a runner with the clock of the namespace, the only one that it accepts."""
    clock, time = redis.hmget(keys.make("meta"), "clock", "time")
    seconds = int(time or 0) / 1000
    return Runner(redis, keys.namespace, (lambda: seconds) if clock == b"test" else None)
