-- tagged(now, tag, offset, count) -> {total, jids}
-- Pages through the jobs with a tag, in the order in which they were tagged.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, tag, offset, count = unpack(ARGV)
check.name("tag", tag)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
session.read(now)

local key = keys.tag(tag)
local jids = size > 0 and redis.call("ZRANGE", key, from, from + size - 1) or {}

return cmsgpack.pack({ total = redis.call("ZCARD", key), jids = jids })
