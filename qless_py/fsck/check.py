"""Walks a whole namespace and names the rules that each of its keys must keep."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import redis as redis_py

from qless_py.fsck import (
    batch_rules,
    edge_rules,
    index_rules,
    job_rules,
    key_rules,
    schedule_rules,
    subqueue_rules,
    throttle_rules,
)
from qless_py.fsck.finding import Finding
from qless_py.fsck.names import TYPES
from qless_py.fsck.reader import Rule, Unit, findings, unit
from qless_py.fsck.space import Space

PAGE = 1000

KeyRule = Callable[[Space, str], Rule]


def _with_pattern(rule: Callable[[Space, str, str], Rule], pattern: str) -> KeyRule:
    return lambda space, name: rule(space, pattern, name)


# What a key must be, beside being in the layout.
KEY_RULES: Final[Mapping[str, tuple[KeyRule, ...]]] = MappingProxyType(
    {
        "meta": (lambda space, _: key_rules.meta(space),),
        "job:*": (job_rules.job,),
        "recurring:*": (schedule_rules.recurring,),
        "failure:*": (key_rules.failure,),
        "dependencies:*": (edge_rules.dependencies,),
        "dependents:*": (edge_rules.dependents,),
        "failed:*": (key_rules.group,),
        "tag:*": (key_rules.tag,),
        "unique:*": (key_rules.unique,),
        "request:*": (key_rules.request,),
        "queue:*:now": (key_rules.account, key_rules.known),
        "batch:*:record": (batch_rules.batch,),
        **{
            f"batch:*:{part}": (_with_pattern(batch_rules.part, f"batch:*:{part}"),)
            for part in ("inner", "canceled", "data")
        },
        "release:*:record": (edge_rules.release,),
        "release:*:dependents": (edge_rules.released,),
        **{
            f"queue:*:{place}": (_with_pattern(key_rules.queue, f"queue:*:{place}"),)
            for place in ("running", "scheduled")
        },
        **{
            f"queue:*:{place}": (_with_pattern(subqueue_rules.fair, f"queue:*:{place}"),)
            for place in ("shared", "throttled")
        },
        "queue:*:lane/*/*": (subqueue_rules.subqueue,),
        "throttle:*:record": (throttle_rules.throttle,),
        "worker:*:info": (key_rules.worker,),
    }
)


def _entry_units(space: Space, pattern: str, name: str, entry: bytes) -> Iterator[Unit]:
    """Name the rules for one entry of a key."""
    if pattern in index_rules.CLAIMS:
        yield unit(index_rules.member, space, pattern, name, entry)
    elif pattern in key_rules.SERIES:
        yield unit(key_rules.series, space, pattern, name, entry)
    elif pattern in LISTS:
        yield unit(edge_rules.listed, space, pattern, LISTS[pattern], entry)
    elif pattern in OWN_ENTRIES:
        yield unit(OWN_ENTRIES[pattern], space, name, entry)
    elif pattern in NAMES:
        yield unit(edge_rules.named, space, pattern, name, entry)


# Lists of names, each of which stands for a key.
LISTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "failed": "failed:*",
        "tags": "tag:*",
        "batches": "batch:*:record",
        "releases": "release:*:record",
        "windows": "unique:*",
        "throttles": "throttle:*:record",
    }
)
OWN_ENTRIES: Final[Mapping[str, Callable[[Space, str, bytes], Rule]]] = MappingProxyType(
    {
        "queue:*:recurring": schedule_rules.slot,
        "dependencies:*": edge_rules.dependency,
        "dependents:*": edge_rules.dependent,
        "parents:*": edge_rules.parent,
        "holds:*": edge_rules.hold,
        "batch:*:inner": batch_rules.inner,
        "declared:*": schedule_rules.declared,
        "refills": lambda space, _, entry: schedule_rules.refill(space, entry),
        "queue:*:users/*": subqueue_rules.user,
        "queue:*:open": subqueue_rules.opened,
        "queue:*:finish": subqueue_rules.finish,
        "throttle:*:queues": subqueue_rules.parking,
        "throttle:*:capped": subqueue_rules.capped,
        "users": lambda space, _, entry: throttle_rules.settled(space, entry),
        "weights": lambda space, _, entry: throttle_rules.weight(space, entry),
        "due": lambda space, _, entry: key_rules.duty(space, entry),
    }
)
NAMES: Final = frozenset(("queues", "workers", "tombstones", "followups:*", "release:*:dependents"))
SCANS: Final[Mapping[str, str]] = MappingProxyType(
    {"zset": "ZSCAN", "set": "SSCAN", "hash": "HSCAN"}
)


def check(redis: redis_py.Redis, namespace: str = "ql") -> list[Finding]:
    """Find everything that is wrong in a namespace, reading only.

    Others may use the namespace meanwhile: what is reported was true at one instant. Memory is
    bounded by the findings, not by the number of jobs.
    """
    space = Space(namespace)
    return list(dict.fromkeys(findings(redis, _units(redis, space), space.refresh)))


def _units(redis: redis_py.Redis, space: Space) -> Iterator[Unit]:
    # Without meta there is no namespace, and any key in it is a finding as well.
    for key in redis.scan_iter(match=space.keys.match(), count=PAGE):
        yield unit(key_rules.form, space, key)
        parsed = space.keys.parse(key)
        if parsed is None:
            continue
        pattern, name = parsed
        for rule in KEY_RULES.get(pattern, ()):
            yield unit(rule, space, name)
        if any(pattern == known for _, known in job_rules.ATTACHED):
            yield unit(job_rules.attached, space, pattern, name)
        if TYPES[pattern] in SCANS:
            for entry in _entries(redis, pattern, key):
                yield from _entry_units(space, pattern, name, entry)


def _entries(redis: redis_py.Redis, pattern: str, key: bytes) -> Iterator[bytes]:
    """List the members or fields of a key, a page at a time."""
    verb = SCANS[TYPES[pattern]]
    if not _has_entry_rules(pattern):
        return
    cursor: Any = 0
    while True:
        try:
            cursor, page = redis.execute_command(verb, key, cursor, "COUNT", PAGE)
        except redis_py.ResponseError:
            # Of another type than its name says, which is reported as such.
            return
        for entry in page:
            yield entry[0] if verb == "ZSCAN" else entry
        if int(cursor) == 0:
            return


def _has_entry_rules(pattern: str) -> bool:
    return (
        pattern in index_rules.CLAIMS
        or pattern in key_rules.SERIES
        or pattern in LISTS
        or pattern in OWN_ENTRIES
        or pattern in NAMES
    )
