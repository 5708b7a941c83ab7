"""qless: the keys that the scripts of qless-core 0.9 and its successors write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from qless_py.protocol import arguments
from qless_py.transfer.migrate.origin import (
    PAGE,
    Found,
    Names,
    Place,
    RefusedError,
    Stored,
    checked,
    decoded,
    from_json,
    jid_of,
    whole,
)
from qless_py.transfer.shapes import Restorable

_PREFIX: Final = "ql:"
# What `cancel` of qless removes of a job that waits, unless the job has left its place.
_REMOVE: Final = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then
  return 0
end
local ns, jid = ARGV[2], ARGV[1]
local tags = redis.call('HGET', ns .. 'j:' .. jid, 'tags')
local ok, list = pcall(cjson.decode, tags or '[]')
for _, tag in ipairs(ok and type(list) == 'table' and list or {}) do
  if redis.call('ZREM', ns .. 't:' .. tag, jid) == 1 then
    redis.call('ZINCRBY', ns .. 'tags', -1, tag)
  end
end
for _, parent in ipairs(redis.call('SMEMBERS', ns .. 'j:' .. jid .. '-dependencies')) do
  redis.call('SREM', ns .. 'j:' .. parent .. '-dependents', jid)
end
redis.call('DEL', ns .. 'j:' .. jid, ns .. 'j:' .. jid .. '-history',
  ns .. 'j:' .. jid .. '-dependencies')
return 1
"""


class QlessOrigin:
    """The queues of qless."""

    def __init__(self, redis: Any, names: Names, now: int, prefix: str | None = None) -> None:
        self._redis = redis
        self._names = names
        self._now = now
        self._prefix = (prefix or _PREFIX).encode()

    def _key(self, *parts: bytes) -> bytes:
        return self._prefix + b"".join(parts)

    def queues(self) -> list[str]:
        """List the queues in the order in which they became known."""
        return [decoded(one) for one in self._redis.zrange(self._key(b"queues"), 0, -1)]

    def places(self, queue: str) -> list[Place]:
        """List the waiting and the scheduled jobs of a queue."""
        name = queue.encode()
        return [Place(queue, self._key(b"q:", name, b"-", one)) for one in (b"work", b"scheduled")]

    def length(self, place: Place) -> int:
        """Count the jobs of a place."""
        return int(self._redis.zcard(place.key))

    def page(self, place: Place, offset: int) -> list[Found]:
        """Read jobs in the order in which they would run."""
        is_scheduled = place.key.endswith(b"-scheduled")
        pairs = self._redis.zrange(
            place.key, offset, offset + PAGE - 1, desc=not is_scheduled, withscores=True
        )
        with self._redis.pipeline(transaction=False) as pipe:
            for entry, _ in pairs:
                pipe.hgetall(self._key(b"j:", entry))
                pipe.exists(self._key(b"j:", entry, b"-dependents"))
            replies = pipe.execute()
        rows = zip(pairs, replies[::2], replies[1::2], strict=True)
        return [
            self._found(place, entry, Stored(fields, score if is_scheduled else None, bool(parent)))
            for (entry, score), fields, parent in rows
        ]

    def remove(self, found: Sequence[Found]) -> list[bool]:
        """Remove jobs."""
        with self._redis.pipeline(transaction=False) as pipe:
            for one in found:
                pipe.eval(_REMOVE, 1, one.place.key, one.entry, self._prefix)
            return [bool(reply) for reply in pipe.execute()]

    def others(self, queue: str) -> dict[str, int]:
        """Count the jobs that wait for others, that run, and the recurring ones."""
        kinds = {
            "depends": "jobs that wait for others",
            "locks": "running jobs",
            "recur": "recurring jobs",
        }
        counts = {
            what: int(self._redis.zcard(self._key(f"q:{queue}-{kind}".encode())))
            for kind, what in kinds.items()
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
        data = fields.get(b"data", b"")
        from_json("its data", data)
        tags = from_json("its tags", fields.get(b"tags") or b"[]") or []
        spec: dict[str, Any] = {
            "jid": jid_of("qless", name),
            "klass": self._names.klass(decoded(fields.get(b"klass", b""))),
            "queue": self._names.queue(place.queue),
            "put_at": _put_at(fields, self._now),
            "priority": _number("priority", fields.get(b"priority") or b"0"),
            "tags": checked(lambda: arguments.names("tags", tags, 1000)),
        }
        retries = whole("retries", fields.get(b"retries") or 5)
        spec["retries"] = checked(
            lambda: arguments.whole("retries", retries, 0, arguments.MAX_RETRIES)
        )
        left = whole("remaining", fields.get(b"remaining") or retries)
        spec["left"] = min(max(left, 0), spec["retries"])
        if stored.due is not None:
            spec["at"] = checked(lambda: arguments.instant("the scheduled time", stored.due))
        return Restorable(spec["jid"], spec, data)


def _put_at(fields: Mapping[bytes, bytes], now: int) -> int:
    """Return when the job was put last; older releases kept that in its history only."""
    if not fields.get(b"time"):
        return now
    at = _number("time", fields[b"time"])
    return int(checked(lambda: arguments.instant("time", at)))


def _number(what: str, text: bytes) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise RefusedError(f"{what} {text!r} is not a number") from error
    return float(checked(lambda: arguments.finite(what, value)))
