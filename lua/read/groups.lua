-- groups(now, offset, count) -> {total, groups: [group, number, last failed_at]}
-- Lists failure groups, the one with the latest failure first.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, offset, count = unpack(ARGV)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
session.read(now)

local groups = {}
local flat = size > 0 and redis.call("ZREVRANGE", keys.failed(), from, from + size - 1,
  "WITHSCORES") or {}
for i = 1, #flat, 2 do
  local number = redis.call("ZCARD", keys.failed_group(flat[i]))
  groups[#groups + 1] = { flat[i], number, tonumber(flat[i + 1]) }
end

return cmsgpack.pack({ total = redis.call("ZCARD", keys.failed()), groups = groups })
