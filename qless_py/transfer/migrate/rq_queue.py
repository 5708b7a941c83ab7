"""RQ: jobs that were enqueued with its JSONSerializer. Pickled jobs are refused, never read."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from qless_py.protocol import arguments
from qless_py.transfer.migrate.origin import (
    MAX_DATA,
    PAGE,
    Found,
    Names,
    Place,
    RefusedError,
    Stored,
    call_data,
    checked,
    decoded,
    from_json,
    instant,
    jid_of,
    whole,
)
from qless_py.transfer.shapes import Restorable

_QUEUE: Final = b"rq:queue:"
_SCHEDULED: Final = b"rq:scheduled:"
_JOB: Final = b"rq:job:"
_PICKLED: Final = b"\x80"
_SHOWN: Final = 100
_CALLBACKS: Final = (b"success_callback_name", b"failure_callback_name", b"stopped_callback_name")
# Removes a job and its entry, unless a worker has taken it.
_REMOVE: Final = """
local found
if redis.call('TYPE', KEYS[1]).ok == 'zset' then
  found = redis.call('ZREM', KEYS[1], ARGV[1])
else
  found = redis.call('LREM', KEYS[1], 1, ARGV[1])
end
if found > 0 then
  redis.call('DEL', KEYS[2])
end
return found
"""


class RqOrigin:
    """The queues of RQ."""

    def __init__(self, redis: Any, names: Names, now: int, prefix: str | None = None) -> None:
        del prefix
        self._redis = redis
        self._names = names
        self._now = now

    def queues(self) -> list[str]:
        """List the queues."""
        found = self._redis.smembers(b"rq:queues")
        return sorted(decoded(one.removeprefix(_QUEUE)) for one in found)

    def places(self, queue: str) -> list[Place]:
        """List the waiting and the scheduled jobs of a queue."""
        name = queue.encode()
        return [Place(queue, _QUEUE + name), Place(queue, _SCHEDULED + name)]

    def length(self, place: Place) -> int:
        """Count the jobs of a place."""
        is_scheduled = place.key.startswith(_SCHEDULED)
        return int((self._redis.zcard if is_scheduled else self._redis.llen)(place.key))

    def page(self, place: Place, offset: int) -> list[Found]:
        """Read jobs in the order in which they would run."""
        last, due = offset + PAGE - 1, {}
        if place.key.startswith(_SCHEDULED):
            due = dict(self._redis.zrange(place.key, offset, last, withscores=True))
            entries = list(due)
        else:
            entries = self._redis.lrange(place.key, offset, last)
        with self._redis.pipeline(transaction=False) as pipe:
            for one in entries:
                pipe.hgetall(_JOB + one)
                pipe.exists(_JOB + one + b":dependents")
            replies = pipe.execute()
        pairs = zip(entries, replies[::2], replies[1::2], strict=True)
        return [
            self._found(place, one, Stored(fields, due.get(one), bool(is_parent)))
            for one, fields, is_parent in pairs
        ]

    def remove(self, found: Sequence[Found]) -> list[bool]:
        """Remove jobs."""
        with self._redis.pipeline(transaction=False) as pipe:
            for one in found:
                pipe.eval(_REMOVE, 2, one.place.key, _JOB + one.entry, one.entry)
            return [bool(reply) for reply in pipe.execute()]

    def others(self, queue: str) -> dict[str, int]:
        """Count the jobs that wait for others, that run, and that failed."""
        kinds = {
            "deferred": "jobs that wait for others",
            "wip": "running jobs",
            "failed": "failed jobs",
        }
        counts = {
            what: int(self._redis.zcard(f"rq:{kind}:{queue}")) for kind, what in kinds.items()
        }
        return {what: number for what, number in counts.items() if number}

    def _found(self, place: Place, entry: bytes, stored: Stored) -> Found:
        name = decoded(entry)
        try:
            return Found(place, entry, name, self._job(place, name, stored))
        except RefusedError as refused:
            return Found(place, entry, name, reason=str(refused))

    def _job(self, place: Place, name: str, stored: Stored) -> Restorable:
        stored.check()
        fields = stored.fields
        _refuse_what_would_be_lost(fields)
        function, args, kwargs = _call(fields)
        put_at = instant("enqueued_at", fields.get(b"enqueued_at") or fields.get(b"created_at"))
        spec: dict[str, Any] = {
            "jid": jid_of("rq", name),
            "klass": self._names.klass(function),
            "queue": self._names.queue(place.queue),
            "put_at": put_at,
            **_limits(fields, put_at),
        }
        if stored.due is not None:
            spec["at"] = checked(lambda: arguments.instant("the scheduled time", stored.due))
        meta = from_json("meta", fields[b"meta"]) if fields.get(b"meta") else None
        data = call_data(args, kwargs, {"meta": meta} if meta else {})
        return Restorable(spec["jid"], spec, data)


def _refuse_what_would_be_lost(fields: Mapping[bytes, bytes]) -> None:
    if any(fields.get(name) for name in _CALLBACKS):
        raise RefusedError("it has callbacks, which would be lost")
    if fields.get(b"group_id"):
        raise RefusedError("it belongs to a group, which would be lost")
    if fields.get(b"repeats_left"):
        raise RefusedError("it is to be repeated, which would be lost")


def _call(fields: Mapping[bytes, bytes]) -> tuple[str, Any, Any]:
    """Return the function and the arguments of a job; nothing but JSON is read."""
    data = _unpacked(fields.get(b"data", b""))
    if data.startswith(_PICKLED):
        shown = decoded(fields.get(b"description", b""))[:_SHOWN]
        raise RefusedError(
            f"it is pickled, and reading a pickle may run any code: {shown}; only jobs that were "
            "enqueued with serializer=JSONSerializer are read"
        )
    value = from_json("its data", data)
    if not isinstance(value, list) or len(value) != 4:  # noqa: PLR2004 - the form of RQ
        raise RefusedError("its data is not a list of function, instance, args and kwargs")
    function, instance, args, kwargs = value
    if instance is not None:
        raise RefusedError("it calls a method of an object")
    if not isinstance(function, str):
        raise RefusedError("its function is not a name")
    return function, args, kwargs


def _unpacked(data: bytes) -> bytes:
    """Decompress data, up to a limit: a kilobyte may stand for gigabytes."""
    try:
        opened = zlib.decompressobj()
        text = opened.decompress(data, MAX_DATA)
    except zlib.error:
        return data  # Old releases stored it as it is.
    if opened.unconsumed_tail:
        raise RefusedError(f"its data has more than {MAX_DATA} bytes")
    return text


def _limits(fields: Mapping[bytes, bytes], put_at: int) -> dict[str, Any]:
    """Return time-out, expiry and retries as options of a put."""
    found: dict[str, Any] = {}
    timeout = whole("timeout", fields.get(b"timeout") or 0)
    if timeout > 0:
        found["hard_limit"] = checked(lambda: arguments.span("timeout", timeout))
    ttl = whole("ttl", fields.get(b"ttl") or 0)
    if ttl > 0:
        found["expires"] = put_at + checked(lambda: arguments.span("ttl", ttl))
    retries = whole("retries_left", fields.get(b"retries_left") or 0)
    if retries > 0:
        found["retry"] = checked(lambda: arguments.attempts_policy(retries + 1))
    return found
