-- throttles(now, offset, count) -> {total, throttles}
-- Lists throttles with limits, the one set first first.
-- Errors: BADARG
-- Events: none

local check = require("lib.check")
local keys = require("lib.keys")
local limits = require("lib.limits")
local session = require("lib.session")
local settings = require("lib.throttle_settings")

local now, offset, count = unpack(ARGV)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
local s = session.read(now)

local ids = size > 0 and redis.call("ZRANGE", keys.throttles(), from, from + size - 1) or {}
for i, id in ipairs(ids) do
  ids[i] = settings.show(s, id)
end

return cmsgpack.pack({ total = redis.call("ZCARD", keys.throttles()), throttles = ids })
