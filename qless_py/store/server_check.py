"""Refuse a server that is too old or may evict jobs; warn about one that may lose them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import redis
import redis.asyncio

from qless_py.errors import StoreError
from qless_py.store.embedded.binary import OLDEST_REDIS, OLDEST_VALKEY

_logger = logging.getLogger(__name__)
_COMMANDS: Final = (("INFO",), ("CONFIG", "GET", "save"))
_NUMBERS: Final = re.compile(r"(\d+)\.(\d+)")


class ServerCheck:
    """Check each server once, on the first connection of a pool to it.

    The pool calls one of the two methods in place of its own `on_connect`: the check needs no
    further connection, and it also runs for the server that a failover leads to.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def on_connect(self, connection: redis.Connection) -> None:
        """Set the connection up, then check its server."""
        connection.on_connect()
        where = _address(connection)
        if where in self._seen:
            return
        replies: list[Any] = []
        for command in _COMMANDS:
            connection.send_command(*command)
            try:
                replies.append(connection.read_response(disable_decoding=True))
            except redis.ResponseError:
                replies.append(None)  # Managed servers may forbid these commands.
        try:
            is_checked = check_server(where, *replies)
        except StoreError:
            connection.disconnect()  # Else the pool would use the connection.
            raise
        if is_checked:
            self._seen.add(where)

    async def on_connect_async(self, connection: redis.asyncio.Connection) -> None:
        """Do the same for asyncio."""
        await connection.on_connect()
        where = _address(connection)
        if where in self._seen:
            return
        replies: list[Any] = []
        for command in _COMMANDS:
            await connection.send_command(*command)
            try:
                replies.append(await connection.read_response(disable_decoding=True))
            except redis.ResponseError:
                replies.append(None)
        try:
            is_checked = check_server(where, *replies)
        except StoreError:
            await connection.disconnect()
            raise
        if is_checked:
            self._seen.add(where)


def check_server(where: str, info: bytes | None, save: Any) -> bool:
    """Raise StoreError for a server that must not be used; log a warning about a risky setting.

    `info` is the reply to INFO and `save` that to CONFIG GET save, None if refused. Returns whether
    everything was checked: a server that is loading its file does not show yet whether it will
    append to one.
    """
    if info is None:
        _logger.warning(
            "the server at %s refuses INFO: its version and settings are not checked", where
        )
        return True
    facts = _facts(info)
    _check_version(where, facts)
    _check_eviction(where, facts)
    if facts.get("loading", "0") != "0":
        return False
    if facts.get("aof_enabled") == "0" and save is not None and not _is_set(save):
        _logger.warning(
            "the server at %s has no persistence: all jobs are lost when it stops. Set `appendonly "
            "yes`: with `appendfsync everysec` a crash loses at most two seconds, with "
            "`appendfsync always` nothing",
            where,
        )
    return True


def _check_version(where: str, facts: Mapping[str, str]) -> None:
    name, field, oldest = "Redis", "redis_version", OLDEST_REDIS
    if "valkey_version" in facts:
        name, field, oldest = "Valkey", "valkey_version", OLDEST_VALKEY
    version = facts.get(field, "")
    match = _NUMBERS.match(version)
    if match is not None and (int(match[1]), int(match[2])) < oldest:
        raise StoreError(
            f"the server at {where} is {name} {version}; the oldest supported versions are Redis "
            f"{_dotted(OLDEST_REDIS)} and Valkey {_dotted(OLDEST_VALKEY)}"
        )


def _check_eviction(where: str, facts: Mapping[str, str]) -> None:
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return
    lost = evicted(policy)
    if facts.get("maxmemory", "0") != "0":
        raise StoreError(
            f"the server at {where} has maxmemory-policy {policy}: when its memory is full it "
            f"deletes {lost}. Set maxmemory-policy to noeviction"
        )
    _logger.warning(
        "the server at %s has maxmemory-policy %s: with a maxmemory set it would delete %s. "
        "Set maxmemory-policy to noeviction",
        where,
        policy,
        lost,
    )


def evicted(policy: str) -> str:
    """Return what a server with this eviction policy deletes when its memory is full.

    Jobs never expire, so a volatile policy leaves them. It deletes the remembered replies, which
    make a call that is sent again after a lost connection take effect once.
    """
    if policy.startswith("volatile-"):
        return "the remembered replies of calls, so that a call sent again could take effect twice"
    return "jobs"


def _is_set(setting: Mapping[bytes, bytes] | Sequence[bytes]) -> bool:
    # A map in RESP3, a list of name and value in RESP2.
    return any(setting.values() if isinstance(setting, Mapping) else setting[1:])


def _facts(info: bytes) -> dict[str, str]:
    lines = info.decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def _address(connection: Any) -> str:
    path = getattr(connection, "path", "")
    return str(path) if path else f"{connection.host}:{connection.port}"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
