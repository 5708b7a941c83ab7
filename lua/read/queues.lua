-- queues(now, offset, count) -> {total, queues}
-- Counts the jobs of all queues by state, in the order in which they became known.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local listing = require("lib.queue.listing")
local session = require("lib.core.session")

local now, offset, count = unpack(ARGV)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
local names = size > 0 and redis.call("ZRANGE", keys.queues(), from, from + size - 1) or {}
local fields = {}
for i, queue in ipairs(names) do
  fields[i] = "paused:" .. queue
end
local s = session.read(now, unpack(fields))

local shown = {}
for i, queue in ipairs(names) do
  shown[i] = listing.counts(s, queue, s.meta[fields[i]])
end

return cmsgpack.pack({ total = redis.call("ZCARD", keys.queues()), queues = shown })
