"""Celery with Redis as its broker: messages of protocol 2 with JSON bodies."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from qless_py.protocol import arguments
from qless_py.transfer.migrate.origin import (
    PAGE,
    Found,
    Names,
    Place,
    RefusedError,
    call_data,
    checked,
    decoded,
    from_json,
    instant,
    jid_of,
)
from qless_py.transfer.shapes import Restorable

_SEPARATOR: Final = b"\x06\x16"
_PRIORITIES: Final = range(1, 10)
_CONTROL: Final = ("celeryev", "celery.pidbox", "reply.celery")
_JSON: Final = "application/json"
# Removes the first such message from the end at which workers take messages.
_REMOVE: Final = "return redis.call('LREM', KEYS[1], -1, ARGV[1])"


class CeleryOrigin:
    """The queues of a Celery application."""

    def __init__(self, redis: Any, names: Names, now: int, prefix: str | None = None) -> None:
        self._redis = redis
        self._names = names
        self._now = now
        self._prefix = (prefix or "").encode()

    def queues(self) -> list[str]:
        """List the queues that exchanges are bound to, without those of events and control."""
        found: set[bytes] = set()
        for key in self._redis.scan_iter(match=self._prefix + b"_kombu.binding.*", count=1000):
            found |= {one.split(_SEPARATOR)[-1] for one in self._redis.smembers(key)}
        names = sorted(decoded(one) for one in found)
        return [one for one in names if not one.startswith(_CONTROL) and ".pidbox" not in one]

    def places(self, queue: str) -> list[Place]:
        """List the lists of a queue, one for each priority; 0 comes first."""
        key = self._prefix + queue.encode()
        others = [Place(queue, key + _SEPARATOR + b"%d" % one, -one) for one in _PRIORITIES]
        return [Place(queue, key), *others]

    def length(self, place: Place) -> int:
        """Count the messages of a list."""
        return int(self._redis.llen(place.key))

    def page(self, place: Place, offset: int) -> list[Found]:
        """Read messages from the end at which workers take them."""
        raw = self._redis.lrange(place.key, -offset - PAGE, -offset - 1)
        return [self._found(place, one) for one in reversed(raw)]

    def remove(self, found: Sequence[Found]) -> list[bool]:
        """Remove messages."""
        with self._redis.pipeline(transaction=False) as pipe:
            for one in found:
                pipe.eval(_REMOVE, 1, one.place.key, one.entry)
            return [bool(reply) for reply in pipe.execute()]

    def others(self, queue: str) -> dict[str, int]:
        """Count the messages that workers hold: those in progress and those with a later time."""
        del queue
        held = int(self._redis.hlen(self._prefix + b"unacked"))
        return {"messages that workers hold": held} if held else {}

    def _found(self, place: Place, raw: bytes) -> Found:
        name = "?"
        try:
            message = from_json("the message", raw)
            headers = _map(_map(message).get("headers"))
            name = str(headers.get("id", "?"))
            return Found(place, raw, name, self._job(place, message, headers))
        except RefusedError as refused:
            return Found(place, raw, name, reason=str(refused))

    def _job(self, place: Place, message: dict[str, Any], headers: dict[str, Any]) -> Restorable:
        task, name = headers.get("task"), headers.get("id")
        if not isinstance(task, str) or not isinstance(name, str):
            raise RefusedError("it is no message of protocol 2: its headers have no task and id")
        args, kwargs = _body(message, headers)
        done = headers.get("retries")
        more = {"retries": done} if isinstance(done, int) and done > 0 else {}
        spec: dict[str, Any] = {
            "jid": jid_of("celery", name),
            "klass": self._names.klass(task),
            "queue": self._names.queue(place.queue),
            "put_at": self._now,
        }
        if place.priority:
            spec["priority"] = place.priority
        if headers.get("eta"):
            spec["at"] = instant("eta", headers["eta"])
        if headers.get("expires"):
            spec["expires"] = instant("expires", headers["expires"])
        spec |= _limits(headers.get("timelimit"))
        return Restorable(spec["jid"], spec, call_data(args, kwargs, more))


def _map(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedError("it is no message of protocol 2")
    return value


def _body(message: dict[str, Any], headers: dict[str, Any]) -> tuple[Any, Any]:
    """Return the arguments of a message; nothing but JSON is read."""
    content = message.get("content-type")
    if content != _JSON:
        raise RefusedError(f"its content type {content!r} is not read: only {_JSON} is")
    if headers.get("compression"):
        raise RefusedError(f"it is compressed with {headers['compression']!r}")
    body = message.get("body")
    if not isinstance(body, str):
        raise RefusedError("its body is not text")
    if _map(message.get("properties", {})).get("body_encoding") == "base64":
        try:
            body = base64.b64decode(body, validate=True)
        except (ValueError, binascii.Error) as error:
            raise RefusedError("its body is not Base64") from error
    value = from_json("its body", body)
    if not isinstance(value, list) or len(value) != 3:  # noqa: PLR2004 - args, kwargs, the rest
        raise RefusedError("its body is not a list of args, kwargs and options")
    args, kwargs, rest = value
    parts = [name for name, given in _map(rest or {}).items() if given]
    if parts:
        raise RefusedError(f"it has {', '.join(sorted(parts))}, which would be lost")
    return args, kwargs


def _limits(value: Any) -> dict[str, int]:
    if not isinstance(value, list):
        return {}
    named = zip(("hard_limit", "soft_limit"), value, strict=False)
    return {name: _limit(name, limit) for name, limit in named if limit}


def _limit(name: str, value: Any) -> int:
    return checked(lambda: arguments.span(name, value, 0.001))
