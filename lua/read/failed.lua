-- failed(now, group, offset, count) -> {total, jids}
-- Pages through the failed jobs of a group, newest first.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, group, offset, count = unpack(ARGV)
check.line("group", group)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
session.read(now)

local key = keys.failed_group(group)
local jids = size > 0 and redis.call("ZREVRANGE", key, from, from + size - 1) or {}

return cmsgpack.pack({ total = redis.call("ZCARD", key), jids = jids })
