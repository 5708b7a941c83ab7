-- tags(now, offset, count, minimum) -> list of [tag, number of jobs]
-- Lists tags with at least `minimum` jobs, most used first.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, offset, count, minimum = unpack(ARGV)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
local least = check.integer("minimum", minimum, 0, 2 ^ 52)
session.read(now)

local flat = redis.call("ZREVRANGEBYSCORE", keys.tags(), "+inf", least, "WITHSCORES",
  "LIMIT", from, size)
local found = {}
for i = 1, #flat, 2 do
  found[#found + 1] = { flat[i], tonumber(flat[i + 1]) }
end

return cmsgpack.pack(found)
