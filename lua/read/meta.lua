-- meta(now) -> {schema, clock, time, sequence, now, quarantined}
-- Shows the header of the namespace, and how many keys were set aside as unreadable, if any; works
-- with any schema.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")

local now = unpack(ARGV)
check.given("now", now)
local fields = redis.call("HMGET", keys.meta(), "schema", "clock", "time", "sequence")
local time = redis.call("TIME")
local quarantined = redis.call("ZCARD", keys.quarantined())

return cmsgpack.pack({
  schema = fields[1] or nil,
  clock = fields[2] or nil,
  time = tonumber(fields[3] or nil),
  sequence = tonumber(fields[4] or nil),
  quarantined = quarantined > 0 and quarantined or nil,
  now = time[1] * 1000 + math.floor(time[2] / 1000),
})
