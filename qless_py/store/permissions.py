"""Find out, before the first write, whether a user of the server may do all that scripts do.

The server checks permissions command by command within a script: a missing one would end a
transition half way. So a client that signs in as a user first runs a script that tries every
command, on a key that does not exist. It leaves nothing behind.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import NoPermissionError, ResponseError

from qless_py.errors import StoreError

_logger = logging.getLogger(__name__)

_PROBE: Final = """\
#!lua flags=allow-oom
local base = string.match(KEYS[1], "^(.+):meta$")
local key, refused = base .. ":probe", {}
local function try(command, ...)
  local reply = redis.pcall(command, ...)
  local text = type(reply) == "table" and reply.err or ""
  if string.find(text, "executing the script can't", 1, true)
    or string.find(text, "ACL failure in script", 1, true) then
    refused[#refused + 1] = command .. " " .. text
  end
end
try("TIME")
for _, command in ipairs({ "DEL", "UNLINK", "GET", "MGET", "EXISTS", "STRLEN", "TYPE", "HGETALL",
  "HKEYS", "HLEN", "SCARD", "SMEMBERS", "SPOP", "ZCARD" }) do
  try(command, key)
end
for _, command in ipairs({ "HGET", "HMGET", "HEXISTS", "HDEL", "SISMEMBER", "SREM", "ZMSCORE",
  "ZRANK", "ZSCORE", "ZREM" }) do
  try(command, key, "x")
end
try("ZSCAN", key, 0)
try("SSCAN", key, 0)
for _, command in ipairs({ "LRANGE", "LTRIM", "ZCOUNT", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE",
  "ZREVRANGEBYSCORE", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE" }) do
  try(command, key, 0, 0)
end
-- These change nothing: an option forbids it, or the command finds fault with its arguments.
try("SET", key, "x", "XX")
try("ZADD", key, "XX", 0, "x")
try("HINCRBY", key, "x", "x")
try("HSET", key, "x", "x", "x")
try("RENAME", key, key .. "2")
if not refused[1] then
  for _, command in ipairs({ "HSETNX", "RPUSH", "SADD", "MSET" }) do
    try(command, key, "x", command == "HSETNX" and "x" or nil)
    redis.pcall("DEL", key)
  end
end
local events = redis.pcall("HGET", KEYS[1], "config:event-stream")
if tonumber(type(events) == "string" and events or "0") ~= 0 then
  try("XADD", key, "NOMKSTREAM", "*", "x", "x")
end
try("PUBLISH", KEYS[2] and KEYS[2] .. ":probe" or key, "")
return refused
"""


def commands(keys: Sequence[str]) -> list[tuple[str | int, ...]]:
    """Return what to send; the last reply says what is refused."""
    # No function has this name, so the first command only shows whether the user may call any.
    return [("FCALL", "permissions", len(keys), *keys), ("EVAL", _PROBE, len(keys), *keys)]


def load_error(error: ResponseError) -> Exception:
    """Return what to raise when the server lacks the library and refuses to load it."""
    if not isinstance(error, NoPermissionError):
        return error
    return StoreError(
        f"the server does not have the functions of this version, and its user may not load them "
        f"({error}). As an administrator, run: ACL SETUSER USER +function|load; or let a user who "
        "may, such as that of a worker, load them first: qless-py doctor"
    )


def signs_in(redis: Any) -> bool:
    """Return whether a client of redis-py signs in as a user other than the default one."""
    pool = getattr(redis, "connection_pool", None)
    options = getattr(pool, "connection_kwargs", {})
    user = options.get("username")
    return bool(options.get("credential_provider")) or user not in (None, "", "default")


def judge(redis: Any, keys: Sequence[str], replies: Sequence[Any]) -> None:
    """Raise StoreError for a user who lacks a command or the keys; warn about the channels.

    `replies` are those to `commands`, a ResponseError in place of a refused one. Any refusal that
    is not about permissions is left to the call that follows.
    """
    base = keys[0].removesuffix(":meta")
    user = redis.connection_pool.connection_kwargs.get("username") or "USER"
    wanted = [
        _rule(command, str(reply), base)
        for reply, command in zip(replies, ("fcall", "eval"), strict=True)
        if isinstance(reply, NoPermissionError)
    ]
    refused = replies[-1] if isinstance(replies[-1], list) else []
    texts = [one.decode() if isinstance(one, bytes) else str(one) for one in refused]
    rules = {text: _rule(text.partition(" ")[0], text, base) for text in texts}
    silent = [rule for text, rule in rules.items() if text.startswith("PUBLISH ")]
    wanted += [rule for rule in rules.values() if rule not in silent]
    if wanted:
        rule = " ".join(dict.fromkeys([*wanted, *silent]))
        raise StoreError(
            f"the user {user} of the server lacks permissions, so nothing was sent. As an "
            f"administrator, run: ACL SETUSER {user} {rule}"
        )
    if silent:
        _logger.warning(
            "the user %s of the server may not publish: live pages, `listen` and quick notice of "
            "lost leases miss events. As an administrator, run: ACL SETUSER %s %s",
            *(user, user, silent[0]),
        )


def _rule(command: str, why: str, base: str) -> str:
    """Return the rule that a refusal asks for. Redis 7.0 uses other words than later versions."""
    if "channel" in why:
        return f"&{base}:*"
    return f"~{base}:*" if re.search(r"\bkeys?\b", why) else f"+{command.lower()}"
