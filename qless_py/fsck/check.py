"""Walk a whole namespace and run the rules for each key and entry."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

import redis as redis_py

from qless_py.fsck import (
    batches,
    canceled,
    dependencies,
    jobs,
    keys,
    recurring,
    subqueues,
    throttles,
)
from qless_py.fsck.layout import TYPES
from qless_py.fsck.namespace import Namespace
from qless_py.fsck.rules import Command, Finding, Rule, Unit, findings, read, unit

PAGE = 1000
# Keys whose first pages are read in one round trip.
KEYS_AT_ONCE = 50

KeyRule = Callable[[Namespace, str], Rule]


def _with_pattern(rule: Callable[[Namespace, str, str], Rule], pattern: str) -> KeyRule:
    return lambda ns, name: rule(ns, pattern, name)


# The rules for whole keys, beside the one for every key.
KEY_RULES: Final[Mapping[str, tuple[KeyRule, ...]]] = MappingProxyType(
    {
        "meta": (lambda ns, _: keys.meta(ns),),
        "job:*": (jobs.job,),
        "recurring:*": (recurring.recurring,),
        "failure:*": (keys.failure,),
        "dependencies:*": (dependencies.dependencies,),
        "dependents:*": (dependencies.dependents,),
        "failed:*": (keys.group,),
        "tag:*": (keys.tag,),
        "unique:*": (keys.unique,),
        "request:*": (keys.request,),
        "queue:*:now": (keys.counters, keys.known),
        "queue:*:totals": (keys.totals,),
        "klasses": (lambda ns, _: keys.klasses(ns),),
        "klass:*:now": (keys.klass,),
        "batch:*:record": (batches.batch,),
        **dict.fromkeys(canceled.PATTERNS, (canceled.copy,)),
        "undo:*": (canceled.undo,),
        **{
            f"batch:*:{part}": (_with_pattern(batches.part, f"batch:*:{part}"),)
            for part in ("inner", "canceled", "data")
        },
        "release:*:record": (dependencies.release,),
        "release:*:dependents": (dependencies.released,),
        **{
            f"queue:*:{place}": (_with_pattern(keys.queue, f"queue:*:{place}"),)
            for place in ("running", "scheduled")
        },
        **{
            f"queue:*:{place}": (_with_pattern(subqueues.check_fair_mark, f"queue:*:{place}"),)
            for place in ("shared", "throttled")
        },
        "queue:*:lane/*/*": (subqueues.check_subqueue,),
        "throttle:*:record": (throttles.throttle,),
        "worker:*:info": (keys.worker,),
    }
)


def _entry_units(ns: Namespace, pattern: str, name: str, entry: bytes) -> Iterator[Unit]:
    """Yield the rules for one entry of a key."""
    if pattern in jobs.CLAIMS:
        yield unit(jobs.member, ns, pattern, name, entry)
    elif pattern in keys.HISTORY:
        yield unit(keys.history, ns, pattern, name, entry)
    elif pattern in LISTS:
        yield unit(dependencies.listed, ns, pattern, LISTS[pattern], entry)
    elif pattern in OWN_ENTRIES:
        yield unit(OWN_ENTRIES[pattern], ns, name, entry)
    elif pattern in NAMES:
        yield unit(dependencies.named, ns, pattern, name, entry)


# Lists of names, and the pattern of the key that each name refers to.
LISTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "failed": "failed:*",
        "tags": "tag:*",
        "batches": "batch:*:record",
        "releases": "release:*:record",
        "windows": "unique:*",
        "throttles": "throttle:*:record",
        "undos": "undo:*",
    }
)
OWN_ENTRIES: Final[Mapping[str, Callable[[Namespace, str, bytes], Rule]]] = MappingProxyType(
    {
        "queue:*:recurring": recurring.next_tick,
        "dependencies:*": dependencies.dependency,
        "dependents:*": dependencies.dependent,
        "parents:*": dependencies.parent,
        "holds:*": dependencies.hold,
        "batch:*:inner": batches.inner,
        "canceled": lambda ns, _, entry: canceled.listed(ns, entry),
        "declared:*": recurring.declared,
        "refills": lambda ns, _, entry: recurring.refill(ns, entry),
        "queue:*:users/*": subqueues.check_listed_user,
        "queue:*:open": subqueues.check_open_throttle,
        "queue:*:finish": subqueues.check_finish_tag,
        "queue:*:reserving": throttles.reserving,
        "throttle:*:queues": subqueues.check_parking,
        "throttle:*:capped": subqueues.check_capped,
        "users": lambda ns, _, entry: throttles.settled(ns, entry),
        "weights": lambda ns, _, entry: throttles.weight(ns, entry),
        "tokens": lambda ns, _, entry: keys.token(ns, entry),
        "webhooks": lambda ns, _, entry: keys.webhook(ns, entry),
        "groups": lambda ns, _, entry: keys.seen_group(ns, entry),
        "groups:records": lambda ns, _, entry: keys.group_record(ns, entry),
        "deploys": lambda ns, _, entry: keys.deploy(ns, entry),
        "due": lambda ns, _, entry: keys.task(ns, entry),
        "quarantined": lambda ns, _, entry: keys.quarantined(ns, entry),
    }
)
NAMES: Final = frozenset(("queues", "workers", "tombstones", "followups:*", "release:*:dependents"))
SCANS: Final[Mapping[str, str]] = MappingProxyType(
    {"zset": "ZSCAN", "set": "SSCAN", "hash": "HSCAN"}
)


def check(redis: redis_py.Redis, namespace: str = "ql") -> list[Finding]:
    """Return everything that is wrong in a namespace, without writing.

    The namespace may be in use: each finding was true at one instant. The memory needed depends on
    the number of findings, not of jobs.
    """
    ns = Namespace(namespace)
    found = _keys(redis, ns)
    return list(dict.fromkeys(findings(redis, _units(redis, ns, found), ns.refresh)))


@dataclass(slots=True)
class Sample:
    """What a check that was limited in time found, and how many keys it looked at."""

    findings: list[Finding] = field(default_factory=list)
    keys: int = 0
    is_whole: bool = True


def sample(redis: redis_py.Redis, namespace: str, seconds: float, most: int = 100) -> Sample:
    """Check a namespace for so many seconds, or until so many findings."""
    ns, result, deadline = Namespace(namespace), Sample(), time.monotonic() + seconds

    def keys_in_time() -> Iterator[bytes]:
        for key in _keys(redis, ns, deadline):
            if time.monotonic() > deadline:
                break
            result.keys += 1
            yield key
        result.is_whole = time.monotonic() <= deadline

    # One by one, since a key with many entries can take much of the time.
    found = findings(redis, _units(redis, ns, keys_in_time(), at_once=1), ns.refresh)
    result.findings = list(dict.fromkeys(islice(found, most)))
    return result


def _keys(redis: redis_py.Redis, ns: Namespace, deadline: float = math.inf) -> Iterator[bytes]:
    """Yield the keys of the namespace; most keys of the database may belong to others."""
    cursor: Any = 0
    while time.monotonic() <= deadline:
        page: list[bytes]
        cursor, page = redis.execute_command(
            "SCAN", cursor, "MATCH", ns.keys.match(), "COUNT", PAGE
        )
        yield from page
        if int(cursor) == 0:
            break


def _units(
    redis: redis_py.Redis, ns: Namespace, names: Iterable[bytes], at_once: int = KEYS_AT_ONCE
) -> Iterator[Unit]:
    remaining = iter(names)
    while batch := list(islice(remaining, at_once)):
        known = [(key, found) for key in batch if (found := ns.keys.parse(key))]
        scanned = [(key, pattern) for key, (pattern, _) in known if _has_entry_rules(pattern)]
        first = read(redis, [_scan(pattern, key, 0) for key, pattern in scanned])
        pages = dict(zip((key for key, _ in scanned), first, strict=True))
        for key in batch:
            yield unit(keys.form, ns, key)
        for key, (pattern, name) in known:
            for rule in KEY_RULES.get(pattern, ()):
                yield unit(rule, ns, name)
            if any(pattern == known for _, known in jobs.ATTACHED):
                yield unit(jobs.attached, ns, pattern, name)
            for entry in _entries(redis, pattern, key, pages.get(key)):
                yield from _entry_units(ns, pattern, name, entry)


def _entries(redis: redis_py.Redis, pattern: str, key: bytes, page: Any) -> Iterator[bytes]:
    """Yield the members or fields of a key, of which the first page has been read.

    A key without rules for its entries has none. Nor has one of another type than its name says,
    which `keys.form` reports.
    """
    while page is not None:
        cursor, entries = page
        for entry in entries:
            yield entry[0] if TYPES[pattern] == "zset" else entry
        if int(cursor) == 0:
            return
        (page,) = read(redis, [_scan(pattern, key, cursor)])


def _scan(pattern: str, key: bytes, cursor: Any) -> Command:
    return SCANS[TYPES[pattern]], key, cursor, "COUNT", PAGE


def _has_entry_rules(pattern: str) -> bool:
    return TYPES[pattern] in SCANS and (  # A quarantined copy has no rules.
        pattern in jobs.CLAIMS
        or pattern in keys.HISTORY
        or pattern in LISTS
        or pattern in OWN_ENTRIES
        or pattern in NAMES
    )
