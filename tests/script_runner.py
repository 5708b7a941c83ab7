"""Run one script by name at a given time and decode its reply."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack
import redis

from qless_py import errors
from qless_py.fsck import records
from qless_py.scripts import assemble
from qless_py.store import server_errors

TAIL = re.compile(r"\s*script:.*$", re.DOTALL)


@dataclass(slots=True)
class Scripts:
    """Runs scripts against one namespace; maps and lists given as arguments are packed.

    Bytes in replies become text where they are text; a job view becomes the map of the job's
    fields with `data`, which stays bytes.
    """

    redis: redis.Redis
    clock: Callable[[], float]
    namespace: str = "ql"
    library: assemble.Library = field(default_factory=assemble.library)

    def __call__(
        self, name: str, *args: Any, now: float | str | None = None, request: str = ""
    ) -> Any:
        return readable(self.raw(name, *args, now=now, request=request))

    def raw(self, name: str, *args: Any, now: float | str | None = None, request: str = "") -> Any:
        """Run a script and give its reply unpacked, every string as bytes."""
        if not isinstance(now, str):
            now = str(round((self.clock() if now is None else now) * 1000))
        head = [now] if name.startswith("read/") else [now, request]
        reply = self.send(name, *head, *(packed(one) for one in args))
        if isinstance(reply, list):
            return popped(reply)
        return None if reply is None else msgpack.unpackb(reply, raw=True, strict_map_key=False)

    def send(self, name: str, *args: Any) -> Any:
        """Run a script with exactly these arguments; a refusal is raised as our exception."""
        key = "{" + self.namespace + "}"
        function = self.library.functions[name]
        command = (function.command, function.name, 1, key, *args)
        try:
            try:
                return self.redis.execute_command(*command)
            except redis.ResponseError as error:
                if not server_errors.is_missing_function(error):
                    raise
                self.redis.function_load(self.library.text)
                return self.redis.execute_command(*command)
        except redis.ResponseError as error:
            raise errors.error_from_reply(str(error)) from error


def popped(reply: list[bytes]) -> dict[bytes, Any]:
    """Unpack the reply to a pop and put the stored jobs, which follow it, into their views."""
    found: dict[bytes, Any] = msgpack.unpackb(reply[0], raw=True, strict_map_key=False)
    for view, value in zip(found[b"jobs"], reply[1:], strict=True):
        view[b"value"] = value
    return found


def packed(value: Any) -> Any:
    """Pack maps and lists as the scripts want them; all else is sent as it is."""
    if isinstance(value, dict | list | tuple):
        return msgpack.packb(value, use_bin_type=False)
    return value


def record(stored: bytes) -> dict[str, Any]:
    """Read a stored job: the map of its fields, plus inline `data`."""
    found = records.job(stored)
    assert found is not None
    return found.fields | {"data": found.data}


def readable(value: Any) -> Any:
    """Turn what is text into text, and stored jobs into maps of their fields."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, list):
        return [readable(one) for one in value]
    if isinstance(value, dict):
        return _readable_map(value)
    return value


def _readable_map(value: dict[Any, Any]) -> dict[Any, Any]:
    stored = value.get(b"value", value.get(b"recurring"))
    if not isinstance(stored, bytes):
        return {readable(key): readable(one) for key, one in value.items()}
    view = record(stored)
    for key, one in value.items():
        if key == b"data":
            view["data"] = one
        elif key == b"history":
            middle = [msgpack.unpackb(entry) for entry in one]
            view["history"] = [*view["history"][:1], *middle, *view["history"][1:]]
        elif key not in (b"value", b"recurring"):
            view[key.decode()] = readable(one)
    return view
